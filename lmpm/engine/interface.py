"""What every engine can do, whoever distributes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.engine.protocol import EngineInfo, EngineLimits, EngineName, Files, Service
    from lmpm.engine.session import Session
    from lmpm.run_config import RunConfig
    from lmpm.types import MemoryPlan


class Engine(Protocol):
    """One build of llama.cpp on this machine. Its child processes are bounded, whatever it is."""

    @property
    def name(self) -> EngineName:
        """How users name it."""

    def installation(self) -> str | None:
        """What tells this installation from any other, without starting it; None where there is none."""

    def probe(self) -> EngineInfo:
        """What it is and can do here. Raises EngineError when it does not start."""

    def plan(self, path: Path, config: RunConfig, limits: EngineLimits = ...) -> MemoryPlan:
        """How it would spend memory on a file of which only the header must be there. Raises EngineError."""

    def open(self, files: Files, config: RunConfig, limits: EngineLimits, service: Service = ...) -> Session:
        """A session with a model. Raises EngineError when it cannot be loaded."""
