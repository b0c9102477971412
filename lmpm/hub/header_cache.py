"""What was read of remote headers, kept by the sha256 of the file that they are the front of.

A header costs a few megabytes of a file of gigabytes. It is fetched once, and can be given to llama.cpp to plan
with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.fs import JsonCache
from lmpm.limits import MAX_HEADER_NOTES_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.gguf import ReadAt


@dataclass(frozen=True, slots=True)
class HeaderCache:
    """One note for each header, in `folder`: as much of its front as was ever read."""

    folder: Path

    def reader(self, sha256: str, fetch: ReadAt) -> ReadAt:
        """Reads what is kept, and keeps what had to be fetched, with what lies before it."""

        def read_at(offset: int, length: int) -> bytes:
            kept = self._notes.get_bytes(sha256) or b""
            end = offset + length
            if end > len(kept):
                kept += fetch(len(kept), end - len(kept))
                if not kept.startswith(b"GGUF"):  # a page of a proxy must not be taken for the file for ever
                    return kept[offset:end]
                self._notes.put_bytes(kept, sha256)
            return kept[offset:end]

        return read_at

    def drop(self, sha256: str) -> None:
        """Forget what turned out not to be a header: it is fetched again the next time."""
        self._notes.drop(sha256)

    def only(self, sha256: str) -> ReadAt:
        """Reads what is kept, and raises LookupError for anything else."""

        def read_at(offset: int, length: int) -> bytes:
            kept = self._notes.get_bytes(sha256) or b""
            if offset + length > len(kept):
                raise LookupError(f"the kept front of {sha256} ends after {len(kept)} bytes")
            return kept[offset : offset + length]

        return read_at

    @property
    def _notes(self) -> JsonCache:
        return JsonCache(self.folder, most_bytes=MAX_HEADER_NOTES_BYTES)
