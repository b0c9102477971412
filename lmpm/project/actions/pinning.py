"""Writing what was chosen into `lmpm.toml` and `lmpm.lock`, and what keeps that from happening."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.errors import DiskError, HashMismatchError, LockError
from lmpm.project import manifest_edit
from lmpm.project.lock.build import with_targets
from lmpm.project.lock.entry import task_of
from lmpm.project.lock.facts import corrected, disagreements
from lmpm.project.lock.reader import LOCK_NAME, newer_lock
from lmpm.project.lock.recipes import with_recipes
from lmpm.project.lock.records import REVISION, Lock, LockedModel
from lmpm.project.lock.twins import of_candidates
from lmpm.project.policy import require_permitted
from lmpm.project.staleness import is_asked_otherwise, stale_models, stale_reasons
from lmpm.proof import Tested
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lmpm.project.directory import Project
    from lmpm.project.lock.facts import Disagreement
    from lmpm.project.manifest import Manifest, ManifestModel
    from lmpm.project.workspace import Workspace
    from lmpm.proof import Checked, SmokeResult
    from lmpm.resolver import Resolution
    from lmpm.types import Machine, ModelFile, Source


def with_proof(locked: LockedModel, files: Sequence[ModelFile], tested: Tested | None) -> LockedModel:
    """The entry with what a smoke test showed, at the rung whose files it ran."""
    if tested is None:
        return locked
    proved = (replace(rung, tested=tested) if rung.files == tuple(files) else rung for rung in locked.candidates)
    return replace(locked, candidates=tuple(proved))


def proof(
    result: SmokeResult, machine: Machine, targets: Mapping[str, Machine], checked: Checked | None = None
) -> Tested:
    """What of a test and of checks belongs into the lock: speeds only where the machine is like a declared one."""
    tested = Tested(engine=result.engine_build)
    if checked is not None and checked.cases:
        tested = replace(tested, score=round(checked.score, 4), cases=checked.cases, checks=checked.sha256)
    like = next((name for name, target in sorted(targets.items()) if machine.is_like(target)), None)
    if like is None:
        return tested
    return replace(
        tested,
        on=like,
        decode=None if result.decode is None else round(result.decode, 1),
        first_token_s=None if result.first_token_s is None else round(result.first_token_s, 2),
    )


def keep_proofs(locked: LockedModel, before: LockedModel | None) -> LockedModel:
    """The entry with what is known of rungs that were pinned before and are pinned again, and with their twins."""
    known = {rung.files: rung for rung in before.candidates} if before else {}
    kept = []
    for rung in locked.candidates:
        old = known.get(rung.files)
        if old is not None and old.source == rung.source:
            rung = replace(
                rung,
                tested=rung.tested or (old.tested if old.adapters == rung.adapters else None),
                template=rung.template or old.template,
                identity=rung.identity or old.identity,
                training=rung.training or old.training,
            )
        if rung.tested is not None and "checks" not in locked.requested:
            rung = replace(rung, tested=replace(rung.tested, score=None, cases=None, checks=None))
        kept.append(rung)
    twins = locked.twins or of_candidates(before.twins if before else (), kept)
    return replace(locked, candidates=tuple(kept), twins=twins)


def as_files_say(workspace: Workspace, entry: LockedModel) -> LockedModel:
    """The entry with what its verified files say instead of what was claimed, and the targets at what they take then.

    Raises NotPermittedError where the policy forbids what the files say.
    """
    made = corrected(entry, workspace.store, workspace.catalog)
    if made == entry:
        return entry
    manifest = workspace.project.manifest()
    for before, after in zip(entry.candidates, made.candidates, strict=True):
        if before != after:
            require_permitted(entry.name, after, manifest.policy)
    return with_targets(made, workspace.targets(manifest))


def correct(workspace: Workspace, model: LockedModel) -> tuple[Disagreement, ...]:
    """Write into the lock what the verified files of a model say where it says something else; returns what that is.

    Raises NotPermittedError, and leaves the lock as it is, where the policy forbids what the files say.
    """
    wrong = disagreements(model, workspace.store, workspace.catalog)
    if wrong:
        entry = as_files_say(workspace, model)
        with workspace.editing() as guarded:
            if guarded.lock().get(model.name) == model:  # nobody else has changed it in the meantime
                guarded.write(lock=guarded.lock().with_model(entry))
    return wrong


def asked_otherwise(
    workspace: Workspace, manifest: Manifest, lock: Lock, lines: Sequence[ManifestModel]
) -> tuple[tuple[ManifestModel, LockedModel], ...]:
    """Of stale lines those where only the recipe was edited, each with its entry: the same files, asked otherwise."""
    machines = workspace.targets(manifest)
    pairs = []
    for line in lines:
        locked = lock.get(line.name)
        if locked is None or not is_asked_otherwise(line, locked):
            continue
        entry = replace(locked, requested=line.requested())
        entry = with_recipes(entry, line, task_of(entry, workspace.catalog), workspace.catalog)
        if line not in stale_models(manifest, lock.with_model(entry), machines):
            pairs.append((line, entry))
    return tuple(pairs)


def pin(project: Project, pairs: Sequence[tuple[ManifestModel, LockedModel]]) -> bool:
    """Add lines to `lmpm.toml` and their entries to `lmpm.lock`, all or none; whether anything changed.

    To be called while the project is guarded: what others wrote in the meantime is kept.
    """
    text = project.manifest_text()
    for line, _ in pairs:
        text = manifest_edit.add_model(text, line, file=project.manifest_name)
    if not pairs:
        return False
    return project.write(manifest=text, lock=_with_entries(project.lock(), pairs).routed_as(project.manifest()))


def pin_again(project: Project, pairs: Sequence[tuple[ManifestModel, LockedModel]]) -> bool:
    """Pin anew what `lmpm.toml` asks for, whether anything changed. To be called while the project is guarded.

    A line that somebody changed or took out in the meantime is left to them. Where there is no lock yet it is made
    also when nothing is asked for, which is an answer, too.
    """
    manifest, lock = project.manifest(), project.lock()
    asked = [(line, locked) for line, locked in pairs if manifest.models.get(line.name) == line]
    if not asked and project.lock_path.exists() and lock == lock.routed_as(manifest):
        return False
    return project.write(lock=_with_entries(lock, asked).routed_as(manifest))


def require_unchanged(lock: Lock, source: Source, files: Iterable[ModelFile]) -> None:
    """Raise IntegrityError where the lock has other bytes under the very same commit: no honest update does that."""
    pinned = {
        file.path: file
        for model in lock.models
        for rung in model.candidates
        if isinstance(source, HubSource) and rung.source == source
        for file in rung.files
    }
    for file in files:
        known = pinned.get(file.path)
        if known is not None and (known.sha256, known.size) != (file.sha256, file.size):
            raise HashMismatchError(
                file.path,
                expected=(known.sha256 or "", known.size),
                computed=(file.sha256 or "", file.size),
                hint="The Hub has other bytes under the commit that the lock pins. Find out why; if you trust them, "
                "`lmpm remove` the model and install it again",
            )


def _with_entries(lock: Lock, pairs: Sequence[tuple[ManifestModel, LockedModel]]) -> Lock:
    for _, locked in pairs:
        for rung in locked.candidates:
            require_unchanged(lock, rung.source, rung.files)
    for line, locked in pairs:
        lock = lock.with_model(keep_proofs(locked, lock.get(line.name)))
    return lock


def require_fresh(manifest: Manifest, lock: Lock, machines: Mapping[str, Machine]) -> None:
    """Raise LockError, with every reason, when the lock is not the manifest's."""
    reasons = stale_reasons(manifest, lock, machines)
    if reasons:
        raise _locked_error(reasons)


def require_same(lock: Lock, name: str, resolution: Resolution) -> None:
    """Raise LockError unless the lock already holds the choice under `name`."""
    locked, chosen = lock.get(name), resolution.choice.chosen
    if locked is None or chosen is None:
        raise _locked_error([f"`{name}` is not in it"])
    if all(rung.files != chosen.variant.files for rung in locked.candidates):
        raise _locked_error([f"`{name}` would become {chosen.variant.title} {chosen.variant.quant}"])


def _locked_error(reasons: list[str]) -> LockError:
    return LockError(
        "`lmpm.lock` needs to be updated, but `--locked` was provided",
        details=reasons,
        hint="To update the lock, run `lmpm install` without `--locked`",
    )


def require_writable(lock: Lock) -> None:
    """Raise LockError where a newer lmpm made the lock: then it may be read, and nothing else."""
    if lock.revision > REVISION:
        raise newer_lock(LOCK_NAME, f"revision {lock.revision}")


def require_savable(workspace: Workspace, *, can_be_left_out: bool = False) -> None:
    """Find out now what would keep the project from being written later.

    Raises DiskError, SpecError, and LockError where a newer lmpm made the lock.
    """
    project = workspace.project
    workspace.targets(project.manifest())
    require_writable(project.lock())
    with workspace.editing() as guarded:
        if not os.access(guarded.directory, os.W_OK):
            raise DiskError(
                f"`{guarded.directory}` may not be written to, and lmpm.toml and lmpm.lock belong there",
                path=guarded.directory,
                hint="Go to a directory of your own"
                + (", or leave both out with `--no-save`" if can_be_left_out else ""),
            )


def unasked(lock: Lock, manifest: Manifest) -> tuple[str, ...]:
    """The entries of a lock that the manifest no longer asks for."""
    return tuple(model.name for model in lock.models if model.name not in manifest.models)


def drop_unasked(workspace: Workspace) -> tuple[str, ...]:
    """Take out of the lock what was taken out of the manifest; returns the names."""
    with workspace.editing() as guarded:  # by now others may have added to both files
        lock, manifest = guarded.lock(), guarded.manifest()
        names = unasked(lock, manifest)
        for name in names:
            lock = lock.without(name)
        lock = lock.routed_as(manifest)  # else a route may name what is gone
        guarded.write(lock=lock if names else None)
    return names
