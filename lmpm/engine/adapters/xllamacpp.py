"""xllamacpp: llama-server and the C library in one wheel, without a compiler. The default."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.engine.protocol import PLAN_LIMITS, EngineInfo, EngineName
from lmpm.errors import EngineError
from lmpm.run_config import ALONE
from lmpm.types import MemoryPlan

if TYPE_CHECKING:
    from lmpm.engine.protocol import EngineLimits, Files
    from lmpm.engine.session import Session
    from lmpm.run_config import RunConfig, Service

PACKAGE: Final = "xllamacpp"
COMPARED: Final = (2026, 10, 11549)  # whose architectures are those of this release of llama-cpp-python
LIKE_LLAMA_CPP_PYTHON: Final = (0, 3, 36)
CPUINFO: Final = Path("/proc/cpuinfo")
MISSING: Final = "The engine is missing: xllamacpp is not installed"
INSTALL_HINT: Final = "Install it with `pip install 'xllamacpp>=2026.10'`"


class XLlamaCpp:
    """The installed xllamacpp."""

    name: EngineName = "xllamacpp"

    def installation(self) -> str | None:
        """Version, place and time of the extension; None where there is none."""
        place, version = extension(), package_version()
        return f"{PACKAGE} {version} in {place}, {place.stat().st_mtime_ns}" if place and version else None

    def probe(self) -> EngineInfo:
        """What it is. On Windows its C functions are not exported: it serves, and cannot be asked for a plan."""
        from lmpm.engine.client import ask_library

        with suppress(OSError):
            require_avx2(CPUINFO.read_text("utf-8", "replace"))
        said = ask_library(_library(), "probe")
        more = {
            "name": self.name,
            "package": f"{PACKAGE} {package_version()}",
            "build": numbered(said["build"], _number()),
        }
        return EngineInfo.decode({**said, **more})

    def plan(self, path: Path, config: RunConfig, limits: EngineLimits = PLAN_LIMITS) -> MemoryPlan:
        """How it would spend memory on a file."""
        from lmpm.engine.adapters.opening import within_training
        from lmpm.engine.client import ask_library

        found = MemoryPlan.decode(ask_library(_library(), "plan", path, within_training(path, config), limits))
        return dataclasses.replace(found, build=numbered(found.build, _number()))

    def open(self, files: Files, config: RunConfig, limits: EngineLimits, service: Service = ALONE) -> Session:
        """A session with a model."""
        _library()
        from lmpm.engine.adapters.opening import open_session  # with all that a session needs

        return open_session(self, files, config, limits, service, task=lambda _: {"number": _number()})


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


def _number() -> str | None:
    """The build of llama.cpp, which the package has as the last part of its version."""
    found = re.fullmatch(r"\d+\.\d+\.(\d+)(?:\.\d+)?", package_version() or "")
    return found[1] if found else None


def numbered(build: str, number: str | None) -> str:
    """A build with its number, as in `llama.cpp 0.6.0 b11549`."""
    return f"{build or 'llama.cpp'} b{number}" if number else build


def require_avx2(cpuinfo: str) -> None:
    """Raise EngineError for an x86 processor without AVX2, for which the wheel is not built.

    `cpuinfo` is the text of /proc/cpuinfo, empty where there is none: then llama.cpp says it by SIGILL.
    """
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)  # of x86; ARM has `Features`
    if flags and "avx2" not in flags[1].split():
        raise EngineError(
            "xllamacpp needs a processor with AVX2, which this one is without",
            hint="llama-cpp-python is compiled for the processor at hand: `pip install 'lmpm[llama-cpp-python]'`",
        )


def _library() -> Path:
    place = extension()
    if place is None:
        raise EngineError(MISSING, hint=INSTALL_HINT)
    return place
