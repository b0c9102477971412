"""What goes into a bundle: of each model what the machines of the other side take, and the texts beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmpm.bundle.texts import bill_of_materials, license_texts
from lmpm.errors import LockError, NothingFitsError, UnknownNameError
from lmpm.project import MANIFEST_NAME, find_models, require_permitted, require_twin_permitted, rung_for, twins_of
from lmpm.store import missing_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.project import Lock, LockedCandidate, LockedModel, Twin, Workspace
    from lmpm.types import Machine, ModelFile, Source


@dataclass(frozen=True, slots=True)
class Packed:
    """A candidate of a locked model that goes along, and the machines that take it; none where all candidates go.

    `twins` are those of it that go along.
    """

    name: str
    candidate: LockedCandidate
    machines: tuple[str, ...]
    twins: tuple[Twin, ...] = ()

    @property
    def pins(self) -> tuple[tuple[Source, tuple[ModelFile, ...]], ...]:
        """Its files, by where they are from: its own, those of its adapters and of its twins."""
        return *self.candidate.pins, *(pin for twin in self.twins for pin in twin.pins)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of the lock is not in the bundle, and why. `model` and `quant` are empty for a text."""

    name: str
    model: str
    quant: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BundlePlan:
    """What would go into a bundle. `blobs` are the files of the store by their sha256, None where they are not here."""

    workspace: Workspace = field(repr=False, compare=False)
    lock: bytes
    packed: tuple[Packed, ...]
    left_out: tuple[LeftOut, ...]
    blobs: Mapping[str, tuple[ModelFile, Path | None]]
    texts: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of the models' files, each once."""
        return sum(file.size for file, _ in self.blobs.values())

    @property
    def missing(self) -> tuple[ModelFile, ...]:
        """Files that are not on this machine."""
        return tuple(file for file, path in self.blobs.values() if path is None)

    def require_files(self) -> None:
        """Raise MissingFilesError where a file is not here."""
        for packed in self.packed:
            for source, files in packed.pins:
                lacking = [file for file in files if self.blobs[file.sha256 or ""][1] is None]
                if lacking:
                    message = f"`{packed.name}` cannot go into a bundle: not all of its files are on this machine"
                    error = missing_files(source, lacking, message)
                    raise error.with_hint("Download them with `lmpm bundle create --fetch`")


def plan(
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    target: str | None = None,
    everything: bool = False,
    twins: bool = False,
) -> BundlePlan:
    """What goes into a bundle of the project's lock: what the declared targets take, or this machine without any.

    `names` are those of the models (none: all), `target` is the one machine to pack for. With `everything` all
    candidates and twins go along, with `twins` those of the candidates that do. Raises LockError without a lock,
    UnknownNameError, NotPermittedError for what the policy forbids, and NothingFitsError where a model has no candidate
    for any of the machines.
    """
    project = workspace.project
    lock, manifest = project.require_lock(must_exist=True), project.manifest()
    machines = _machines(workspace, target)
    packed: list[Packed] = []
    left_out: list[LeftOut] = []
    for model in find_models(lock, names):
        taken, without = _taken(model, machines, everything=everything, twins=twins or everything)
        packed += taken
        left_out += without
    for item in packed:
        require_permitted(item.name, item.candidate, manifest.policy)
        for twin in item.twins:
            require_twin_permitted(item.name, twin, manifest.policy)
    if not packed:
        raise LockError("Nothing to put into a bundle: the lock is empty", hint="Add a model with `lmpm install TASK`")
    chosen = {packed.name for packed in packed}
    left_out += [LeftOut(model.name, "", "", "not asked for") for model in lock.models if model.name not in chosen]
    text = project.lock_path.read_bytes()
    found = license_texts(
        workspace, [item.candidate for item in packed], [twin for item in packed for twin in item.twins]
    )
    texts, untold = dict(found.texts), [LeftOut("", "", "", why) for why in found.lacking]
    if project.manifest_path.name == MANIFEST_NAME and project.manifest_path.exists():
        texts[MANIFEST_NAME] = project.manifest_path.read_bytes()
    bom = bill_of_materials(_only(lock, packed), text.decode("utf-8"))
    if bom is None:
        untold.append(LeftOut("", "", "", "no bill of materials: it needs `pip install 'lmpm[bom]'`"))
    else:
        texts["sbom.cdx.json"] = bom
    return BundlePlan(
        workspace=workspace,
        lock=text,
        packed=tuple(packed),
        left_out=tuple(left_out + untold),
        blobs=_blobs(workspace, packed),
        texts=texts,
    )


def _machines(workspace: Workspace, target: str | None) -> dict[str, Machine]:
    declared = workspace.targets(workspace.project.manifest())
    if target is None:
        return declared or {"this machine": workspace.machine}
    if target not in declared:
        listing = "Declared: " + ", ".join(f"`{name}`" for name in declared) if declared else "None is declared"
        raise UnknownNameError("target of this project", target, listing=listing)
    return {target: declared[target]}


def _taken(
    model: LockedModel, machines: Mapping[str, Machine], *, everything: bool, twins: bool
) -> tuple[list[Packed], list[LeftOut]]:
    """The candidates of a model that go along, and those that do not. Raises NothingFitsError where none would."""
    takers: dict[int, list[str]] = {}
    refused: list[tuple[str, NothingFitsError]] = []
    for name, machine in machines.items():
        try:
            takers.setdefault(rung_for(model, machine).number, []).append(name)
        except NothingFitsError as error:
            refused.append((name, error))
    if not takers and not everything:
        raise refused[0][1]
    packed, left_out = [], []
    for number, candidate in enumerate(model.candidates, start=1):
        if everything or number in takers:
            along = twins_of(model, candidate) if twins else ()
            packed.append(Packed(model.name, candidate, tuple(takers.get(number, ())), along))
        else:
            why = f"not taken by {', '.join(machines)}"
            left_out.append(LeftOut(model.name, candidate.model, candidate.quant, why))
    left_out += [LeftOut(model.name, "", "", f"nothing of it fits {name}") for name, _ in refused]
    gone_along = [twin for item in packed for twin in item.twins]
    why = "a twin of what stays out" if twins else "a twin, which `--twins` packs"
    left_out += [
        LeftOut(model.name, str(twin.source), twin.form, why) for twin in model.twins if twin not in gone_along
    ]
    return packed, left_out


def _only(lock: Lock, packed: Sequence[Packed]) -> Lock:
    """The lock as far as it is in the bundle."""
    from dataclasses import replace

    kept = []
    for model in lock.models:
        candidates = tuple(item.candidate for item in packed if item.name == model.name)
        if candidates:
            twins = tuple(twin for item in packed if item.name == model.name for twin in item.twins)
            kept.append(replace(model, candidates=candidates, twins=twins))
    return replace(lock, models=tuple(kept))


def _blobs(workspace: Workspace, packed: Sequence[Packed]) -> dict[str, tuple[ModelFile, Path | None]]:
    """The files by their sha256, with where they are; a starter comes out of lmpm itself."""
    found: dict[str, tuple[ModelFile, Path | None]] = {}
    for source, file in ((source, file) for item in packed for source, files in item.pins for file in files):
        digest = file.sha256 or ""
        if found.get(digest, (file, None))[1] is None:
            found[digest] = (file, next(_places(workspace, source, file), None))
    return dict(sorted(found.items()))


def _places(workspace: Workspace, source: Source, file: ModelFile) -> Iterator[Path]:
    from lmpm.types import StarterSource

    here = workspace.store.find(source, file)
    if here is not None:
        yield here
    if isinstance(source, StarterSource):
        task = workspace.catalog.task(source.task)
        if task and task.starter and task.starter.sha256 == file.sha256:
            yield workspace.catalog.starter_file(task)
