"""The files of a model as parts that can be read from the front, wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.disk import open_regular
from lmpm.errors import IntegrityError, NotFoundError
from lmpm.types import HubSource, StarterSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmpm.candidate import Variant
    from lmpm.catalog import Catalog
    from lmpm.gguf_header import Header, ReadAt
    from lmpm.hub import Hub
    from lmpm.store import Store
    from lmpm.types import ModelFile, Source


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where the files of variants are: in the store, in lmpm itself, or on the Hub."""

    store: Store
    hub: Hub
    catalog: Catalog

    def parts(self, variant: Variant) -> Parts:
        """The parts of a variant. Raises NotFoundError for a file that is nowhere."""
        made = [(file.role, self._part(variant.source, file)) for file in variant.files]
        return Parts(
            files=tuple(part for role, part in made if role == "model"),
            mmproj=next((part for role, part in made if role == "mmproj"), None),
            variant=variant,
        )

    def _part(self, source: Source, file: ModelFile) -> Part:
        present = self.store.find(source, file) if file.sha256 and self._is_pinned(source) else None
        if present is not None:
            return local(present, file.path, file.sha256)
        if isinstance(source, StarterSource):
            task = self.catalog.task(source.task)
            if task is None or task.starter is None or task.starter.sha256 != file.sha256:
                raise NotFoundError(f"`{file.path}` is not on this machine")
            return local(self.catalog.starter_file(task), file.path, file.sha256)
        if not file.sha256 or not isinstance(source, HubSource):
            raise NotFoundError(f"`{file.path}` is not on this machine")
        read_at, kept, sha256 = (
            self.hub.reader(source.repo, source.revision or "main", file),
            self.hub.kept,
            file.sha256,
        )
        if kept is None:
            return Part(file.path, file.size, read_at, sha256)
        return Part(file.path, file.size, read_at, sha256, kept.only(sha256), lambda: kept.drop(sha256))

    def _is_pinned(self, source: Source) -> bool:
        return not isinstance(source, HubSource) or source.revision is not None


def local(path: Path, name: str, sha256: str | None = None) -> Part:
    """A file on this machine."""

    def read_at(offset: int, length: int) -> bytes:
        with open_regular(path) as file:
            file.seek(offset)
            return file.read(length)

    return Part(name, path.stat().st_size, read_at, sha256, read_at)


def read(part: Part, *, tensors: bool = True) -> Header:
    """The header of a part; without `tensors` only its keys, which real files have in their first 64 KiB.

    Raises IntegrityError when it is none, and the errors of the Hub.
    """
    return _read(part, part.read_at, tensors=tensors)


def at_hand(part: Part) -> Header | None:
    """The header if all of it is on this machine. Raises IntegrityError when it is none."""
    try:
        return _read(part, part.here, tensors=True) if part.here else None
    except LookupError:
        return None


def _read(part: Part, read_at: ReadAt, *, tensors: bool) -> Header:
    from lmpm import gguf_header

    try:
        return gguf_header.read_header(read_at, size=part.size, name=part.name, tensors=tensors)
    except IntegrityError:
        if part.forget:
            part.forget()
        raise
