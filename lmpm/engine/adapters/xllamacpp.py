"""xllamacpp: llama-server and the C library in one wheel, without a compiler. The default."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.engine.adapters.opening import open_session
from lmpm.engine.client import PLAN_LIMITS, ask_library
from lmpm.engine.protocol import EngineInfo, EngineName, Service
from lmpm.errors import EngineError
from lmpm.estimate import DryRun

if TYPE_CHECKING:
    from lmpm.engine.protocol import EngineLimits, Files
    from lmpm.engine.session import Session
    from lmpm.run_config import RunConfig

PACKAGE: Final = "xllamacpp"
COMPARED: Final = (2026, 10, 11549)  # whose architectures are those of this release of llama-cpp-python
LIKE_LLAMA_CPP_PYTHON: Final = (0, 3, 36)
MISSING: Final = "The engine is missing: xllamacpp is not installed"
INSTALL_HINT: Final = "Install it with `pip install 'xllamacpp>=2026.10'`"


class XLlamaCpp:
    """The installed xllamacpp."""

    name: EngineName = "xllamacpp"

    def installation(self) -> str | None:
        """Version, place and time of the extension; None where there is none."""
        place, version = extension(), package_version()
        return f"{PACKAGE} {version} in {place}, {place.stat().st_mtime_ns}" if place and version else None

    @property
    def build(self) -> str:
        """The build of llama.cpp, which the package has as the last part of its version: `llama.cpp b11549`."""
        found = re.fullmatch(r"\d+\.\d+\.(\d+)(?:\.\d+)?", package_version() or "")
        return f"llama.cpp b{found[1]}" if found else "llama.cpp"

    def probe(self) -> EngineInfo:
        """What it is. On Windows its C functions are not exported: it serves, and cannot be asked for a plan."""
        said = {**ask_library(_library(), "probe"), "build": self.build}
        return EngineInfo.decode({**said, "name": self.name, "package": f"{PACKAGE} {package_version()}"})

    def plan(self, path: Path, config: RunConfig, limits: EngineLimits = PLAN_LIMITS) -> DryRun:
        """How it would spend memory on a file."""
        found = DryRun.decode(ask_library(_library(), "plan", path, config, limits))
        return dataclasses.replace(found, build=self.build)

    def open(self, files: Files, config: RunConfig, limits: EngineLimits, service: Service = Service()) -> Session:  # noqa: B008
        """A session with a model."""
        _library()
        return open_session(self, self.build, files, config, limits, service)


def extension() -> Path | None:
    """The package's one extension, found without importing it; None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for pattern in (f"{PACKAGE}*.so", f"{PACKAGE}*.pyd"):
            if found := sorted(Path(folder).glob(pattern)):
                return found[0]
    return None


def package_version() -> str | None:
    """The version of the package, None where it is not installed."""
    from importlib import metadata  # slow, and of use here alone

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def _library() -> Path:
    place = extension()
    if place is None:
        raise EngineError(MISSING, hint=INSTALL_HINT)
    return place
