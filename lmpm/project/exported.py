"""What was handed to other tools, and where: one record an export, kept until it is undone.

A record says which files lmpm made, so that they can be checked and taken back, and which files of the store another
tool's settings name by path, so that these are not pruned.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmpm.fs import atomic, disk_errors, file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lmpm.reporter import Reporter

MAX_RECORD_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A file of an export, by its path there. `made` is False for one that was there before, which undoing leaves."""

    path: str
    size: int
    sha256: str
    made: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An export of a project's model.

    `refers` are folder and sha256 of files of the store that it names by path, `options` what the user said beside it.
    `entry` is the file that makes it whole, by which two exports at one place differ; empty where each stands for
    itself. `begun` are the files of a write that has not ended: each may be there or not, or still be as in `files`.
    """

    target: str
    name: str
    project: Path
    place: Path
    files: tuple[ExportedFile, ...]
    refers: tuple[tuple[str, str], ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    begun: tuple[ExportedFile, ...] = ()

    @property
    def all_files(self) -> tuple[ExportedFile, ...]:
        """Those that were made, then those that a write which has not ended makes; a path may be in both."""
        return (*self.files, *self.begun)


@dataclass(frozen=True, slots=True)
class Exports:
    """The records of this user, below `folder`."""

    folder: Path

    def note(self, export: Exported) -> None:
        """Keep a record, in place of an earlier one of the same export. Raises DiskError."""
        data = asdict(export) | {"project": str(export.project), "place": str(export.place)}
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write_text(self._path(export), json.dumps(data, indent=1))

    def forget(self, export: Exported) -> None:
        """Drop a record."""
        with suppress(OSError):
            self._path(export).unlink()

    def read(self) -> list[Exported]:
        """Every record that can be read."""
        return sorted(self._read(), key=lambda item: (str(item.project), item.name, item.target))

    def of(self, project: Path, name: str | None = None) -> list[Exported]:
        """Those of a project, or of one of its models."""
        return [item for item in self.read() if item.project == project and name in (None, item.name)]

    def at(self, place: Path) -> list[Exported]:
        """Those of any project at a place."""
        where = os.path.realpath(place)
        return [item for item in self.read() if os.path.realpath(item.place) == where]

    @contextmanager
    def held(self, place: Path, reporter: Reporter) -> Iterator[None]:
        """Keep other processes of this user from writing to a place meanwhile. Raises DiskError."""
        where = os.path.realpath(place)
        name = hashlib.sha256(where.encode(errors="surrogateescape")).hexdigest()[:32]

        def wait() -> None:
            reporter.remarked(where, "another process is writing there, waiting for it")

        with file_lock.hold_file_lock(self.folder / f"{name}.lock", waiting=wait):
            yield

    def _read(self) -> Iterator[Exported]:
        with suppress(OSError):
            for path in self.folder.glob("*.json"):
                with suppress(OSError, ValueError, KeyError, TypeError), path.open("rb") as opened:
                    yield _decoded(json.loads(opened.read(MAX_RECORD_BYTES)))

    def _path(self, export: Exported) -> Path:
        parts = (export.target, export.name, str(export.project), str(export.place), export.entry)
        key = "\0".join(filter(None, parts))
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _decoded(data: Any) -> Exported:
    return Exported(
        target=str(data["target"]),
        name=str(data["name"]),
        project=Path(data["project"]),
        place=Path(data["place"]),
        files=tuple(ExportedFile(**file) for file in data["files"]),
        refers=tuple((str(folder), str(digest)) for folder, digest in data["refers"]),
        options={str(key): str(value) for key, value in data["options"].items()},
        entry=str(data.get("entry", "")),
        begun=tuple(ExportedFile(**file) for file in data.get("begun", ())),
    )
