"""The files that the user named as parts that can be read from the front: here, or on the Hub and kept.

A header costs a few megabytes of a file of gigabytes. Its bytes are kept by the sha256 of the file they
belong to, so that they are fetched once, and can be given to llama.cpp to plan with.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lmpm import atomic, gguf_header, reference
from lmpm.disk import open_regular
from lmpm.dryrun import Part
from lmpm.errors import DiskError, NotFoundError, SpecError
from lmpm.install import require_choice
from lmpm.resolve import Wish
from lmpm.types import HubSource, ModelFile

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.gguf_header import Header, ReadAt
    from lmpm.resolve import Resolver, Where
    from lmpm.types import Machine, Source

SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


def parts_of(resolver: Resolver, ref: str, machine: Machine, home: Path) -> tuple[tuple[Part, ...], Part | None]:
    """The files of a local GGUF, a task, a model or a repository, shards in load order, and its mmproj.

    Raises the errors of resolving, and SpecError for a file that is not there.
    """
    named = reference.parse(ref)
    if isinstance(named, reference.FileReference):
        return tuple(_local(path, str(path)) for path in _shards(named.path)), None
    where: Where = "here" if resolver.hub.offline else "hub"
    choice = resolver.resolve(ref, machine, Wish(), where=where).choice
    require_choice(choice)
    if choice.chosen is None:
        raise NotFoundError(f"`{ref}` names no model")
    variant = choice.chosen.variant
    parts = [(file.role, _part(resolver, variant.source, file, home)) for file in variant.files]
    return (
        tuple(part for role, part in parts if role == "model"),
        next((part for role, part in parts if role == "mmproj"), None),
    )


def read(part: Part) -> Header:
    """The header of a part, with its tensor table. Raises IntegrityError when it is none."""
    return gguf_header.read_header(part.read_at, size=part.size, name=part.name)


def _shards(path: Path) -> list[Path]:
    """A file, or all parts of the set that it is one of. Raises SpecError for what is not there."""
    found = SHARD.search(path.name)
    names = [path]
    if found:
        stem, total = path.name[: found.start()], int(found[2])
        names = [path.with_name(f"{stem}-{number:05}-of-{found[2]}.gguf") for number in range(1, total + 1)]
    for name in names:
        if not name.is_file():
            raise SpecError(f"There is no file `{name}`")
    return names


def _part(resolver: Resolver, source: Source, file: ModelFile, home: Path) -> Part:
    """One file: from the store, or from the Hub with what was kept of it."""
    present = resolver.store.find(source, file)
    if present is not None:
        return _local(present, file.path)
    if not isinstance(source, HubSource) or not file.sha256:
        raise NotFoundError(f"`{file.path}` is not on this machine")
    remote = resolver.hub.reader(source.repo, source.revision or "main", file)
    return Part(file.path, file.size, _kept(home / "headers" / file.sha256, remote))


def _local(path: Path, name: str) -> Part:
    def read_at(offset: int, length: int) -> bytes:
        with open_regular(path) as file:
            file.seek(offset)
            return file.read(length)

    return Part(name, path.stat().st_size, read_at)


def _kept(path: Path, read_at: ReadAt) -> ReadAt:
    """Reads pieces that are kept at `path`, and keeps those that had to be fetched."""

    def read(offset: int, length: int) -> bytes:
        kept = path.read_bytes() if path.is_file() else b""
        if offset + length <= len(kept):
            return kept[offset : offset + length]
        if offset > len(kept):
            return read_at(offset, length)
        piece = read_at(len(kept), offset + length - len(kept))
        with suppress(DiskError, OSError):  # without a place for it, it is fetched again the next time
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(path, kept + piece)
        return (kept + piece)[offset : offset + length]

    return read
