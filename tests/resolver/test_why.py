"""The sentence that says why, of picks from the shipped catalog: every figure and claim in it is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from benchmarks.expert_picks import choice_of
from lmpm import catalog
from lmpm.catalog import Catalog, Task
from lmpm.limits import GIB
from lmpm.machine import Chips, load_chips, parse_spec
from lmpm.resolver import Choice, describe_choice
from lmpm.units import duration

# Those with weak and slow picks, and some of each kind; `benchmarks/expert_picks.py` reads all 285.
MACHINES: Final = (
    "Raspberry Pi 5, 8GB", "CPU, 2 cores, 4GB", "CPU, 4 cores, 8GB", "CPU, 8 cores, 32GB", "M4 Pro, 24GB",
    "RTX 3060 12GB, 32GB",
)  # fmt: skip
EXPECTED: Final = re.compile(r"(\d+\.\d) of 100 expected \((.*?)\), done in ([^:;,]*)[:;,]")


@pytest.fixture(scope="module")
def known() -> Catalog:
    return catalog.load(catalog.directory())


@pytest.fixture(scope="module")
def chips() -> Chips:
    return load_chips(catalog.directory())


@pytest.fixture(scope="module")
def picks(known: Catalog, chips: Chips) -> list[tuple[Task, Choice]]:
    return [(task, choice_of(known, task, parse_spec(name, chips))) for task in known.tasks for name in MACHINES]


def of_form(picks: list[tuple[Task, Choice]], words: str) -> Iterator[tuple[Task, Choice, str]]:
    found = [(task, choice, describe_choice(choice)) for task, choice in picks if words in describe_choice(choice)]
    assert found, words
    yield from found


def test_score_metric_kind_mode_and_seconds_are_those_of_the_pick(
    known: Catalog, picks: list[tuple[Task, Choice]]
) -> None:
    for task, choice in picks:
        assert choice.chosen
        variant, judged, why = choice.chosen.variant, choice.chosen.judged, describe_choice(choice)
        found = EXPECTED.match(why)
        model = known.model(variant.model)
        assert found and model and judged.whole_s, why
        (rating,) = (item for item in known.ratings(model, task) if item.mode == variant.mode)
        assert found[1] == f"{variant.quality:.1f}" and variant.quality <= rating.value
        assert found[2] == ", ".join(word for word in (rating.metric, rating.kind, variant.mode) if word)
        assert found[3] == duration(judged.whole_s)


def test_a_weak_pick_says_what_would_do_on_any_mac_with_so_much(
    known: Catalog, chips: Chips, picks: list[tuple[Task, Choice]]
) -> None:
    for task, choice, why in of_form(picks, "of little use"):
        assert choice.chosen and choice.chosen.variant.quality < task.time.useful
        found = re.search(r"of little use; ([\d.]+) from (\d+) GB of unified memory on, or a cloud model(.*)$", why)
        assert found, why
        size = int(found[2])
        for chip in chips.chips:
            if chip.accelerator == "metal" and size * GIB in chip.memory:
                there = choice_of(known, task, parse_spec(f"{chip.name}, {size}GB", chips)).chosen
                assert there and there.variant.quality >= task.time.useful and not there.judged.is_slow, chip.name
        assert not found[3] or float(found[3].rpartition(" ")[2]) >= task.time.useful


def test_a_slow_pick_is_worth_the_most_all_the_same(picks: list[tuple[Task, Choice]]) -> None:
    for task, choice, _ in of_form(picks, "slow, and still the most"):
        assert choice.chosen and choice.chosen.judged.is_slow and choice.greatest
        assert choice.chosen.variant.quality >= task.time.useful
        assert choice.chosen.judged.value >= 0.985 * choice.greatest.judged.value


def test_what_is_as_good_and_faster_is_both(picks: list[tuple[Task, Choice]]) -> None:
    for _, choice, why in of_form(picks, "within 1.5 %"):
        assert choice.chosen and choice.greatest
        assert f"within 1.5 % of {choice.greatest.variant.title}, and faster" in why
        assert choice.chosen.judged.value >= 0.985 * choice.greatest.judged.value
        assert choice.chosen.judged.haste < choice.greatest.judged.haste


def test_the_most_is_the_most(picks: list[tuple[Task, Choice]]) -> None:
    for _, choice, _ in of_form(picks, "the most for"):
        chosen, greatest = choice.chosen, choice.greatest
        assert chosen and greatest and chosen.variant.model == greatest.variant.model
