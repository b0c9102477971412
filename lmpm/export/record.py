"""What an exporter wants to be somewhere: files of the store under other names, texts, and words for people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmpm.run_config import RunConfig
    from lmpm.runtime import Subject
    from lmpm.types import Machine, ModelFile


@dataclass(frozen=True, slots=True)
class Link:
    """A file of the store under another name: its bytes are shared where the file system can."""

    path: str  # below the place of the export, with slashes
    origin: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Text:
    """A file that is written."""

    path: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What one target gets of one model. Links come before texts, and texts in their order: the last makes it whole.

    `refers` are files of the store that a text names by path. `shown` is for stdout, `notes` are for people.
    """

    target: str
    name: str
    place: Path
    links: tuple[Link, ...] = ()
    texts: tuple[Text, ...] = ()
    refers: tuple[Link, ...] = ()
    shown: str = ""
    notes: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The export as programs read it."""
        return {
            "target": self.target,
            "name": self.name,
            "place": str(self.place),
            "files": [
                *({"path": link.path, "size": link.size, "sha256": link.sha256} for link in self.links),
                *({"path": text.path, "size": len(text.data), "sha256": text.sha256} for text in self.texts),
            ],
            "text": self.shown,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What an exporter is given: the model with its locked files, how it is run here, and what was asked for.

    `files` are those of the lock with their paths in the store, `stored` their names below the root of a store. `lock`
    is the text of a lock with this one candidate. `places` are folders of other tools by their names, `options` what
    the user said beside it, `assets` files of the target's own by their path.
    """

    subject: Subject
    files: tuple[tuple[ModelFile, Path], ...]
    stored: Mapping[str, str]
    lock: str
    config: RunConfig
    machine: Machine
    place: Path | None
    current: Path
    places: Mapping[str, Path]
    options: Mapping[str, str]
    assets: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model's name in its project."""
        return self.subject.name

    def links(self, folder: str = "") -> tuple[Link, ...]:
        """Its files under their own names, without the folders of the repository."""
        return tuple(
            Link(f"{folder}{file.path.rpartition('/')[2]}", path, file.size, file.sha256 or "")
            for file, path in self.files
        )


class Exporter(Protocol):
    """A target: what it is, and what it gets. It decides and writes nothing itself."""

    NAME: str
    SUMMARY: str
    OPTIONS: Mapping[str, str]  # what can be said beside it, with help

    def plan(self, job: Job) -> Export:
        """What the target gets. Raises ExportError where it cannot run these files."""
