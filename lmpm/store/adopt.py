"""Adopt: take files that a lock names from where another tool already keeps the same bytes, by linking."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.errors import DiskError, IntegrityError
from lmpm.fs import Stamp, atomic, disk_errors, hash_one, share

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lmpm.fs import How
    from lmpm.reporter import Reporter
    from lmpm.store.cache import Store
    from lmpm.store.other_tools import OtherTool
    from lmpm.types import ModelFile, Source


@dataclass(frozen=True, slots=True)
class Adopted:
    """A file that is now in the store, and how it shares its bytes with the other tool's."""

    source: Source
    file: ModelFile
    tool: str
    origin: Path
    how: How


def adopt_files(
    store: Store, source: Source, file: ModelFile, places: Iterable[OtherTool], reporter: Reporter
) -> Adopted | None:
    """Link a file into the store from the first place that has its bytes, or return None.

    The bytes are hashed first; nothing is ever copied. Raises DiskError when the store cannot be written.
    """
    for place in places:
        for origin in place.candidates(file):
            try:
                how = link_into(store, source, file, origin, reporter)
            except IntegrityError:
                continue
            except DiskError as error:
                if error.path == origin:
                    continue  # it may not be read, or is gone
                raise
            if how is not None:
                return Adopted(source, file, place.tool, origin, how)
    return None


def link_into(
    store: Store, source: Source, file: ModelFile, origin: Path, reporter: Reporter, *, symlink: bool = True
) -> How | None:
    """Give the bytes at `origin` their names in the store; None where they are not those of `file`, or change.

    Raises DiskError where `origin` cannot be read, the store not be written, or the two share no bytes.
    """
    reporter.hashing(origin.name, file.size)
    hashed = hash_one(origin)
    if (hashed.sha256, hashed.size) != (file.sha256, file.size):
        return None
    return _link(store, source, file, origin, hashed.stamp, reporter, symlink=symlink)


def _link(
    store: Store, source: Source, file: ModelFile, origin: Path, stamp: Stamp, reporter: Reporter, *, symlink: bool
) -> How | None:
    blob = store.blob(source, file)
    temporary = blob.with_name(f"{blob.name}.lmpm.{os.urandom(4).hex()}.incomplete")
    with store.transfer_lock(source, file, reporter):
        with disk_errors(blob):
            blob.parent.mkdir(parents=True, exist_ok=True)
            store.link(source, file).parent.mkdir(parents=True, exist_ok=True)
            try:
                how = share(origin, temporary, symlink=symlink)
                if not _is_unchanged(origin, stamp):
                    temporary.unlink()
                    return None
                temporary.replace(blob)
                temporary.unlink(missing_ok=True)  # a rename onto the same file leaves both names
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
            with suppress(OSError):  # not every system lets directories be synced
                atomic.sync_directory(blob.parent)
        store.stamps.note(Stamp.of(blob), blob.name)
        store.made.note(blob, blob.name)
        store.discard_part(source, file)
        store.expose(source, file)
    return how


def _is_unchanged(origin: Path, stamp: Stamp) -> bool:
    """Whether a file still has the bytes that were hashed. A new hard link changes its ctime, no more."""
    now = Stamp.of(origin)
    return (now.size, now.mtime_ns, now.inode) == (stamp.size, stamp.mtime_ns, stamp.inode)
