"""`lmpm.lock` on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import LockError
from lmpm.fs import DocumentError, atomic, toml
from lmpm.limits import MAX_LOCK_BYTES
from lmpm.project.lock.reader import broken_lock, newer_lock, parse_lock
from lmpm.project.lock.records import REVISION, VERSION, Lock, LockedModel
from lmpm.project.lock.writer import emit_lock

if TYPE_CHECKING:
    from pathlib import Path


def load_lock(path: Path) -> Lock:
    """The lock at `path`. Raises LockError when it is missing or broken."""
    try:
        text = toml.read_text(path, MAX_LOCK_BYTES)
    except FileNotFoundError as error:
        raise LockError(f"No `{path.name}` is here", hint="To make one, run `lmpm lock`") from error
    except DocumentError as error:
        raise broken_lock(error, path.name) from error
    return parse_lock(text, name=path.name)


def require_storable(entry: LockedModel) -> None:
    """Raise LockError, before anything is fetched for it, for an entry that no lock could hold."""
    try:
        parse_lock(emit_lock(Lock((entry,))))
    except LockError as error:
        raise LockError(
            f"`{entry.name}` cannot be pinned: {error.message}",
            hint="What the server says of it cannot be written down; take it from another repository",
        ) from error


def write_lock(path: Path, lock: Lock) -> bool:
    """Write the lock and return True, or return False if that would change nothing.

    What was written is read back before it takes the place of the old one. Raises LockError when the lock
    on disk is from a newer lmpm, or when this one cannot be read back, and DiskError.
    """
    text = emit_lock(lock)
    if _is_same(path, text):
        return False

    def check(temporary: Path) -> None:
        try:
            written = parse_lock(toml.read_text(temporary, MAX_LOCK_BYTES))
        except (LockError, DocumentError) as error:
            raise LockError(f"`{path.name}` was not written, it could not be read again: {error}") from error
        if written != lock:
            raise LockError(f"`{path.name}` was not written, it would hold something else when read again")

    atomic.write_text(path, text, check=check)
    return True


def _is_same(path: Path, text: str) -> bool:
    """Whether `path` holds `text`, however its lines end. Raises LockError if it is from a newer lmpm."""
    try:
        found = toml.read_text(path, MAX_LOCK_BYTES)
        if found.replace("\r\n", "\n") == text:
            return True
        document = toml.parse(found, MAX_LOCK_BYTES)
    except (FileNotFoundError, DocumentError):
        return False  # a broken lock is replaced: whoever needs what is in it has read it before
    for key, known in (("version", VERSION), ("revision", REVISION)):
        number = document.get(key)
        if isinstance(number, int) and number > known:
            raise newer_lock(path.name, f"{key} {number}")
    return False
