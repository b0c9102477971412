"""Where models are run: this computer, as far as the llama.cpp on it can use it."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.engine.planner import MemoryPlanner
    from lmpm.engine.protocol import EngineInfo
    from lmpm.run_config import Repacking
    from lmpm.types import Machine


class LocalEngine:
    """`computer` and its engine, which is asked only where its answer matters. Notes are kept in `home`."""

    def __init__(self, computer: Machine, home: Path) -> None:
        self.computer = computer
        self._home = home

    @cached_property
    def machine(self) -> Machine:
        """The computer, without its GPU where llama.cpp was built for the CPU alone."""
        if self.computer.accelerator == "cpu" or self.engine is None or self.engine.gpu_offload:
            return self.computer
        from lmpm.machine import without_gpu

        return without_gpu(self.computer)

    @cached_property
    def installation(self) -> str | None:
        """Which llama-cpp-python is installed; None when there is none."""
        from lmpm.engine.installed import installation

        return installation()

    @cached_property
    def engine(self) -> EngineInfo | None:
        """What the installed engine says of itself; None without one that starts."""
        from lmpm.engine.installed import describe

        return describe(self._home / "engine", self.installation)

    @cached_property
    def repack(self) -> Repacking:
        """Which weights the CPU backend keeps in another order."""
        from lmpm.estimate import repacking

        return repacking(self.engine.system_info) if self.engine else usual_repacking(self.computer)

    @cached_property
    def oracle(self) -> MemoryPlanner | None:
        """Who tells how llama.cpp would spend memory here; None where it is not installed, or cannot be asked."""
        from lmpm.engine.planner import MemoryPlanner

        if self.installation is None or sys.platform == "win32":  # its builds do not export what is asked for
            return None
        here = self.computer
        return MemoryPlanner(self._home / "plans", self.installation, f"{here.name}, {here.gpus} GPUs, {here.vram}")


def usual_repacking(machine: Machine) -> Repacking:
    """What most processors of a kind make llama.cpp reorder."""
    return "neon" if "ARM" in machine.name or machine.accelerator == "metal" else "avx2"
