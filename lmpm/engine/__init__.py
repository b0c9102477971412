"""llama.cpp, always in a child process with limits: load a file, generate, embed, and report."""

from lmpm.engine.client import embed, execute, generate, probe
from lmpm.engine.job import EngineInfo, EngineLimits, EngineReport, Generation, Job, LoadPlan

__all__ = [
    "EngineInfo",
    "EngineLimits",
    "EngineReport",
    "Generation",
    "Job",
    "LoadPlan",
    "embed",
    "execute",
    "generate",
    "probe",
]
