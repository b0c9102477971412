"""What an exporter wants to be somewhere: files of the store under other names, texts, and words for people."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.export.twins import Found
    from lmpm.run_config import RunConfig
    from lmpm.runtime import Subject
    from lmpm.types import Machine, ModelFile


IMAGE_NAME: Final = r"[a-z0-9][A-Za-z0-9._/:@-]{0,255}"
HOST: Final = r"[A-Za-z0-9.:_-]{1,255}"
URL: Final = r"https?://[A-Za-z0-9._~:/\[\]%-]{1,2000}"


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
    twin: Found | None = None

    @property
    def items(self) -> tuple[Link | Text, ...]:
        """All files, in the order in which they are written."""
        return (*self.links, *self.texts)

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
            "twin": None
            if self.twin is None
            else {
                "form": self.twin.twin.form,
                "repo": self.twin.twin.source.repo,
                "revision": self.twin.twin.source.revision,
                "base_model": self.twin.twin.base_model,
                "of": self.twin.twin.of,
            },
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What an exporter is given: the model with its locked files, how it is run here, and what was asked for.

    `files` are those of the lock with their paths in the store, `stored` their names below the root of a store. `lock`
    is the text of a lock with this one candidate, `need` bytes of memory. `places` are folders of other tools by their
    names, `options` what the user said beside it, `assets` files of the target's own by their path. `twin` is the model
    in another form, for a target that does not read GGUF.
    """

    subject: Subject
    task: Task | None
    files: tuple[tuple[ModelFile, Path], ...]
    stored: Mapping[str, str]
    lock: str
    config: RunConfig
    need: int
    machine: Machine
    place: Path | None
    current: Path
    places: Mapping[str, Path]
    options: Mapping[str, str]
    assets: Mapping[str, bytes] = field(default_factory=dict)
    twin: Found | None = None

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

    def option(self, name: str, usual: str, form: str, expected: str) -> str:
        """What was said for an option, or what is usual. Raises SpecError where it is not of the form.

        It stands in files of other tools, so it never holds what means something there.
        """
        said = self.options.get(name)
        if said is None:
            return usual
        if not re.fullmatch(form, said):
            raise SpecError(f"`{name}={said}` is not {expected}")
        return said

    def twin_links(self, folder: str = "") -> tuple[Link, ...]:
        """The files of the twin under their own paths."""
        if self.twin is None:
            return ()
        files, paths = self.twin.twin.files, self.twin.paths
        return tuple(Link(folder + file.path, paths[file.path], file.size, file.sha256 or "") for file in files)

    def twin_refers(self) -> tuple[Link, ...]:
        """The files of the twin as the store knows them: the folder of their repository, and their digest."""
        if self.twin is None:
            return ()
        folder = "models--" + self.twin.twin.source.repo.replace("/", "--")
        return tuple(replace(link, path=folder) for link in self.twin_links())


class Exporter(Protocol):
    """A target: what it is, and what it gets. It decides and writes nothing itself."""

    NAME: str
    SUMMARY: str
    OPTIONS: Mapping[str, str]  # what can be said beside it, with help

    def plan(self, job: Job) -> Export:
        """What the target gets. Raises ExportError where it cannot run these files."""
