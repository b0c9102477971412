"""Which engine runs models here: what is found, what has proved itself, and what is best for this machine.

An engine is believed once it has loaded the starter and written a token: a binary built for another processor
says its version and dies at the first computation. What each one said and showed is kept per installation.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from lmpm.engine.adapters.llama_cpp_python import LlamaCppPython
from lmpm.engine.adapters.llama_server import find
from lmpm.engine.adapters.xllamacpp import XLlamaCpp
from lmpm.engine.protocol import EngineInfo, EngineLimits, EngineName, Files
from lmpm.errors import EngineError, SpecError, did_you_mean, nearest
from lmpm.fs import JsonCache, disk_errors
from lmpm.limits import GIB
from lmpm.run_config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmpm.engine.interface import Engine

NAMES: Final[tuple[EngineName, ...]] = get_args(EngineName)
STARTER: Final = "starter/text-to-sql-starter-Q8_0.gguf"  # below the catalog's directory; 3 MB
PROOF_LIMITS: Final = EngineLimits(time_s=60.0, memory_bytes=2 * GIB)
PROOF_CONTEXT: Final = 256  # tokens

Standing = Literal["proved", "failed", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An engine on this machine: what it says of itself, and whether it wrote a token. `problem` says why not."""

    name: EngineName
    engine: Engine
    standing: Standing
    info: EngineInfo | None = None
    problem: str = ""
    hint: str = ""

    @property
    def uses_gpu(self) -> bool:
        """Whether it computes on a GPU here."""
        return self.info is not None and self.info.gpu_offload


@dataclass(frozen=True)
class Engines:
    """The engines of this machine. `home` is where notes are kept.

    `named` is what the user wants: a name, or the path of a llama-server binary. `binary` is the user's own
    llama-server where it is not on PATH, `libraries` a folder with a llama.cpp for llama-cpp-python.
    """

    home: Path
    named: str | None = None
    binary: str | None = None
    libraries: Path | None = None

    @cached_property
    def candidates(self) -> tuple[Engine, ...]:
        """What there is to look at, the default first."""
        binary = find(self._path or self.binary)
        return (XLlamaCpp(), *([binary] if binary else []), LlamaCppPython(self.libraries))

    @property
    def _path(self) -> str | None:
        """The binary that the user named by its path."""
        return self.named if self.named and _is_path(self.named) else None

    def examine(self, engine: Engine) -> Found:
        """What is kept of an engine, or what it shows now."""
        installation = engine.installation()
        if installation is None:
            return Found(name=engine.name, engine=engine, standing="missing", problem=f"{engine.name} is not installed")
        notes = JsonCache(self.home / "engines")
        shown = _decoded(notes.get(installation))
        if shown is None:
            shown = _prove(engine)
            notes.put(dataclasses.asdict(shown), installation)
        standing: Standing = "failed" if shown.problem else "proved"
        return Found(
            name=engine.name, engine=engine, standing=standing, info=shown.info, problem=shown.problem, hint=shown.hint
        )

    def every(self) -> list[Found]:
        """All engines that are looked at, with their proofs."""
        return [self.examine(engine) for engine in self.candidates]

    def choose(self, *, has_gpu: bool) -> Found:
        """The engine to use. Raises EngineError when the named one, or every one, cannot be used."""
        if self.named:
            return self._named(self.named)
        found: Iterable[Found] = (self.examine(engine) for engine in self._by_rank())
        if has_gpu:
            found = sorted(found, key=_fitness)
        seen = []
        for item in found:
            if item.standing == "proved":
                return item
            seen.append(item)
        raise _none_works(seen)

    def _by_rank(self) -> list[Engine]:
        """xllamacpp, llama-cpp-python, then a binary: without a GPU the first that works is taken."""
        rank = {"xllamacpp": 0, "llama-cpp-python": 1, "llama-server": 2}
        return sorted(self.candidates, key=lambda engine: rank[engine.name])

    def _named(self, named: str) -> Found:
        require_engine(named)
        name = "llama-server" if self._path else named
        engine = next((engine for engine in self.candidates if engine.name == name), None)
        if engine is None:
            where = f"`{self._path}` is not a program" if self._path else "No llama-server is on PATH"
            raise EngineError(where, hint="Set LMPM_LLAMA_SERVER to its path")
        found = self.examine(engine)
        if found.standing != "proved":
            raise EngineError(f"{name} cannot be used: {found.problem}", hint=found.hint or None)
        return found


def require_engine(named: str, said_by: str = "") -> None:
    """Raise SpecError, which begins with `said_by`, for what is neither the name of an engine nor a path."""
    if named not in NAMES and not _is_path(named):
        hint = did_you_mean(nearest(named, NAMES)) or f"Engines: {', '.join(NAMES)}, or the path of a llama-server"
        raise SpecError(f"{said_by}`{named}` is not an engine", hint=hint)


def _is_path(named: str) -> bool:
    return "/" in named or "\\" in named


def _fitness(found: Found) -> tuple[bool, bool]:
    """With a GPU: one that uses it and can be asked for a plan, one that uses it, any other."""
    return (not found.uses_gpu, not (found.info and found.info.plans)) if found.uses_gpu else (True, False)


def default_engine() -> Engine:
    """The engine that is taken where nobody looks at the machine: xllamacpp, else llama-cpp-python."""
    other = LlamaCppPython()
    return other if XLlamaCpp().installation() is None and other.installation() is not None else XLlamaCpp()


@dataclass(frozen=True, slots=True)
class _Shown:
    """What an engine said of itself and showed when it was tried; a `problem` if it did not write a token."""

    info: EngineInfo | None
    problem: str = ""
    hint: str = ""


def _decoded(kept: Any) -> _Shown | None:
    try:
        info = None if kept["info"] is None else EngineInfo.decode(kept["info"])
        return _Shown(info, str(kept["problem"]), str(kept["hint"]))
    except (TypeError, LookupError):  # none, or one of another version of lmpm
        return None


def _prove(engine: Engine) -> _Shown:
    """Let an engine describe itself, load the starter and write a token."""
    info = None
    try:
        info = engine.probe()
        config = RunConfig(context=PROOF_CONTEXT, threads=1)
        with _small_model() as model, engine.open(Files(model), config, PROOF_LIMITS) as session:
            written = session.complete("SELECT", max_tokens=1, checked=True)
            info = dataclasses.replace(info, build=session.build, confined=session.confined)
    except EngineError as error:
        return _Shown(info, error.message, error.hint or "")
    return _Shown(info, "" if written.tokens and written.finite else "it loads the starter and writes nothing")


@contextlib.contextmanager
def _small_model() -> Iterator[Path]:
    """The starter; of a catalog without it, a model made on the spot."""
    from lmpm.catalog import directory

    if (starter := directory() / STARTER).is_file():
        yield starter
        return
    from lmpm.engine.synthetic import layer_bytes, write

    with tempfile.TemporaryDirectory(prefix="lmpm-proof-") as folder, disk_errors(Path(folder)):
        yield write(Path(folder) / "synthetic.gguf", layer_bytes()).path


def _none_works(seen: Sequence[Found]) -> EngineError:
    installed = [item for item in seen if item.standing == "failed"]
    if not installed:
        return EngineError(
            "The engine is missing: xllamacpp is not installed",
            hint="Install it with `pip install 'xllamacpp>=2026.10'`; where there is no wheel, see docs/engines.md",
        )
    first = installed[0]
    return EngineError(f"{first.name} cannot be used: {first.problem}", hint=first.hint or None)


# How llama-cpp-python is built for a GPU; llama.cpp `docs/build.md`.
BUILD_FLAGS: Final = {
    "metal": "GGML_METAL", "cuda": "GGML_CUDA", "rocm": "GGML_HIP", "sycl": "GGML_SYCL", "vulkan": "GGML_VULKAN",
}  # fmt: skip
PACKAGES: Final = {"darwin": "brew install llama.cpp", "win32": "winget install llama.cpp"}


def gpu_hint(accelerator: str, system: str) -> str:
    """How to get an engine that uses a GPU of this kind; `system` as in `sys.platform`."""
    build = "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"
    compiled = f'CMAKE_ARGS="-D{BUILD_FLAGS[accelerator]}=on" {build}'
    if package := PACKAGES.get(system):
        return f"`{package}` installs a llama-server that lmpm finds; or compile one: `{compiled}`"
    return f"Compile one: `{compiled}`; or put a llama-server for this GPU on PATH, or name it in LMPM_LLAMA_SERVER"
