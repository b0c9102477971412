"""The projects of this user whose locks lmpm has used: what their locks name is never pruned.

```
<home>/projects/<32 hex>.path     the directory of one project; its mtime is when lmpm last worked there
<home>/projects/<32 hex>.guard    held while the project is changed
```
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.errors import LmpmError
from lmpm.limits import MAX_KNOWN_PROJECTS
from lmpm.project.lock.reader import LOCK_NAME

if TYPE_CHECKING:
    from lmpm.project.lock.records import Lock

SUFFIX: Final = ".path"


@dataclass(frozen=True, slots=True)
class Known:
    """A project and its lock, or why the lock cannot be read."""

    directory: Path
    lock: Lock | None = None
    error: LmpmError | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KnownProjects:
    """The notes in `folder`, one file a project, so that two processes never write the same one."""

    folder: Path
    limit: int = field(default=MAX_KNOWN_PROJECTS, kw_only=True)

    def remember(self, directory: Path) -> None:
        """Note that lmpm works with the lock in `directory`. What cannot be noted is no loss."""
        directory = directory.resolve()
        note = self.folder / (key(directory) + SUFFIX)
        with contextlib.suppress(OSError):
            if not _is_there(directory / LOCK_NAME):
                return
            try:
                os.utime(note)
            except FileNotFoundError:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                note.write_bytes(os.fsencode(directory))
                self._forget_the_oldest()

    def directories(self) -> list[Path]:
        """The directories that are remembered, by name; also those whose lock is no longer there."""
        return sorted(path for note in self._notes() if (path := _read(note)))

    def read(self) -> list[Known]:
        """The projects whose lock is there, each with what it holds now."""
        found = ((path, _lock(path)) for path in self.directories())
        return [
            Known(path, error=result) if isinstance(result, LmpmError) else Known(path, lock=result)
            for path, result in found
            if result is not None
        ]

    def forget_vanished(self) -> list[Path]:
        """Forget the projects without a lock, and return their directories."""
        gone = [(note, path) for note in self._notes() if (path := _read(note)) and not _is_there(path / LOCK_NAME)]
        for note, _ in gone:
            with contextlib.suppress(OSError):
                note.unlink()
        return sorted(path for _, path in gone)

    def forget(self, directory: Path) -> bool:
        """Forget one project, whatever is in its lock. Returns whether it was known. Raises DiskError."""
        from lmpm.fs import disk_errors

        note = self.folder / (key(directory) + SUFFIX)
        with disk_errors(note):
            try:
                note.unlink()
            except FileNotFoundError:
                return False
        return True

    def _forget_the_oldest(self) -> None:
        notes = self._notes()
        if len(notes) > self.limit:
            self.forget_vanished()
            notes = sorted(self._notes(), key=lambda note: note.stat().st_mtime)
            for note in notes[: max(0, len(notes) - self.limit)]:
                note.unlink()

    def _notes(self) -> list[Path]:
        try:
            return [entry for entry in self.folder.iterdir() if entry.suffix == SUFFIX]
        except OSError:
            return []


def key(directory: Path) -> str:
    """The name under which a project is noted."""
    return hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]


def _read(note: Path) -> Path | None:
    """The directory in a note; None when a crash cut it off."""
    try:
        directory = Path(os.fsdecode(note.read_bytes()))
        return directory if key(directory) == note.stem else None
    except (OSError, ValueError):
        return None


def _is_there(path: Path) -> bool:
    """Whether a lock is there; one that may not be looked at counts as there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _lock(directory: Path) -> Lock | LmpmError | None:
    from lmpm.project.lock.file import load_lock

    if not _is_there(directory / LOCK_NAME):
        return None
    try:
        return load_lock(directory / LOCK_NAME)
    except LmpmError as error:
        return error
