"""Notes of which files were hashed and have not been touched since, so that a quick answer need not hash again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from lmpm.fs import Stamp


@dataclass(frozen=True, slots=True)
class Note:
    """That a file hashed to `sha256`, and whether it was lmpm that brought it into the store."""

    sha256: str
    stamp: Stamp
    brought: bool


@dataclass(frozen=True, slots=True)
class VerifiedFiles:
    """The notes in `folder`, one for each digest and place where it was seen."""

    folder: Path

    def holds(self, path: Path, sha256: str) -> bool:
        """True when the bytes at `path` were hashed to `sha256` and the file has not been touched since."""
        with contextlib.suppress(OSError):
            now = Stamp.of(path)
            note = _read(self._place(sha256, now.path))
            return note is not None and (note.sha256, note.stamp) == (sha256, now)
        return False

    def note(self, stamp: Stamp, sha256: str, *, brought: bool = False) -> None:
        """Note that the bytes of a file hashed to `sha256` when it looked like this.

        A note that cannot be written is no loss, and one that is cut off by a crash does not hold.
        """
        place = self._place(sha256, stamp.path)
        earlier = _read(place)
        brought = brought or (earlier is not None and earlier.brought and earlier.stamp.inode == stamp.inode)
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps({"sha256": sha256, "stamp": asdict(stamp), "brought": brought}), "utf-8")

    def brought(self) -> dict[str, Note]:
        """The notes on files that lmpm brought into the store, by path."""
        try:
            notes = [note for place in self.folder.iterdir() if (note := _read(place)) and note.brought]
        except OSError:
            return {}
        return {note.stamp.path: note for note in notes}

    def forget(self, path: Path, sha256: str) -> None:
        """Drop the note on the file at `path`."""
        with contextlib.suppress(OSError):
            self._place(sha256, str(path.resolve())).unlink()

    def _place(self, sha256: str, path: str) -> Path:
        return self.folder / f"{sha256}.{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"


def _read(place: Path) -> Note | None:
    """A note, or None when it is not there or not whole."""
    try:
        data = json.loads(place.read_text("utf-8"))
        return Note(data["sha256"], Stamp(**data["stamp"]), data["brought"] is True)
    except (OSError, ValueError, TypeError, LookupError):
        return None
