"""Where models are run: this computer, as far as the engine on it can use it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lmpm.errors import EngineError
from lmpm.run_config import ALONE

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.engine.engines import Engines, Found
    from lmpm.engine.measure import Measured
    from lmpm.engine.planner import MemoryPlanner
    from lmpm.engine.protocol import EngineInfo, EngineLimits, Files
    from lmpm.engine.session import Session
    from lmpm.run_config import Repacking, RunConfig, Service
    from lmpm.types import Machine


class LocalEngine:
    """`computer` and its engine, which is looked at only where its answer matters. Notes are kept in `home`.

    `named` is the engine that the user wants, a name or the path of a llama-server binary; `binary` is where a
    llama-server lies that is not on PATH, `libraries` a folder with a llama.cpp for llama-cpp-python.
    """

    def __init__(
        self,
        computer: Machine,
        home: Path,
        *,
        named: str | None = None,
        binary: str | None = None,
        libraries: Path | None = None,
    ) -> None:
        self.computer = computer
        self._home = home
        self._options = (named, binary, libraries)

    @cached_property
    def engines(self) -> Engines:
        """The engines here."""
        from lmpm.engine.engines import Engines

        named, binary, libraries = self._options
        return Engines(self._home, named=named, binary=binary, libraries=libraries)

    @cached_property
    def chosen(self) -> Found:
        """The engine that runs models. Raises EngineError without one that works, SpecError for a name that is none."""
        return self.engines.choose(has_gpu=self.computer.accelerator != "cpu")

    @cached_property
    def info(self) -> EngineInfo | None:
        """What the engine says of itself; None without one that works."""
        try:
            return self.chosen.info
        except EngineError:
            return None

    @cached_property
    def machine(self) -> Machine:
        """The computer, without its GPU where the engine was built without, and as fast as it was measured."""
        found = self.unmeasured
        if not (self._home / "measured").is_dir():  # of most machines: nothing is imported for them
            return found
        return self.measured.applied_to(found) if self.measured else found

    @cached_property
    def unmeasured(self) -> Machine:
        """The computer as far as its engine can use it, with the figures of tables and assumptions."""
        if self.computer.accelerator == "cpu" or self.info is None or self.info.gpu_offload:
            return self.computer
        from lmpm.machine import without_gpu

        return without_gpu(self.computer)

    @cached_property
    def measured(self) -> Measured | None:
        """What was measured here with this engine, None where nothing was."""
        from lmpm.engine.measure import recall

        try:
            return recall(self._home, self.unmeasured, self.chosen.engine.installation() or "")
        except EngineError:
            return None

    def measure(self) -> Measured:
        """Measure this machine with this engine, and keep what was found. Raises DiskError and EngineError."""
        from lmpm.engine.measure import measure

        found = measure(self.chosen.engine, self.unmeasured, self._home, repack=self.repack)
        for name in ("measured", "machine"):
            self.__dict__.pop(name, None)
        return found

    @property
    def is_to_be_measured(self) -> bool:
        """Whether the bandwidth here is only assumed, and could be measured: nobody has, or has said no to it."""
        from lmpm.engine.measure import is_declined
        from lmpm.estimate import is_known

        if is_known(self.machine):
            return False
        try:
            installation = self.chosen.engine.installation() or ""
        except EngineError:
            return False
        return self.measured is None and not is_declined(self._home, self.unmeasured, installation)

    def decline_measuring(self) -> None:
        """Remember that the user does not want this machine measured with this engine."""
        from lmpm.engine.measure import decline

        decline(self._home, self.unmeasured, self.chosen.engine.installation() or "")

    @cached_property
    def repack(self) -> Repacking:
        """Which weights the CPU backend keeps in another order."""
        from lmpm.estimate import repacking

        if self.info is None or not self.info.system_info:
            return usual_repacking(self.computer)
        return repacking(self.info.system_info)

    @cached_property
    def planner(self) -> MemoryPlanner | None:
        """Who says how the engine would spend memory here; None where it is missing, or cannot be asked."""
        from lmpm.engine.planner import MemoryPlanner

        if self.info is None or not self.info.plans:
            return None
        here, installation = self.computer, self.chosen.engine.installation() or ""
        machine = f"{here.name}, {here.gpus} GPUs, {here.vram}"
        return MemoryPlanner(self._home / "plans", installation, machine, self.chosen.engine)

    def open(self, files: Files, config: RunConfig, limits: EngineLimits, service: Service = ALONE) -> Session:
        """A session with a model. Raises EngineError when there is no engine, or it cannot load the model."""
        return self.chosen.engine.open(files, config, limits, service)


def usual_repacking(machine: Machine) -> Repacking:
    """What most processors of a kind make llama.cpp reorder."""
    return "neon" if "ARM" in machine.name or machine.accelerator == "metal" else "avx2"
