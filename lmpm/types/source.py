"""Files of models, and where they are from: the Hub, lmpm itself, a URL, or the user's own disk. Sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal
from urllib.parse import urlsplit

FileRole = Literal["model", "mmproj"]


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the Hub; `revision` is a commit of 40 hex digits once it is pinned."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo} @ {self.revision[:7]}" if self.revision else self.repo

    @property
    def name(self) -> str:
        """What it is at whatever commit, for comparing and for people: `org/name`."""
        return self.repo

    @property
    def publisher(self) -> str:
        """The account on the Hub."""
        return self.repo.partition("/")[0]


@dataclass(frozen=True, slots=True)
class StarterSource:
    """The built-in starter of a task, shipped with lmpm."""

    task: str
    publisher: ClassVar[str] = ""

    def __str__(self) -> str:
        return "built in"

    @property
    def name(self) -> str:
        """What it is, for comparing and for people: `starter:task`."""
        return f"starter:{self.task}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file at an https URL; its sha256 comes from the user, never from the server."""

    url: str
    publisher: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:  # it is written into files and shown
            raise ValueError("the URL of a file cannot hold a user name or a password")

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """What it is, for comparing and for people: the URL."""
        return self.url


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of the user's own, by its hash, with the other shards of its set.

    `path` is where it was, seen from the project's directory. `first` is the sha256 of the set's first file: all of a
    set stand side by side under it, as llama.cpp looks for them.
    """

    path: str
    first: str = field(default="", compare=False)  # follows from the files
    publisher: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        """What it is, for comparing and for people: `file:path`."""
        return f"file:{self.path}"


Source = HubSource | StarterSource | UrlSource | FileSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a variant. `sha256` is None until the Hub or the catalog said it."""

    path: str
    size: int
    sha256: str | None = None
    role: FileRole = "model"
