"""Bring the twins that a lock pins: the same models in other forms, for runtimes that do not read GGUF.

No model of this machine needs them, so they come when they are asked for: by an export that hands one over, or by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmpm.errors import MissingFilesError
from lmpm.project.policy import require_twin_permitted
from lmpm.units import human

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.project.lock.twins import Twin
    from lmpm.project.workspace import Workspace
    from lmpm.reporter import Reporter
    from lmpm.store import Store
    from lmpm.types import ModelFile


@dataclass(frozen=True, slots=True)
class TwinStep:
    """A twin of the model `name` that is to be here; `downloads` are the files that are not."""

    name: str
    twin: Twin
    downloads: tuple[ModelFile, ...]

    def __str__(self) -> str:
        comes = f"{human(self.download_size)} to download" if self.downloads else "nothing to download"
        return f"{self.name}: twin {self.twin.source} {self.twin.form}, {comes}"

    @property
    def download_size(self) -> int:
        """Bytes that the network has to bring."""
        return sum(file.size for file in self.downloads)

    def as_json(self) -> dict[str, Any]:
        """The step as programs read it."""
        twin = self.twin
        return {
            "name": self.name,
            "form": twin.form,
            "repo": twin.source.repo,
            "revision": twin.source.revision,
            "of": twin.of,
            "license": twin.license,
            "size": twin.size,
            "present": not self.downloads,
        }


def missing_files(store: Store, twin: Twin) -> tuple[ModelFile, ...]:
    """The files of a twin that are not here."""
    return tuple(file for file in twin.files if store.find(twin.source, file) is None)


def twins_of(model: LockedModel, candidate: LockedCandidate) -> tuple[Twin, ...]:
    """The twins of one candidate."""
    return tuple(twin for twin in model.twins if twin.of == candidate.files[0].sha256)


def twin_step(workspace: Workspace, name: str, twin: Twin) -> TwinStep:
    """The step that brings a twin of the model `name`. Raises NotPermittedError for what the policy forbids."""
    require_twin_permitted(name, twin, workspace.project.manifest().policy)
    return TwinStep(name, twin, missing_files(workspace.store, twin))


def bring_twin(workspace: Workspace, name: str, twin: Twin, reporter: Reporter) -> dict[str, Path]:
    """The files of a twin by their paths in its repository, present and verified.

    Raises MissingFilesError where the network is switched off and files are missing, and the errors of a download.
    """
    downloader = workspace.fetcher(reporter).downloader
    reporter.planned(len(twin.files), twin.size)
    if workspace.offline:
        here = {file.path: downloader.present(twin.source, file) for file in twin.files}
        lacking = [file for file in twin.files if here[file.path] is None]
        if lacking:
            raise MissingFilesError(
                f"The {twin.form} twin of `{name}` is not on this machine, and the network is switched off",
                details=[f"{file.path}  {human(file.size)}" for file in lacking],
                hint="The same command brings it where there is a network",
            )
        paths = {path: found for path, found in here.items() if found is not None}
    else:
        found = downloader.fetch_all(twin.source, twin.files)
        paths = {file.path: path for file, path in zip(twin.files, found, strict=True)}
    reporter.concluded()
    return paths
