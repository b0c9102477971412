"""What a mirror has: the locked files of repositories of the Hub that are in the store, each verified."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from lmpm.errors import HashMismatchError, IntegrityError, LmpmError
from lmpm.gguf import read_file
from lmpm.project import Twin
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lmpm.gguf import Header
    from lmpm.project import Lock, LockedAdapter, LockedCandidate, Workspace
    from lmpm.reporter import Reporter
    from lmpm.store import Store
    from lmpm.types import ModelFile


@dataclass(frozen=True)
class MirroredFile:
    """A file that can be had: its name in the repository, and the verified bytes in the store."""

    file: ModelFile
    path: Path

    @property
    def sha256(self) -> str:
        """Of its bytes; also the tag by which clients name them."""
        return self.file.sha256 or ""

    @cached_property
    def pointer(self) -> bytes:
        """What git holds in its place, whose length and SHA-1 the Hub states (git-lfs, docs/spec.md)."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.file.size}\n".encode()

    @cached_property
    def blob_id(self) -> str:
        """The object's name in git."""
        header = b"blob %d\0" % len(self.pointer)
        return hashlib.sha1(header + self.pointer, usedforsecurity=False).hexdigest()

    @cached_property
    def header(self) -> Header | None:
        """Its GGUF header, None where it has none."""
        try:
            return read_file(self.path)
        except (LmpmError, ValueError):
            return None


@dataclass(frozen=True)
class MirroredRepository:
    """A repository of the Hub as far as locks pin it. `commits` are the files at each, the newest entry of a lock last.

    What the lock does not say is not made up: there is no download count, no card, and no other branch than `main`.
    """

    id: str
    license: str
    identity: str
    commits: Mapping[str, Mapping[str, MirroredFile]] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The commit that `main` is at here."""
        return [*self.commits][-1]

    def commit(self, revision: str) -> str | None:
        """The commit that a branch or a commit of at least seven digits names; None where it is not here."""
        if revision == "main":
            return self.main
        found = [commit for commit in self.commits if commit.startswith(revision.lower())]
        return found[0] if len(found) == 1 and len(revision) >= 7 else None


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a mirror serves. `missing` are files that locks name and that are not here, by repository and path."""

    repositories: Mapping[str, MirroredRepository]  # by name in lower case
    missing: tuple[str, ...]

    def get(self, name: str) -> MirroredRepository | None:
        """The repository of this name; the Hub does not tell capitals apart."""
        return self.repositories.get(name.lower())

    @property
    def files(self) -> tuple[MirroredFile, ...]:
        """Every file once."""
        found = {
            (repository.id, file.sha256): file
            for repository in self.repositories.values()
            for files in repository.commits.values()
            for file in files.values()
        }
        return tuple(found.values())


def collect(workspace: Workspace, locks: Iterable[Lock], reporter: Reporter) -> Contents:
    """What is here of the repositories that locks pin; files that have changed since they were hashed are hashed again.

    A file whose bytes are not those of its lock counts as missing. Raises DiskError where the store cannot be read.
    """
    made: dict[str, MirroredRepository] = {}
    found: defaultdict[str, dict[str, dict[str, MirroredFile]]] = defaultdict(dict)
    missing: dict[str, None] = {}
    pinned: list[LockedCandidate | LockedAdapter | Twin] = []
    for model in (model for lock in locks for model in lock.models):
        for item in model.candidates:
            pinned += (item, *item.adapters)
        pinned += model.twins
    for pin in pinned:
        source = pin.source
        if not isinstance(source, HubSource):
            continue  # a starter comes with lmpm, a URL and a file of one's own are not the Hub's
        for file in pin.files:
            path = _verified(workspace.store, source, file, reporter)
            if path is None:
                missing[f"{source.repo}/{file.path}"] = None
            else:
                files = found[source.repo].setdefault(source.revision or "", {})
                files[file.path] = MirroredFile(file, path)
        if source.repo in found:
            made[source.repo.lower()] = _repository(pin, source, found[source.repo])
    return Contents(dict(sorted(made.items())), tuple(missing))


def _repository(
    pin: LockedCandidate | LockedAdapter | Twin,
    source: HubSource,
    commits: Mapping[str, Mapping[str, MirroredFile]],
) -> MirroredRepository:
    made_up = hashlib.sha1(source.repo.encode(), usedforsecurity=False).hexdigest()[:24]  # clients demand one
    identity = None if isinstance(pin, Twin) else pin.identity
    return MirroredRepository(source.repo, pin.license, identity or made_up, commits)


def _verified(store: Store, source: HubSource, file: ModelFile, reporter: Reporter) -> Path | None:
    present = store.find(source, file)
    if present is None:
        return None
    if not store.is_stamped(present, file.sha256 or ""):
        try:
            store.confirm(present, file, reporter=reporter)
        except (HashMismatchError, IntegrityError):
            return None
    return present
