"""What the rest of lmpm asks of llama.cpp: is it there, generate, embed."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.failure import failure
from lmpm.engine.process import COMMAND, run_child
from lmpm.engine.protocol import EngineInfo, EngineLimits, EngineReport, Job
from lmpm.errors import EngineError
from lmpm.types import MemoryPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmpm.engine.protocol import Generation
    from lmpm.run_config import RunConfig

PROBE_LIMITS: Final = EngineLimits(time_s=30.0)
DRY_RUN_LIMITS: Final = EngineLimits(time_s=60.0)


def probe(*, command: Sequence[str] = COMMAND) -> EngineInfo:
    """The installed engine. Raises EngineError when it is missing or does not import."""
    return EngineInfo(**_answer(Job(kind="probe"), PROBE_LIMITS, command))


def generate(
    path: Path,
    prompts: Sequence[str],
    *,
    plan: RunConfig,
    max_tokens: int,
    stop: Sequence[str] = (),
    limits: EngineLimits,
) -> list[Generation]:
    """Greedy completions of raw prompts, one load for all. Raises EngineError."""
    job = Job(
        kind="run",
        path=os.fspath(path),
        texts=tuple(prompts),
        plan=dataclasses.replace(plan, embeddings=False),
        max_tokens=max_tokens,
        stop=tuple(stop),
    )
    return list(execute(job, limits).generations)


def embed(path: Path, texts: Sequence[str], *, plan: RunConfig, limits: EngineLimits) -> list[list[float]]:
    """One vector for each text, one load for all, not normalized. Raises EngineError."""
    plan = dataclasses.replace(plan, embeddings=True)
    job = Job(kind="run", path=os.fspath(path), texts=tuple(texts), plan=plan)
    return [list(vector) for vector in execute(job, limits).embeddings]


def dry_run(
    path: Path, *, plan: RunConfig, limits: EngineLimits = DRY_RUN_LIMITS, command: Sequence[str] = COMMAND
) -> MemoryPlan:
    """How this build of llama.cpp would spend memory on a file at the planned settings, in about a second.

    Only the header of the file is read: a hole may stand for its weights. Raises EngineError.
    """
    job = Job(kind="plan", path=os.fspath(path), plan=plan)
    return MemoryPlan.decode(_answer(job, limits, command))


def execute(job: Job, limits: EngineLimits, *, command: Sequence[str] = COMMAND) -> EngineReport:
    """Run a job that loads a model, and return its answers with what they took. Raises EngineError."""
    return EngineReport.decode(_answer(job, limits, command))


def _answer(job: Job, limits: EngineLimits, command: Sequence[str]) -> Mapping[str, Any]:
    job = dataclasses.replace(job, memory_bytes=limits.memory_bytes)
    try:
        outcome = run_child(job.encode(), limits, command=command)
    except OSError as error:
        raise EngineError(f"llama.cpp's process cannot be started: {error.strerror or error}") from error
    if outcome.result is None:
        raise failure(outcome, job.path, limits)
    return outcome.result
