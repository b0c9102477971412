"""Which llama-cpp-python is installed, without loading it, and what it said of itself when it was last asked."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.engine.client import probe
from lmpm.engine.protocol import EngineInfo
from lmpm.errors import EngineError
from lmpm.fs import JsonCache

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE: Final = "llama_cpp"


def installation() -> str | None:
    """Version and place of the package, and when it was put there; None when there is none.

    A build from other sources or for another device changes the time, whatever its version.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    from importlib import metadata  # slow, and of use here alone

    place = Path(spec.origin).parent
    try:
        version = metadata.version("llama-cpp-python")
        times = [path.stat().st_mtime_ns for path in (place, place / "lib") if path.is_dir()]
    except (OSError, metadata.PackageNotFoundError):
        return None
    return f"llama-cpp-python {version} in {place}, {times}"


def version() -> tuple[int, ...] | None:
    """The numbers of the installed version, such as (0, 3, 36); None without one."""
    from importlib import metadata

    try:
        found = re.match(r"\d{1,6}(?:\.\d{1,6}){0,3}", metadata.version("llama-cpp-python"))
    except metadata.PackageNotFoundError:
        return None
    return tuple(map(int, found[0].split("."))) if found else None


def describe(folder: Path, installed: str | None, *, ask: Callable[[], EngineInfo] = probe) -> EngineInfo | None:
    """What the installed engine says of itself, asked once for each installation; None when it does not start.

    The answer is kept in `folder`.
    """
    if installed is None:
        return None
    notes = JsonCache(folder)
    with contextlib.suppress(TypeError):  # none, or one of another version of lmpm
        return EngineInfo(**notes.get(installed))
    try:
        says = ask()
    except EngineError:
        return None
    notes.put(dataclasses.asdict(says), installed)
    return says
