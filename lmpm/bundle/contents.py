"""What goes into a bundle: of each model what the machines of the other side take, and the texts beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmpm.bundle.texts import bill_of_materials, license_texts
from lmpm.errors import LockError, NothingFitsError, UnknownNameError
from lmpm.project import MANIFEST_NAME, find_models, require_permitted, rung_for
from lmpm.store import missing_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.project import Lock, LockedCandidate, LockedModel, Workspace
    from lmpm.types import Machine, ModelFile, Source


@dataclass(frozen=True, slots=True)
class Packed:
    """A candidate of a locked model that goes along, and the machines that take it; none where all candidates go."""

    name: str
    candidate: LockedCandidate
    machines: tuple[str, ...]


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
            for source, files in packed.candidate.pins:
                lacking = [file for file in files if self.blobs[file.sha256 or ""][1] is None]
                if lacking:
                    message = f"`{packed.name}` cannot go into a bundle: not all of its files are on this machine"
                    error = missing_files(source, lacking, message)
                    raise error.with_hint("Download them with `lmpm bundle create --fetch`")


def plan(
    workspace: Workspace, names: Sequence[str] = (), *, target: str | None = None, everything: bool = False
) -> BundlePlan:
    """What goes into a bundle of the project's lock: what the declared targets take, or this machine without any.

    `names` are those of the models (none: all), `target` is the one machine to pack for; with `everything` all
    candidates go along. Raises LockError without a lock, UnknownNameError, NotPermittedError for what the policy
    forbids, and NothingFitsError where a model has no candidate for any of the machines.
    """
    project = workspace.project
    lock, manifest = project.require_lock(must_exist=True), project.manifest()
    machines = _machines(workspace, target)
    packed: list[Packed] = []
    left_out: list[LeftOut] = []
    for model in find_models(lock, names):
        taken, without = _taken(model, machines, everything=everything)
        packed += taken
        left_out += without
    for item in packed:
        require_permitted(item.name, item.candidate, manifest.policy)
    if not packed:
        raise LockError("Nothing to put into a bundle: the lock is empty", hint="Add a model with `lmpm install TASK`")
    chosen = {packed.name for packed in packed}
    left_out += [LeftOut(model.name, "", "", "not asked for") for model in lock.models if model.name not in chosen]
    text = project.lock_path.read_bytes()
    found = license_texts(workspace, [item.candidate for item in packed])
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
    model: LockedModel, machines: Mapping[str, Machine], *, everything: bool
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
            packed.append(Packed(model.name, candidate, tuple(takers.get(number, ()))))
        else:
            why = f"not taken by {', '.join(machines)}"
            left_out.append(LeftOut(model.name, candidate.model, candidate.quant, why))
    left_out += [LeftOut(model.name, "", "", f"nothing of it fits {name}") for name, _ in refused]
    left_out += [
        LeftOut(model.name, str(twin.source), twin.form, "a twin, which `lmpm export` brings") for twin in model.twins
    ]
    return packed, left_out


def _only(lock: Lock, packed: Sequence[Packed]) -> Lock:
    """The lock as far as it is in the bundle."""
    from dataclasses import replace

    kept = []
    for model in lock.models:
        candidates = tuple(item.candidate for item in packed if item.name == model.name)
        if candidates:
            kept.append(replace(model, candidates=candidates))
    return replace(lock, models=tuple(kept))


def _blobs(workspace: Workspace, packed: Sequence[Packed]) -> dict[str, tuple[ModelFile, Path | None]]:
    """The files by their sha256, with where they are; a starter comes out of lmpm itself."""
    found: dict[str, tuple[ModelFile, Path | None]] = {}
    for source, file in ((source, file) for item in packed for source, files in item.candidate.pins for file in files):
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
