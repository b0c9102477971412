"""Notes of which files were hashed and have not been touched since, so that a quick answer need not hash again."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lmpm.fs import JsonCache, Stamp
from lmpm.limits import MAX_VERIFIED_NOTES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VerifiedFiles:
    """The notes in `folder`, one for each digest and place where it was seen."""

    folder: Path

    def holds(self, path: Path, sha256: str) -> bool:
        """True when the bytes at `path` were hashed to `sha256` and the file has not been touched since."""
        with contextlib.suppress(OSError):
            now = Stamp.of(path)
            return bool(self._notes.get(sha256, now.path) == asdict(now))
        return False

    def note(self, stamp: Stamp, sha256: str) -> None:
        """Note that the bytes of a file hashed to `sha256` when it looked like this."""
        self._notes.put(asdict(stamp), sha256, stamp.path)

    def forget(self, path: Path, sha256: str) -> None:
        """Drop the note on the file at `path`."""
        with contextlib.suppress(OSError):
            self._notes.drop(sha256, str(path.resolve()))

    @property
    def _notes(self) -> JsonCache:
        return JsonCache(self.folder, most_notes=MAX_VERIFIED_NOTES)
