"""The headers of what the user named: of a file here, or of one on the Hub, read once and kept.

A header costs a few megabytes of a file of gigabytes. Its bytes are kept by the sha256 of the file they
belong to, so that they are fetched once, and can be given to llama.cpp to plan with.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm import atomic, gguf_header, reference
from lmpm.errors import DiskError, NotFoundError, SpecError
from lmpm.install import require_choice
from lmpm.resolve import Wish
from lmpm.types import HubSource, ModelFile

if TYPE_CHECKING:
    from lmpm.gguf_header import Header, ReadAt
    from lmpm.resolve import Resolver, Where
    from lmpm.types import Machine, Source

SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


def headers_of(
    resolver: Resolver, ref: str, machine: Machine, home: Path
) -> tuple[tuple[Header, ...], tuple[ModelFile, ...]]:
    """Headers with tensor tables, and the files, of a local file, a task, a model or a repository.

    Raises the errors of resolving, SpecError for a file that is not there, IntegrityError for no GGUF.
    """
    named = reference.parse(ref)
    if isinstance(named, reference.FileReference):
        paths = _shards(named.path)
        files = tuple(ModelFile(path=str(path), size=path.stat().st_size) for path in paths)
        return tuple(gguf_header.read_file(path) for path in paths), files
    where: Where = "here" if resolver.hub.offline else "hub"
    choice = resolver.resolve(ref, machine, Wish(), where=where).choice
    require_choice(choice)
    variant = choice.chosen.variant  # type: ignore[union-attr]
    files = tuple(file for file in variant.files if file.role == "model")
    return tuple(_header(resolver, variant.source, file, home) for file in files), files


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


def _header(resolver: Resolver, source: Source, file: ModelFile, home: Path) -> Header:
    """The header of one file: from the store, from what was kept, or from the Hub."""
    present = resolver.store.find(source, file)
    if present is not None:
        return gguf_header.read_file(present)
    if not isinstance(source, HubSource) or not file.sha256:
        raise NotFoundError(f"`{file.path}` is not on this machine")
    return gguf_header.read_header(
        _kept(home / "headers" / file.sha256, resolver.hub.reader(source.repo, source.revision or "main", file)),
        size=file.size,
        name=file.path,
    )


def _kept(path: Path, read_at: ReadAt) -> ReadAt:
    """Reads pieces that are kept at `path`, and keeps those that had to be fetched."""

    def read(offset: int, length: int) -> bytes:
        kept = path.read_bytes() if path.is_file() else b""
        if offset + length <= len(kept):
            return kept[offset : offset + length]
        if offset > len(kept):
            return read_at(offset, length)
        piece = read_at(len(kept), offset + length - len(kept))
        with suppress(DiskError):  # without a place for it, it is fetched again the next time
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(path, kept + piece)
        return (kept + piece)[offset : offset + length]

    return read
