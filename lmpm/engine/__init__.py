"""llama.cpp, always in a child process with limits: load a file, generate, embed, and report."""

from lmpm.engine.client import dry_run, embed, execute, generate, probe
from lmpm.engine.job import (
    DryRun,
    EngineInfo,
    EngineLimits,
    EngineReport,
    Generation,
    Job,
    PlannedBuffer,
)

__all__ = [
    "DryRun",
    "EngineInfo",
    "EngineLimits",
    "EngineReport",
    "Generation",
    "Job",
    "PlannedBuffer",
    "dry_run",
    "embed",
    "execute",
    "generate",
    "probe",
]
