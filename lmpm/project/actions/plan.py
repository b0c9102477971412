"""What an action would do, as a record that is printed, or carried out; and what it did.

`plan` of an action makes a `Plan`, `apply` takes one. A dry run is a plan that nobody applies, so it cannot say
anything else than the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lmpm.project.lock.facts import verified_paths
from lmpm.reporter import Reporter
from lmpm.types import HubSource, UrlSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from lmpm.errors import LmpmError
    from lmpm.fs import Scalar
    from lmpm.project.actions.choosing import Chosen
    from lmpm.project.actions.report import Report
    from lmpm.project.actions.twins import TwinStep
    from lmpm.project.lock.adapters import LockedAdapter
    from lmpm.project.lock.ladder import Rung
    from lmpm.project.lock.records import Lock, LockedModel
    from lmpm.project.manifest import Manifest, ManifestModel
    from lmpm.project.workspace import Workspace
    from lmpm.proof import Checked, SmokeResult
    from lmpm.types import Machine, ModelFile, Source

Action = Literal["install", "sync", "update", "lock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model of a plan: what is taken for it, and what has to come.

    `rung` and `locked` say what is taken from the lock, `chosen` what was chosen now; an update has both. `paths` are
    set where every file is here, unchanged since it was hashed, `downloads` are those that the network has to bring.
    `adapters` are put on it, their files at `adapter_paths` where all are here.
    """

    name: str
    title: str
    quant: str
    license: str
    source: Source
    files: tuple[ModelFile, ...]
    downloads: tuple[ModelFile, ...]
    paths: tuple[Path, ...]
    rung: Rung | None = None
    locked: LockedModel | None = None
    chosen: Chosen | None = None
    is_new: bool = False  # the manifest gets a line for it
    adapters: tuple[LockedAdapter, ...] = ()
    adapter_paths: tuple[Path, ...] = ()

    @property
    def is_here(self) -> bool:
        """Whether nothing has to be fetched or tested: the lock gives it, and its files are right."""
        return bool(self.paths) and self.rung is not None and len(self.adapter_paths) == len(self.adapters)

    @property
    def pins(self) -> tuple[tuple[Source, tuple[ModelFile, ...]], ...]:
        """All files that it takes, by where they are from."""
        return (self.source, self.files), *((item.source, item.files) for item in self.adapters)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for _, files in self.pins for file in files)

    @property
    def download_size(self) -> int:
        """Bytes that the network has to bring."""
        return sum(file.size for file in self.downloads)

    @property
    def requested(self) -> Mapping[str, Scalar]:
        """The line of the manifest that asks for it."""
        if self.chosen is not None:
            return self.chosen.line.requested()
        return self.locked.requested if self.locked is not None else {}

    def __str__(self) -> str:
        comes = f"{human(self.download_size)} to download" if self.downloads else "nothing to download"
        return f"{self.name}: {self.title} {self.quant}, {comes}"

    def as_json(self) -> dict[str, Any]:
        """The step as programs read it."""
        return {
            "name": self.name,
            "model": self.title,
            "quant": self.quant,
            "source": str(self.source),
            "size": self.size,
            "present": self.is_here,
            **({"adapters": [str(item) for item in self.adapters]} if self.adapters else {}),
            "downloads": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in self.downloads],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an action would do in a workspace.

    `changes` are those of the lock, in words, `unpinned` the entries that leave it. `smoke` says whether what comes is
    tested, `saves` whether the project's files are written, `is_first` that the lock is made though it stays empty.
    `asked` are lines whose models stay and are only asked otherwise, each with its new entry. `twins` are those of the
    models that were asked for, too.
    """

    action: Action
    workspace: Workspace = field(repr=False, compare=False)
    steps: tuple[Step, ...]
    changes: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    smoke: bool = True
    saves: bool = False
    is_first: bool = False
    asked: tuple[tuple[ManifestModel, LockedModel], ...] = ()
    twins: tuple[TwinStep, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it should be."""
        comes = not all(step.is_here for step in self.steps) or any(step.downloads for step in self.twins)
        return not self.changes and not self.unpinned and not comes

    @property
    def download_size(self) -> int:
        """Bytes that the network has to bring, each file once."""
        coming: list[tuple[Source, ModelFile]] = [(step.source, file) for step in self.steps for file in step.downloads]
        coming += [(step.twin.source, file) for step in self.twins for file in step.downloads]
        files = {(source, file.path): file.size for source, file in coming}
        return sum(files.values())

    def __str__(self) -> str:
        return "\n".join((*map(str, self.steps), *map(str, self.twins), *self.changes))

    def as_json(self) -> dict[str, Any]:
        """The plan as programs read it."""
        return {
            "action": self.action,
            "models": [step.as_json() for step in self.steps],
            "twins": [step.as_json() for step in self.twins],
            "download_size": self.download_size,
            "changes": list(self.changes),
            "unpinned": list(self.unpinned),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A model that is here now: its files in load order, and what its smoke test and the checks showed, where run."""

    step: Step
    paths: tuple[Path, ...]
    adapters: tuple[Path, ...] = ()
    smoke: SmokeResult | None = None
    checked: Checked | None = None
    took_s: float = 0.0

    @property
    def name(self) -> str:
        """Its name in the project."""
        return self.step.name

    @property
    def path(self) -> Path:
        """The file to load; of a model in shards the first."""
        return self.paths[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an action did: the models that are here, whether the lock changed, and what was taken out of it."""

    models: tuple[Installed, ...] = ()
    changed: bool = False
    unpinned: tuple[str, ...] = ()


class ActionReporter:
    """Told how far an action is, its `transfers` of how bytes move. Every method does nothing here."""

    def __init__(self, transfers: Reporter | None = None) -> None:
        self.transfers = transfers or Reporter()

    def tested(self, step: Step, result: SmokeResult | None) -> None:
        """Called after a smoke test, also one that failed; None where there is none for this kind of model."""

    def asked(self, step: Step, checked: Checked) -> None:
        """Called after the project's own checks of a model, also when too few were right."""

    def installed(self, model: Installed) -> None:
        """Called when a model is here, tested and pinned."""

    def unpinned(self, names: tuple[str, ...]) -> None:
        """Called when entries have left the lock."""

    def checked(self, report: Report) -> None:
        """Called when one model has been verified, whatever came out of it."""

    def failed(self, step: Step, error: LmpmError) -> None:
        """Called, at the end, for each model but the first that cannot be had; the first error is raised."""


def locked_step(
    workspace: Workspace,
    model: LockedModel,
    *,
    machine: Machine | None = None,
    chosen: Chosen | None = None,
) -> Step:
    """The step that brings what a machine takes from the lock. Raises NothingFitsError when nothing fits it."""
    from lmpm.project.lock.entry import rung_for

    rung = rung_for(model, machine or workspace.machine)
    candidate = rung.candidate
    adapters = candidate.adapters
    return Step(
        name=model.name,
        title=candidate.model,
        quant=candidate.quant,
        license=candidate.license,
        source=candidate.source,
        files=candidate.files,
        downloads=_downloads(workspace, candidate.pins),
        paths=verified_paths(workspace.store, candidate.source, candidate.files),
        rung=rung,
        locked=model,
        chosen=chosen,
        adapters=adapters,
        adapter_paths=_adapter_paths(workspace, adapters),
    )


def chosen_step(workspace: Workspace, chosen: Chosen, *, is_new: bool = False) -> Step:
    """The step that brings a choice."""
    variant = chosen.candidate.variant
    rungs = chosen.entry.candidates if chosen.entry else ()
    adapters = next((rung.adapters for rung in rungs if rung.files == variant.files), ())
    own = (variant.source, variant.files)
    return Step(
        name=chosen.line.name,
        title=variant.title,
        quant=variant.quant,
        license=variant.license,
        source=variant.source,
        files=variant.files,
        downloads=_downloads(workspace, (own, *((item.source, item.files) for item in adapters))),
        paths=verified_paths(workspace.store, variant.source, variant.files),
        chosen=chosen,
        is_new=is_new,
        adapters=adapters,
        adapter_paths=_adapter_paths(workspace, adapters),
    )


def twin_steps(workspace: Workspace, steps: Iterable[Step]) -> tuple[TwinStep, ...]:
    """What brings the twins of what is taken from the lock. Raises NotPermittedError for what the policy forbids."""
    from lmpm.project.actions.twins import twin_step, twins_of

    return tuple(
        twin_step(workspace, step.name, twin)
        for step in steps
        if step.locked is not None and step.rung is not None
        for twin in twins_of(step.locked, step.rung.candidate)
    )


def measured_remarks(workspace: Workspace, steps: Iterable[Step]) -> tuple[str, ...]:
    """Which candidates of the lock that are to come are others here because of a measurement."""
    from lmpm.project.actions.measuring import changes

    return changes(workspace, [step.locked for step in steps if step.locked and not step.chosen and not step.is_here])


def _downloads(workspace: Workspace, pins: Iterable[tuple[Source, tuple[ModelFile, ...]]]) -> tuple[ModelFile, ...]:
    return tuple(
        file
        for source, files in pins
        if isinstance(source, HubSource | UrlSource)
        for file in files
        if not file.sha256 or workspace.store.find(source, file) is None
    )


def _adapter_paths(workspace: Workspace, adapters: tuple[LockedAdapter, ...]) -> tuple[Path, ...]:
    """Where the files of adapters are that are here, unchanged since they were hashed."""
    return tuple(path for item in adapters for path in verified_paths(workspace.store, item.source, item.files))


def lock_changes(
    before: Lock,
    entries: Iterable[LockedModel],
    unpinned: Iterable[str] = (),
    *,
    machine: Callable[[], Machine],
    manifest: Manifest,
) -> tuple[str, ...]:
    """What pinning entries and unpinning names changes in a lock, and for a machine, in words; routes as well."""
    after = before
    for entry in entries:
        after = after.with_model(entry)
    for name in unpinned:
        after = after.without(name)
    after = after.routed_as(manifest)
    if after == before:
        return ()  # nothing is imported for it, and the machine is not looked at
    from lmpm.project.lock.diff import differences

    return tuple(differences(before, after, machine() if after.models != before.models else None))
