"""Which names below the store lmpm itself made: only those are its own to remove.

The store is shared. A blob, the names that lead to it and the refs beside them may each have been made by another
client of the cache, so each is noted by itself, with the inode that it had: a name that somebody else has made anew
since is theirs.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.fs import JsonCache
from lmpm.limits import MAX_OWN_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Name = tuple[str, int]  # a path whose folders are resolved, and the inode of what is there, links not followed


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OwnNames:
    """The notes in `folder`, one for each name."""

    folder: Path

    def note(self, path: Path, sha256: str = "") -> None:
        """Note that lmpm has just made the file or link at `path`, which leads to bytes of this sha256."""
        with contextlib.suppress(OSError):
            place, inode = name_of(path)
            self._notes.put([place, inode, sha256], place)

    def read(self) -> Mapping[Name, str]:
        """Every name that was noted, also of what is gone by now, with the sha256 that it was noted with."""
        found = {}
        for value in self._notes.values():
            with contextlib.suppress(TypeError, ValueError):
                place, inode, sha256 = value
                found[place, inode] = sha256
        return found

    def forget(self, path: Path) -> None:
        """Drop the note on a name that was removed."""
        with contextlib.suppress(OSError):
            self._notes.drop(_place(path))

    @property
    def _notes(self) -> JsonCache:
        return JsonCache(self.folder, most_notes=MAX_OWN_NAMES)


def name_of(path: Path) -> Name:
    """How the thing at `path` is noted. Raises OSError when nothing is there."""
    return _place(path), path.lstat().st_ino


def _place(path: Path) -> str:
    return str(path.parent.resolve() / path.name)
