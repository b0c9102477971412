"""Training on tiny bases and toy tasks: it learns, goes on where it was interrupted, and says what went wrong."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("gguf")

import torch

from lmpm.engine import Engine, EngineLimits, Files, LocalEngine, Service
from lmpm.errors import DiskError, EngineError, LmpmError
from lmpm.gguf import base_of, read_file
from lmpm.run_config import RunConfig
from lmpm.tuner.base import Base
from lmpm.tuner.parity import require_parity
from lmpm.tuner.settings import Settings, Shape
from lmpm.tuner.training.loop import Progress, Watcher
from lmpm.tuner.work import Job, encoder_of, perform
from tests.tuner.bases import make_base
from tests.tuner.toys import RECIPE, examples

TINY = Shape(layers=2, width=64, heads=2, hidden=128, vocabulary=400)
SCRATCH = Settings(kind="scratch", epochs=2, batch=8, max_tokens=64, shape=TINY)
LORA = Settings(epochs=1, batch=8, rank=4, alpha=8, max_tokens=128)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def job_of(home: Path, settings: Settings, base: Path | None = None, count: int = 60) -> Job:
    found = Base(folder=base, name=base.name) if base else None
    return Job(name="toy", recipe=RECIPE, examples=examples(count), settings=settings, base=found, home=home)


class Heard(Watcher):
    def __init__(self, stop_at: int | None = None) -> None:
        self.progress: list[Progress] = []
        self.resumed_at: int | None = None

    def resumed(self, step: int, steps: int) -> None:
        self.resumed_at = step

    def advanced(self, progress: Progress) -> None:
        self.progress.append(progress)


def weights_of(job: Job) -> dict[str, Any]:
    kept = torch.load(job.folder / "checkpoint.pt", weights_only=True)
    return dict(kept["weights"])


@pytest.mark.parametrize("kind", ["scratch", "llama", "qwen3", "gemma3"])
def test_an_interrupted_run_that_goes_on_equals_one_that_was_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = None if kind == "scratch" else make_base(tmp_path / "base", kind)
    settings = SCRATCH if base is None else LORA
    whole = job_of(tmp_path / "whole", settings, base)
    perform(whole, encoder_of(whole), Watcher())

    from lmpm.tuner.training.batches import Batches

    plain = Batches.at

    def interrupted(self: Batches, step: int) -> Any:
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(self, step)

    monkeypatch.setattr(Batches, "at", interrupted)
    half = job_of(tmp_path / "half", settings, base)
    with pytest.raises(KeyboardInterrupt):
        perform(half, encoder_of(half), Watcher())
    monkeypatch.undo()
    assert not (half.folder / "toy-Q8_0.gguf").exists()
    heard = Heard()
    trained, _ = perform(half, encoder_of(half), heard)
    assert heard.resumed_at == 4
    assert heard.progress[-1].step == heard.progress[-1].steps
    one, two = weights_of(whole), weights_of(half)
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) <= 1e-6
    assert trained.model.read_bytes() == (whole.folder / "toy-Q8_0.gguf").read_bytes()


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    one, two = (job_of(tmp_path, replace(SCRATCH, seed=seed)) for seed in (1, 2))
    for job in (one, two):
        perform(job, encoder_of(job), Watcher())
    assert one.folder != two.folder
    assert any((weights_of(one)[name] != weights_of(two)[name]).any() for name in weights_of(one))


@pytest.mark.parametrize("kind", ["scratch", "llama", "qwen2", "qwen3", "gemma3"])
def test_llama_cpp_reads_and_answers_as_torch_did(kind: str, tmp_path: Path, any_engine: Engine) -> None:
    base = None if kind == "scratch" else make_base(tmp_path / "base", kind)
    job = job_of(tmp_path / "work", SCRATCH if base is None else LORA, base)
    encoder = encoder_of(job)
    trained, learner = perform(job, encoder, Watcher())
    with any_engine.open(
        Files(trained.model), RunConfig(context=64), EngineLimits(time_s=60), Service(chats=True)
    ) as session:
        parity = require_parity(session, encoder, learner, job.examples.examples)
        assert parity.prompts == 8 and parity.drift < 0.1
        with torch.no_grad():  # the check can fail: another model answers otherwise
            for weight in learner.model.parameters():
                weight.add_(torch.randn_like(weight))
        with pytest.raises(EngineError, match="otherwise"):
            require_parity(session, encoder, learner, job.examples.examples)
    if base:
        assert trained.adapter is not None and trained.base is not None
        said = base_of(read_file(trained.adapter))
        assert said is not None and len(said.sha256) == 64


def test_a_loss_that_is_no_number_stops_with_what_helps(tmp_path: Path) -> None:
    job = job_of(tmp_path, replace(SCRATCH, rate=1e18, epochs=4))
    with pytest.raises(LmpmError, match="no number any more") as caught:
        perform(job, encoder_of(job), Watcher())
    assert caught.value.kind == "diverged" and "--rate" in str(caught.value.hint)
    assert not list(job.folder.glob("*.gguf"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of(tmp_path, SCRATCH)
    encoder = encoder_of(job)
    (job.folder / ".checkpoint.pt.part").symlink_to("/dev/full")
    with pytest.raises(DiskError) as caught:
        perform(job, encoder, Watcher())
    assert caught.value.exit_code == 6
    assert not list(job.folder.glob("*.gguf")) and not (job.folder / "checkpoint.pt").exists()


def test_a_damaged_checkpoint_begins_anew(tmp_path: Path) -> None:
    job = job_of(tmp_path, SCRATCH)
    encoder = encoder_of(job)
    (job.folder / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    heard = Heard()
    perform(job, encoder, heard)
    assert heard.resumed_at is None and heard.progress[-1].step == heard.progress[-1].steps


@pytest.fixture
def any_engine(tmp_path: Path) -> Engine:
    from lmpm.catalog import directory
    from lmpm.machine import detect, load_chips

    local = LocalEngine(detect(load_chips(directory())), tmp_path / "notes")
    found = local.chosen.engine
    if found is None:
        pytest.skip("no engine")
    return found
