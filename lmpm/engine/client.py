"""One question to a library of llama.cpp, in a child process that ends with the answer."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.failure import failure
from lmpm.engine.process import COMMAND, run_child
from lmpm.engine.protocol import NO_PLAN, EngineLimits, Job
from lmpm.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmpm.engine.protocol import JobKind
    from lmpm.run_config import RunConfig

PROBE_LIMITS: Final = EngineLimits(time_s=30.0)


def ask_library(
    library: Path,
    kind: JobKind,
    path: Path | None = None,
    config: RunConfig = NO_PLAN,
    limits: EngineLimits = PROBE_LIMITS,
    *,
    command: Sequence[str] = COMMAND,
) -> Mapping[str, Any]:
    """What a library answers. Raises EngineError."""
    job = Job(kind, os.fspath(library), os.fspath(path) if path else "", config, limits.memory_bytes)
    return ask_child(job, limits, command=command)


def ask_child(job: Job, limits: EngineLimits, *, command: Sequence[str] = COMMAND) -> Mapping[str, Any]:
    """The answer of a child to a job. Raises EngineError."""
    job = dataclasses.replace(job, memory_bytes=limits.memory_bytes)
    try:
        outcome = run_child(job.encode(), limits, command=command)
    except OSError as error:
        raise EngineError(f"llama.cpp's process cannot be started: {error.strerror or error}") from error
    if outcome.result is None:
        raise failure(outcome, job.path, limits)
    return outcome.result
