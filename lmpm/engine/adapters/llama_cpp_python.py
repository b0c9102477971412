"""llama-cpp-python: compiled where it is installed, so for this processor and, if asked for, this GPU."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.engine.protocol import PLAN_LIMITS, EngineInfo, EngineName
from lmpm.errors import EngineError
from lmpm.run_config import ALONE
from lmpm.types import MemoryPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.engine.protocol import EngineLimits, Files
    from lmpm.engine.session import Session
    from lmpm.run_config import RunConfig, Service

PACKAGE: Final = "llama_cpp"
NAMES: Final = {"darwin": "libllama.dylib", "win32": "llama.dll"}
MISSING: Final = "llama-cpp-python is not installed"
INSTALL_HINT: Final = "Install it with `pip install 'lmpm[llama-cpp-python]'`, which needs a C++ compiler"


@dataclass(frozen=True)
class LlamaCppPython:
    """The installed package; `libraries` is another folder with llama.cpp, such as LLAMA_CPP_LIB_PATH names."""

    libraries: Path | None = None
    name: EngineName = "llama-cpp-python"

    def installation(self) -> str | None:
        """Version, place and times of the library; None where there is none.

        A build from other sources or for another device changes the time, whatever its version.
        """
        place, release = self._find(), package_version()
        return f"llama-cpp-python {release} in {place}, {place.stat().st_mtime_ns}" if place and release else None

    def probe(self) -> EngineInfo:
        """What it is."""
        from lmpm.engine.client import ask_library

        said = {**ask_library(self._library(), "probe"), "vision": False}
        return EngineInfo.decode({**said, "name": self.name, "package": f"llama-cpp-python {package_version()}"})

    def plan(self, path: Path, config: RunConfig, limits: EngineLimits = PLAN_LIMITS) -> MemoryPlan:
        """How it would spend memory on a file."""
        from lmpm.engine.adapters.opening import within_training
        from lmpm.engine.client import ask_library

        return MemoryPlan.decode(ask_library(self._library(), "plan", path, within_training(path, config), limits))

    def open(self, files: Files, config: RunConfig, limits: EngineLimits, service: Service = ALONE) -> Session:
        """A session with a model alone, which answers one request at a time."""
        for what, path in (("read pictures", files.mmproj), ("check the guesses of another model", files.draft)):
            if path is not None:
                hint = "xllamacpp and a llama-server do: drop `--engine`, LMPM_ENGINE or [engine]"
                raise EngineError(f"llama-cpp-python does not {what} here", hint=hint)
        library = str(self._library())

        def task(within: RunConfig) -> Mapping[str, object]:
            return {"library": library, "config": dataclasses.asdict(within)}

        from lmpm.engine.adapters.opening import open_session  # with all that a session needs

        return open_session(self, files, config, limits, service, task=task)

    def _find(self) -> Path | None:
        folder = self.libraries
        if folder is None:
            spec = importlib.util.find_spec(PACKAGE)
            if spec is None or spec.origin is None:
                return None
            folder = Path(spec.origin).parent / "lib"
        place = folder / NAMES.get(sys.platform, "libllama.so")
        return place if place.is_file() else None

    def _library(self) -> Path:
        place = self._find()
        if place is None:
            raise EngineError(MISSING, hint=INSTALL_HINT)
        return place


def package_version() -> str | None:
    """The version of the package; None where it is not installed."""
    from importlib import metadata  # slow, and of use here alone

    try:
        return metadata.version("llama-cpp-python")
    except metadata.PackageNotFoundError:
        return None
