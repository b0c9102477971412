"""What was read of the headers of remote files, kept by the sha256 that the file is said to have.

A header costs a few megabytes of a file of gigabytes. It is fetched once, and can be given to llama.cpp to plan with.
Until the whole file is here nothing shows that these bytes are its front: they are what one server claims, and count
for that server alone. Once the file is verified, its own front takes their place, for everybody.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import IntegrityError
from lmpm.fs import JsonCache, open_regular
from lmpm.limits import MAX_HEADER_NOTES_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.gguf import ReadAt

SOURCE_BYTES: Final = 32  # before the front: whose word it is
VERIFIED: Final = bytes(SOURCE_BYTES)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HeaderCache:
    """One note for each file, in `folder`: as much of its front as was ever read. `server` is the one that is asked."""

    folder: Path
    server: str = ""

    def reader(self, sha256: str, fetch: ReadAt) -> ReadAt:
        """Reads what is kept, and keeps what had to be fetched, with what lies before it."""

        def read_at(offset: int, length: int) -> bytes:
            front = self._front(sha256)
            end = offset + length
            if end > len(front):
                front += fetch(len(front), end - len(front))
                if front.startswith(b"GGUF"):  # a page of a proxy must not be taken for the file for ever
                    self._notes.put_bytes(self._source + front, sha256)  # with the rest, the whole is its word again
            return front[offset:end]

        return read_at

    def only(self, sha256: str) -> ReadAt:
        """Reads what is kept, and raises LookupError for anything else."""

        def read_at(offset: int, length: int) -> bytes:
            front = self._front(sha256)
            if offset + length > len(front):
                raise LookupError(f"the kept front of {sha256} ends after {len(front)} bytes")
            return front[offset : offset + length]

        return read_at

    def drop(self, sha256: str) -> None:
        """Forget what turned out not to be a header: it is fetched again the next time."""
        self._notes.drop(sha256)

    def confirm(self, sha256: str, path: Path) -> None:
        """Put the front of the verified file at `path` in the place of what was claimed of it."""
        note = self._notes.get_bytes(sha256)
        if note is None or note.startswith(VERIFIED):
            return
        self._notes.drop(sha256)
        with suppress(OSError, IntegrityError), open_regular(path) as file:
            self._notes.put_bytes(VERIFIED + file.read(len(note) - SOURCE_BYTES), sha256)

    def _front(self, sha256: str) -> bytes:
        """What is kept; nothing where it is the word of another server."""
        note = self._notes.get_bytes(sha256) or b""
        return note[SOURCE_BYTES:] if note[:SOURCE_BYTES] in (VERIFIED, self._source) else b""

    @property
    def _source(self) -> bytes:
        return hashlib.sha256(self.server.encode()).digest()

    @property
    def _notes(self) -> JsonCache:
        return JsonCache(self.folder, most_bytes=MAX_HEADER_NOTES_BYTES)
