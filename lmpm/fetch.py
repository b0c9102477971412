"""Bring files of any source into the store: from the Hub, from the wheel, or because they are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from lmpm.errors import IntegrityError, MissingFilesError
from lmpm.size import human
from lmpm.types import FileSource, HubSource, ModelFile, Source, StarterSource, UrlSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lmpm.catalog import Catalog
    from lmpm.progress import Reporter
    from lmpm.store import Store
    from lmpm.transfer import Downloader


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Makes files of any source present and verified in the store."""

    store: Store
    catalog: Catalog
    downloader: Downloader
    reporter: Reporter
    offline: bool
    directory: Path  # of the project: where files of the user's own are looked for
    elsewhere: tuple[Path, ...] = ()  # files outside of it that the manifest names

    def fetch(self, source: Source, files: Iterable[ModelFile]) -> tuple[Path, ...]:
        """The paths of the files, in their order; what is missing is brought first.

        Raises MissingFilesError when the network is off, and the errors of a transfer.
        """
        files = tuple(files)
        self.reporter.planned(len(files), sum(file.size for file in files))
        if isinstance(source, StarterSource):
            paths = tuple(self._starter(source, file) for file in files)
        elif isinstance(source, FileSource):
            paths = tuple(self._file(source, file) for file in files)
        elif self.offline:
            paths = tuple(self._here(source, file) for file in files)
        else:
            paths = self.downloader.fetch_all(source, files)
        self.reporter.concluded()
        return paths

    def _here(self, source: HubSource | UrlSource, file: ModelFile) -> Path:
        found = self.downloader.present(source, file)
        if found is None:
            raise missing([file], f"`{file.path}` is not on this machine, and the network is switched off")
        return found

    def _file(self, source: FileSource, file: ModelFile) -> Path:
        """Link the store to a file of the user's own, where the lock says that it lies."""
        present = self.store.find(source, file)
        if present is not None and self.store.is_stamped(present, file.sha256 or ""):
            self.reporter.reused(file.path, file.size)
            return present
        origin = self._origin(file)
        if origin.is_file():
            path = self.store.link_file(source, file, origin, self.reporter)
            self.reporter.finished(file.path, file.size, file.sha256 or "")
            return path
        if present is not None:
            self.store.confirm(present, file, reporter=self.reporter)
            return present
        raise missing(
            [file],
            f"`{file.path}` is a file that only somebody of your team has",
            hint=f"Put it at `{origin}`; its sha256 is {file.sha256}",
        )

    def _origin(self, file: ModelFile) -> Path:
        """Where a file of the user's own lies, or should: in the project, else where the manifest says."""
        name = PurePath(file.path).name
        places = [self.directory / file.path, *(path.with_name(name) for path in self.elsewhere)]
        there = [path for path in places if path.is_file()]
        return next((path for path in there if path.stat().st_size == file.size), next(iter(there), places[0]))

    def _starter(self, source: StarterSource, file: ModelFile) -> Path:
        """Put the built-in model of a task into the store."""
        task = self.catalog.task(source.task)
        shipped = task.starter if task else None
        if task is None or shipped is None or shipped.sha256 != file.sha256:
            present = self.store.find(source, file)
            if present is not None:
                self.store.confirm(present, file)
                return present
            raise IntegrityError(
                f"The {source.task} starter that the lock pins is not the one of this lmpm",
                hint=f"Install the version of lmpm that made the lock, or `lmpm install {source.task}` again",
            )
        present = self.store.find(source, file)
        if present is not None and self.store.is_stamped(present, file.sha256 or ""):
            self.reporter.reused(file.path, file.size)
            return present
        path = self.store.adopt_file(source, file, self.catalog.starter_file(task), self.reporter)
        self.reporter.finished(file.path, file.size, file.sha256 or "")
        return path


def require_space(store: Store, plan: Iterable[tuple[Source, Iterable[ModelFile]]]) -> None:
    """Refuse before the first byte what the disk cannot hold as a whole. Raises DiskError."""
    downloads = [(source, files) for source, files in plan if not isinstance(source, FileSource)]
    files = {store.blob(source, file): (source, file) for source, files in downloads for file in files}
    lacking = [pair for pair in files.values() if store.find(*pair) is None]
    if lacking:
        store.require_space(sum(file.size - store.reserved(source, file) for source, file in lacking))


def missing(
    files: Iterable[ModelFile], message: str, *, hint: str = "To download what is missing, run `lmpm install`"
) -> MissingFilesError:
    """The error for files that a lock names and this machine lacks."""
    return MissingFilesError(
        message,
        details=[f"{file.path}  {human(file.size)}" for file in files],
        hint=hint,
    )
