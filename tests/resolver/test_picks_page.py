"""The page of picks: that it is the catalog's, and that what stands on it can be recommended."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.licenses import permits_commercial_use
from lmpm.machine.chips import Chips, load_chips
from lmpm.machine.spec import parse_spec
from lmpm.resolver import picks_page

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "picks.md").read_text(encoding="utf-8")
FEW = ("Raspberry Pi 5, 8GB", "M2, 16GB", "RTX 4090, 64GB")  # the whole page takes a while: `.ci/run` compares it


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return catalog.load(ROOT / "catalog")


@pytest.fixture(scope="module")
def chips() -> Chips:
    return load_chips(ROOT / "catalog")


def test_the_page_names_every_task_and_machine(shipped: Catalog) -> None:
    sections = PAGE.split("\n## ")[1:]
    assert [section.partition("\n")[0] for section in sections] == list(shipped.task_names())
    for section in sections:
        rows = [line.split(" | ")[0].removeprefix("| ") for line in section.splitlines() if line.startswith("| ")]
        assert rows == ["machine", *picks_page.MACHINES]


@pytest.mark.parametrize("name", ["text-to-sql", "embeddings", "reranking"])
def test_the_page_is_what_the_catalog_says(shipped: Catalog, chips: Chips, name: str) -> None:
    task = shipped.task(name)
    assert task
    machines = {spec: parse_spec(spec, chips) for spec in picks_page.MACHINES}
    assert "\n".join(picks_page.section(task, picks_page.pick(shipped, task, machines))) in PAGE


def test_what_is_picked_can_be_recommended(shipped: Catalog, chips: Chips) -> None:
    machines = {spec: parse_spec(spec, chips) for spec in FEW}
    for task in shipped.tasks:
        for row in picks_page.pick(shipped, task, machines):
            chosen = row.choice.chosen
            assert chosen, (task.name, row.machine)
            variant = chosen.variant
            assert permits_commercial_use(variant.license)
            assert not variant.gated
            assert task.capabilities <= variant.capabilities
            assert task.max_size is None or variant.size <= task.max_size
            assert variant.score is not None
            line = next(line for line in picks_page.section(task, (row,)) if line.startswith(f"| {row.machine} "))
            assert ("**slow**" in line) == chosen.judged.is_slow


def test_more_memory_never_makes_a_worse_pick(shipped: Catalog, chips: Chips) -> None:
    specs = ("CPU, 8 cores, 8GB", "CPU, 8 cores, 16GB", "CPU, 8 cores, 32GB")
    machines = {spec: parse_spec(spec, chips) for spec in specs}
    for name in ("text-to-sql", "summarization"):
        task = shipped.task(name)
        assert task
        rows = picks_page.pick(shipped, task, machines)
        qualities = [row.choice.chosen.variant.quality for row in rows if row.choice.chosen]
        assert len(qualities) == len(specs)
        assert all(later >= earlier - 1.0 for earlier, later in itertools.pairwise(qualities))
