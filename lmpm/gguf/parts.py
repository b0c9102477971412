"""The files of a model as parts that can be read from the front, wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.errors import IntegrityError
from lmpm.fs import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmpm.gguf.cursor import ReadAt
    from lmpm.gguf.header import Header
    from lmpm.types import Variant


@dataclass(frozen=True, slots=True)
class Part:
    """One file: its name, its size, and how to read pieces of it.

    `here` reads only what is on this machine and raises LookupError for the rest; None: nothing is. `forget` drops
    what was kept of a remote file.
    """

    name: str
    size: int
    read_at: ReadAt
    sha256: str | None = None
    here: ReadAt | None = None
    forget: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The files of a model in load order, and that of its encoder of pictures.

    `variant` is what is known of it beside its bytes, None for a file that the user named.
    """

    files: tuple[Part, ...]
    mmproj: Part | None = None
    variant: Variant | None = None

    @property
    def every(self) -> tuple[Part, ...]:
        """All files."""
        return (*self.files, self.mmproj) if self.mmproj else self.files


def local_part(path: Path, name: str, sha256: str | None = None) -> Part:
    """A file on this machine."""

    def read_at(offset: int, length: int) -> bytes:
        with open_regular(path) as file:
            file.seek(offset)
            return file.read(length)

    return Part(name, path.stat().st_size, read_at, sha256, read_at)


def read_part(part: Part, *, tensors: bool = True) -> Header:
    """The header of a part; without `tensors` only its keys, which real files have in their first 64 KiB.

    Raises IntegrityError when it is none, and the errors of the Hub.
    """
    return _read(part, part.read_at, tensors=tensors)


def read_at_hand(part: Part) -> Header | None:
    """The header if all of it is on this machine. Raises IntegrityError when it is none."""
    if part.here is None:
        return None
    try:
        part.here(0, 4)  # before what reads a header is imported
        return _read(part, part.here, tensors=True)
    except LookupError:
        return None


def _read(part: Part, read_at: ReadAt, *, tensors: bool) -> Header:
    from lmpm.gguf import header

    try:
        return header.read_header(read_at, size=part.size, name=part.name, tensors=tensors)
    except IntegrityError:
        if part.forget:
            part.forget()
        raise
