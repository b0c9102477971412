"""What was read of remote headers, kept by the sha256 of the file that they are the front of.

A header costs a few megabytes of a file of gigabytes. It is fetched once, and can be given to llama.cpp to plan
with.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.errors import DiskError
from lmpm.fs import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.gguf import ReadAt


@dataclass(frozen=True, slots=True)
class HeaderCache:
    """One file for each header, in `folder`: as much of its front as was ever read."""

    folder: Path

    def reader(self, sha256: str, fetch: ReadAt) -> ReadAt:
        """Reads what is kept, and keeps what had to be fetched, with what lies before it."""
        path = self.folder / sha256

        def read_at(offset: int, length: int) -> bytes:
            kept = _bytes(path)
            end = offset + length
            if end > len(kept):
                kept += fetch(len(kept), end - len(kept))
                if not kept.startswith(b"GGUF"):  # a page of a proxy must not be taken for the file for ever
                    return kept[offset:end]
                with suppress(DiskError, OSError):  # without a place for it, it is fetched again the next time
                    path.parent.mkdir(parents=True, exist_ok=True)
                    atomic.write_bytes(path, kept)
            return kept[offset:end]

        return read_at

    def drop(self, sha256: str) -> None:
        """Forget what turned out not to be a header: it is fetched again the next time."""
        with suppress(OSError):
            (self.folder / sha256).unlink()

    def only(self, sha256: str) -> ReadAt | None:
        """Reads what is kept, and raises LookupError for anything else; None when nothing is."""
        path = self.folder / sha256
        if not path.is_file():
            return None

        def read_at(offset: int, length: int) -> bytes:
            kept = _bytes(path)
            if offset + length > len(kept):
                raise LookupError(f"{path} ends after {len(kept)} bytes")
            return kept[offset : offset + length]

        return read_at


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
