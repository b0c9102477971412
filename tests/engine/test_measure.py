"""Measuring: the file made on the spot is a model, and what comes out is kept and used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lmpm.engine import Engine, EngineLimits, Files, LocalEngine, Measured, measure as measuring, synthetic
from lmpm.gguf import read_file
from lmpm.run_config import RunConfig
from lmpm.types import Machine

BOX = Machine(name="CPU", accelerator="cpu", memory=1 << 34, budget=1 << 33, bandwidth=50 * 10**9, cores=2)
FOUND = Measured(
    bandwidth=20 * 10**9, compute=1e12, decode=10.0, prefill=100.0, file_bytes=1 << 28, runs=3, build="llama.cpp b1"
)


def test_the_synthetic_model_is_one(tmp_path: Path, engine: Engine) -> None:
    made = synthetic.write(tmp_path / "m.gguf", synthetic.layer_bytes())
    header = read_file(made.path)
    assert header.architecture == "llama"
    assert made.path.stat().st_size == pytest.approx(made.size, rel=0.05)
    with engine.open(Files(made.path), RunConfig(context=128), EngineLimits(memory_bytes=1 << 30)) as session:
        answer = session.complete([3, 4, 5], max_tokens=6, checked=True)
    assert answer.finite and answer.tokens == 6, "no answer ends by itself"


def test_what_is_measured_is_kept_for_the_machine_and_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_size", lambda machine, folder: synthetic.layer_bytes())
    monkeypatch.setattr(measuring, "BUDGET_S", 0.0)
    here = LocalEngine(BOX, tmp_path)
    assert here.measured is None and here.machine == BOX
    found = here.measure()
    assert found.runs >= 3 and found.decode > 0 and found.prefill > 0 and found.bandwidth > 0
    assert found.predicted is not None and found.build.startswith("llama.cpp ")
    assert LocalEngine(BOX, tmp_path).measured == found
    assert LocalEngine(replace(BOX, name="another"), tmp_path).measured is None
    assert measuring.recall(tmp_path, BOX, "another installation") is None


def test_a_figure_of_the_table_gives_way_to_a_measured_one_only_where_they_differ() -> None:
    slower = FOUND.applied_to(BOX)
    assert (slower.bandwidth, slower.compute) == (FOUND.bandwidth, FOUND.compute)
    assert str(slower.source_of("bandwidth")) == "measured: here, with llama.cpp b1"
    assert replace(FOUND, bandwidth=45 * 10**9).applied_to(BOX) == BOX
    assert FOUND.applied_to(replace(BOX, bandwidth=None)).bandwidth == FOUND.bandwidth


def test_the_file_is_larger_than_the_caches_and_no_larger_than_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "largest_cache", lambda: 96 << 20)
    monkeypatch.setattr(measuring, "free_space", lambda folder: 100 << 30)
    assert measuring._size(BOX, tmp_path) == 384 << 20
    monkeypatch.setattr(measuring, "free_space", lambda folder: 1 << 30)
    assert measuring._size(BOX, tmp_path) == 256 << 20
    monkeypatch.setattr(measuring, "free_space", lambda folder: 1 << 20)
    with pytest.raises(Exception, match="too little room"):
        measuring._size(BOX, tmp_path)
