"""Notes: what was learnt at some cost and can be learnt again, one small file a note, within bounds.

A note begins with a seal: a hash over its key and its content. So one that was torn by a crash, damaged, or moved to
another name does not hold, and nothing has to wait for the disk. Only the user may read them. A place that cannot be
written to is no loss: everything works without notes, only slower.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lmpm import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX: Final = ".note"
SEAL_BYTES: Final = 32  # of BLAKE2b, the fastest hash that Python has
LARGEST_SHARE: Final = 8  # one note takes at most this part of all bytes
SMALL_SHARE: Final = 1000  # a note below this part of all bytes that replaces another needs no sweep
KEPT_SHARE: Final = 0.75  # of the bounds, when they are reached: the next notes need no second sweep
# without O_NONBLOCK, opening a FIFO would wait for its other end; Windows has no such flag
_NEVER_BLOCK: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
TOUCH_S: Final = 3600.0  # a note read again within this time counts as used all along


class Usage(NamedTuple):
    """How many notes there are, and their bytes."""

    notes: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class JsonCache:
    """The notes in `folder`, at most `most_notes` of `most_bytes` together; those used longest ago make room.

    A key is one or more strings. No method raises for what the disk refuses.
    """

    folder: Path
    most_bytes: int = limits.MAX_NOTES_BYTES
    most_notes: int = limits.MAX_NOTES

    def get(self, *key: str) -> Any:
        """The JSON value kept under a key; None without one that holds."""
        return _decoded(self.get_bytes(*key))

    def put(self, value: object, *key: str) -> None:
        """Keep a JSON value under a key. Raises TypeError for what JSON cannot say."""
        self.put_bytes(json.dumps(value, separators=(",", ":")).encode(), *key)

    def get_bytes(self, *key: str) -> bytes | None:
        """The bytes kept under a key; None where there are none that hold."""
        return _read(self._path(key), self.most_bytes)

    def put_bytes(self, data: bytes, *key: str) -> None:
        """Keep bytes under a key, unless they are too many."""
        if len(data) > self.most_bytes // LARGEST_SHARE:
            return
        path = self._path(key)
        with suppress(OSError):
            self._make_folder()
            is_new = not path.exists()
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NEVER_BLOCK | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(_seal(path, data) + data)
            if is_new or len(data) > self.most_bytes // SMALL_SHARE:
                self._make_room()

    def drop(self, *key: str) -> None:
        """Forget what is kept under a key."""
        with suppress(OSError):
            self._path(key).unlink()

    def values(self) -> Iterator[Any]:
        """Every JSON value that holds, in no order."""
        for _, _, path in self._facts():
            value = _decoded(_read(Path(path), self.most_bytes))
            if value is not None:
                yield value

    def usage(self) -> Usage:
        """What the notes take now."""
        sizes = [size for _, size, _ in self._facts()]
        return Usage(len(sizes), sum(sizes))

    def clear(self) -> Usage:
        """Forget everything; returns what went."""
        notes = size = 0
        for _, length, path in self._facts():
            with suppress(OSError):
                Path(path).unlink()
                notes, size = notes + 1, size + length
        return Usage(notes, size)

    def _path(self, key: tuple[str, ...]) -> Path:
        name = hashlib.sha256("\0".join(key).encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / f"{name}{SUFFIX}"

    def _facts(self) -> list[tuple[int, int, str]]:
        """When each note was last used, its size and its path."""
        found = []
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime_ns, status.st_size, entry.path))
        return found

    def _make_folder(self) -> None:
        """Make the folder, for the user alone. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix" and self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)

    def _make_room(self) -> None:
        """Remove the notes used longest ago when there are too many, or too many bytes of them."""
        found = self._facts()
        left, total = len(found), sum(size for _, size, _ in found)
        if left <= self.most_notes and total <= self.most_bytes:
            return
        for _, size, path in sorted(found, key=lambda facts: facts[:2]):
            if left <= KEPT_SHARE * self.most_notes and total <= KEPT_SHARE * self.most_bytes:
                return
            with suppress(OSError):
                Path(path).unlink()
                left, total = left - 1, total - size


def _read(path: Path, most: int) -> bytes | None:
    """What a note holds, used just now; None where it cannot be read, is larger than `most`, or its seal is broken."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NEVER_BLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            data = file.read(most + 1)
    except OSError:
        return None
    body = data[SEAL_BYTES:]
    if len(data) > most or data[:SEAL_BYTES] != _seal(path, body):
        return None
    if time.time() - status.st_mtime > TOUCH_S:
        with suppress(OSError):
            os.utime(path)
    return body


def _seal(path: Path, body: bytes) -> bytes:
    """A hash over the content and the name, which is a hash of the key."""
    name = path.stem.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(body, digest_size=SEAL_BYTES, key=name).digest()


def _decoded(data: bytes | None) -> Any:
    """The JSON value in a note, None where it holds none."""
    if data is None:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
