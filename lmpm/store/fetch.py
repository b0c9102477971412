"""Bring files of any source into the store: from the Hub, from the wheel, or because they are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from lmpm.errors import HashMismatchError, IntegrityError, MissingFilesError
from lmpm.types import FileSource, HubSource, ModelFile, Source, StarterSource, UrlSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.catalog import Catalog
    from lmpm.reporter import Reporter
    from lmpm.store.cache import Store
    from lmpm.store.transfer.downloader import Downloader

DOWNLOAD_HINT: Final = "To download what is missing, run `lmpm install`"


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Makes files of any source present and verified in the store."""

    store: Store
    catalog: Catalog
    downloader: Downloader
    reporter: Reporter
    offline: bool
    directory: Path  # of the project: where files of the user's own are looked for
    said: tuple[str, ...] = ()  # remarks that the user has read already

    def fetch(self, source: Source, files: Iterable[ModelFile], *, ref: object = None) -> tuple[Path, ...]:
        """The paths of the files, in their order; what is missing is brought first.

        `ref` is how the manifest names the model: a file of the user's own may lie there, too.
        Raises MissingFilesError when the network is off, and the errors of a transfer.
        """
        files = tuple(files)
        self.reporter.planned(len(files), sum(file.size for file in files))
        if isinstance(source, StarterSource):
            paths = tuple(self._starter(source, file) for file in files)
        elif isinstance(source, FileSource):
            paths = tuple(self._file(source, file, ref) for file in files)
        elif self.offline:
            paths = tuple(self._here(source, file) for file in files)
        else:
            new = [file for file in files if self.store.find(source, file) is None]
            paths = self.downloader.fetch_all(source, files)
            self._look_into(path for path, file in zip(paths, files, strict=True) if file in new)
        self.reporter.concluded()
        return paths

    def _look_into(self, paths: Iterable[Path]) -> None:
        """Look into what was downloaded. Raises IntegrityError for what is not a GGUF, or whose template runs code."""
        from lmpm.gguf import read_file, require_harmless

        for path in paths:
            for finding in require_harmless(read_file(path).template, path.name):
                if (remark := f"chat template: {finding.detail}") not in self.said:
                    self.reporter.remarked(path.name, remark)

    def _here(self, source: HubSource | UrlSource, file: ModelFile) -> Path:
        found = self.downloader.present(source, file)
        if found is None:
            raise missing_files(
                source, [file], f"`{file.path}` is not on this machine, and the network is switched off"
            )
        return found

    def _file(self, source: FileSource, file: ModelFile, ref: object) -> Path:
        """Link the store to a file of the user's own, where the lock or the manifest says that it lies."""
        present = self.store.find(source, file)
        if present is not None and self.store.is_stamped(present, file.sha256 or ""):
            self.reporter.reused(file.path, file.size)
            return present
        wrong: list[HashMismatchError] = []
        for origin in self._own_places(file, ref):
            try:
                path = self.store.link_file(source, file, origin, self.reporter)
            except HashMismatchError as error:
                wrong.append(error)
            else:
                self.reporter.finished(file.path, file.size, file.sha256 or "")
                return path
        if present is not None and not wrong:
            self.store.confirm(present, file, reporter=self.reporter)
            return present
        if wrong:
            raise wrong[0].with_hint(f"{own_file_hint([file])}; or pin what is there now with `lmpm update`")
        raise missing_files(source, [file], f"`{file.path}` is a file that only somebody of your team has")

    def _own_places(self, file: ModelFile, ref: object) -> list[Path]:
        """Where a file of the user's own is: at its path in the project, and where the manifest points."""
        places = [self.directory / file.path]
        if isinstance(ref, str):
            places.append((self.directory / Path(ref).expanduser()).with_name(PurePath(file.path).name))
        return [place for place in dict.fromkeys(places) if place.is_file()]

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


def missing_files(source: Source, files: Iterable[ModelFile], message: str) -> MissingFilesError:
    """The error for files that a lock names and this machine lacks."""
    files = tuple(files)
    return MissingFilesError(
        message,
        details=[f"{file.path}  {human(file.size)}" for file in files],
        hint=missing_hint(source, files),
    )


def missing_hint(source: Source, files: Iterable[ModelFile]) -> str:
    """How files that are missing come here: a file of the team's own nobody can download."""
    return own_file_hint(files) if isinstance(source, FileSource) else DOWNLOAD_HINT


def own_file_hint(files: Iterable[ModelFile]) -> str:
    """Where files of the team's own belong, and how they are known."""
    wanted = " and ".join(f"`{file.path}`, sha256 {file.sha256}" for file in files)
    return f"Put it at {wanted}, in the project, and run `lmpm install`"
