"""A llama-server of the user's: from Homebrew, winget, a package of the system, or compiled for this GPU.

Also the unified `llama` binary, whose first argument is then `server`. A binary that says its version proves
nothing: it is believed once it has loaded a model and written a token.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.environment import child_environment
from lmpm.engine.http.settings import arguments, server_settings
from lmpm.engine.protocol import PLAN_LIMITS, Device, DeviceKind, EngineInfo, EngineName
from lmpm.errors import EngineError
from lmpm.fs import printable
from lmpm.run_config import ALONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.engine.protocol import EngineLimits, Files
    from lmpm.engine.session import Session
    from lmpm.run_config import RunConfig, Service
    from lmpm.types import MemoryPlan

BINARY, UNIFIED = "llama-server", "llama"
ASK_S: Final = 20.0  # for a driver to start
MAX_DEVICES: Final = 64
# `version: 0.6.0-dev (build 9200, commit 0c1e570)`, and before 0.6 `version: 9200 (0c1e570)`
VERSION: Final = re.compile(r"version: (?P<version>[\w.-]+)(?: \((?:build (?P<build>\d+), commit )?(?P<commit>\w+)\))?")
# `  CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)`
DEVICE: Final = re.compile(
    r"^\s+(?P<name>[\w.:-]+): (?P<description>.+) \((?P<mib>\d+) MiB, \d+ MiB free\)$", re.MULTILINE
)
INTEGRATED: Final = re.compile(r"^(?:MTL|Metal)\d*$")


@dataclass(frozen=True)
class LlamaServer:
    """The binary at `path`."""

    path: Path
    name: EngineName = "llama-server"

    def installation(self) -> str | None:
        """Place, size and time of the binary; None where there is none."""
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return f"llama-server at {self.path.resolve()}, {facts.st_size} bytes, {facts.st_mtime_ns}"

    @cached_property
    def build(self) -> str:
        """The build of llama.cpp as the binary says it. Raises EngineError when it does not start."""
        said = self._run("--version")
        found = VERSION.search(said)
        if not found:
            raise EngineError(f"`{self.path}` does not say its version: {printable(said[:200])}")
        version, number = found["version"], found["build"]
        if version.isdigit() and version != "0":
            return f"llama.cpp b{version} ({found['commit']})"
        if number and number != "0":
            return f"llama.cpp b{number} ({version}, {found['commit']})"
        return f"llama.cpp {version}"

    def probe(self) -> EngineInfo:
        """What it is; it cannot be asked for a plan."""
        devices = tuple(
            Device(found["name"], found["description"], _kind(found["name"]), int(found["mib"]) << 20)
            for found in DEVICE.finditer(self._run("--list-devices"))
        )
        return EngineInfo(
            name=self.name,
            package=str(self.path),
            build=self.build,
            system_info="",
            devices=devices[:MAX_DEVICES],
            vision=True,
        )

    def plan(self, path: Path, config: RunConfig, limits: EngineLimits = PLAN_LIMITS) -> MemoryPlan:  # noqa: ARG002
        """Raise EngineError: a server has no way to be asked."""
        raise EngineError("A llama-server binary does not say how it plans its memory")

    def open(self, files: Files, config: RunConfig, limits: EngineLimits, service: Service = ALONE) -> Session:
        """A session with a model."""
        if self.installation() is None:
            raise EngineError(f"`{self.path}` is not there")

        def task(within: RunConfig) -> Mapping[str, Any]:
            command = [*self._start, *arguments(server_settings(files, within, service))]
            return {"supervises": True, "command": command, "build": self.build}

        from lmpm.engine.adapters.opening import open_session  # with all that a session needs

        return open_session(self, files, config, limits, service, task=task)

    @property
    def _start(self) -> list[str]:
        return [os.fspath(self.path), *(["server"] if self.path.stem == UNIFIED else [])]

    def _run(self, flag: str) -> str:
        try:
            done = subprocess.run(
                [*self._start, flag],
                env=child_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=ASK_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineError(f"`{self.path}` does not start: {error}") from error
        if done.returncode < 0:
            raise EngineError(f"`{self.path}` was killed by signal {-done.returncode} when asked `{flag}`")
        return done.stdout.decode("utf-8", "replace")


def find(named: str | None = None) -> LlamaServer | None:
    """The binary that the user named, else the first on PATH; None where there is none."""
    for candidate in (named,) if named else (BINARY, UNIFIED):
        if candidate and (place := shutil.which(Path(candidate).expanduser())):
            return LlamaServer(Path(place))
    return None


def _kind(name: str) -> DeviceKind:
    return "integrated" if INTEGRATED.match(name) else "cpu" if name.startswith(("CPU", "BLAS")) else "gpu"
