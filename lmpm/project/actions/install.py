"""Install: from a choice to a line of `lmpm.toml` and a ladder in `lmpm.lock`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.errors import (
    HashMismatchError,
    IntegrityError,
    LockError,
    NotFoundError,
    NothingFitsError,
    NotPermittedError,
    SpecError,
)
from lmpm.licenses import normalise
from lmpm.limits import MAX_NAME_CHARS
from lmpm.project import manifest_edit
from lmpm.project.lock import build
from lmpm.project.lock.entry import rung_for
from lmpm.project.lock.ladder import variant_of
from lmpm.project.lock.records import Lock, LockedModel
from lmpm.project.manifest import ManifestModel
from lmpm.project.staleness import stale_models, stale_reasons
from lmpm.proof import Tested
from lmpm.resolver import Constraints, NameReference, parse_quant, parse_reference
from lmpm.types import HubSource, StarterSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lmpm.catalog import Catalog
    from lmpm.project.directory import Project
    from lmpm.project.lock.records import LockedCandidate
    from lmpm.project.manifest import Manifest, Policy
    from lmpm.proof import SmokeResult
    from lmpm.resolver import ExactFit, Resolution, Resolver, Where
    from lmpm.types import Machine, ModelFile, Source


def constraints_of(model: ManifestModel, policy: Policy) -> Constraints:
    """What a line of the manifest asks, with the project's policy. Raises SpecError for an unknown quant."""
    licenses = frozenset(map(normalise, model.license.split(","))) if model.license else None
    constraints = Constraints(
        task=model.task if model.ref else None,
        context=model.context,
        quant=parse_quant(model.quant) if model.quant else None,
        min_speed=model.min_speed,
        max_size=model.max_size,
        licenses_allowed=licenses,
        prefer=model.prefer or "quality",
    )
    return with_policy(constraints, policy)


def manifest_line(resolution: Resolution, constraints: Constraints, name: str | None = None) -> ManifestModel:
    """The line that a reference becomes in `lmpm.toml`: a task by its name, anything else as typed."""
    request = resolution.choice.request
    is_task = request.model is None and resolution.task is not None
    title = request.task if is_task else request.model or request.ref
    return ManifestModel(
        name=name or _as_name(title or request.ref),
        task=request.task if is_task or constraints.task else None,
        ref=None if is_task else request.ref,
        context=request.context,
        quant=request.quant if is_task else constraints.quant,  # `text-to-sql:Q8_0` names one too
        min_speed=constraints.min_speed,
        max_size=constraints.max_size,
        license=_licenses(constraints),
        prefer=constraints.prefer if constraints.prefer != "quality" else None,
    )


def _as_name(text: str) -> str:
    """A model's title as a key of the manifest."""
    kept = "".join(char if char.isalnum() or char in "._-" else "-" for char in text.lower())
    return kept.strip("._-")[:MAX_NAME_CHARS] or "model"


@contextmanager
def naming(line: ManifestModel, manifest: Manifest) -> Iterator[None]:
    """Have the errors of what is chosen for a line of the manifest say which line it is."""
    try:
        yield
    except (SpecError, NotFoundError, NotPermittedError, IntegrityError) as error:
        error.message = f"`{line.name}` in {manifest.file}: {error.message}"
        raise


def lock_model(
    resolution: Resolution,
    line: ManifestModel,
    resolver: Resolver,
    targets: Mapping[str, Machine],
    classes: Sequence[Machine] = (),
    *,
    where: Where,
    appraiser: ExactFit | None = None,
) -> tuple[Resolution, LockedModel, tuple[str, ...]]:
    """The entry of the lock for a line, and the choice that this machine takes from it; also remarks.

    Rungs for other machines are pinned with their true sizes. Where these make one of them the better choice here,
    too, the choice is made again: what is installed is always what the lock gives.
    Raises NothingFitsError when a declared target has no answer, and the errors of the Hub.
    """
    locked, remarks = _entry(resolution, line, resolver, targets, classes)
    if not _gives(locked, resolution):
        resolution = resolver.reconsider(
            resolution, [variant_of(item) for item in locked.candidates], where=where, appraiser=appraiser
        )
        locked, remarks = _entry(resolution, line, resolver, targets, classes)
    if not _gives(locked, resolution):
        locked, remarks = _entry(resolution, line, resolver, targets, classes, own_first=True)
    return resolution, locked, remarks


def _entry(
    resolution: Resolution,
    line: ManifestModel,
    resolver: Resolver,
    targets: Mapping[str, Machine],
    classes: Sequence[Machine],
    *,
    own_first: bool = False,
) -> tuple[LockedModel, tuple[str, ...]]:
    ladder, remarks = build.build(resolution, resolver, targets, classes, own_first=own_first)
    request = resolution.choice.request
    locked = LockedModel(
        name=line.name,
        requested=line.requested(),
        candidates=ladder,
        context=request.context if line.context is None else None,
        min_speed=request.min_speed if line.min_speed is None else None,
        speed_kind=request.speed_kind,
    )
    return locked, remarks


def _gives(locked: LockedModel, resolution: Resolution) -> bool:
    """Whether the machine that was chosen for takes the choice out of the lock."""
    chosen = resolution.choice.chosen
    try:
        rung = rung_for(locked, resolution.choice.machine)
    except NothingFitsError:  # by what stands in the lock, which is a little more careful
        return True
    return chosen is not None and rung.candidate.files == chosen.variant.files


def with_proof(locked: LockedModel, files: Sequence[ModelFile], tested: Tested | None) -> LockedModel:
    """The entry with what a smoke test showed, at the rung whose files it ran."""
    if tested is None:
        return locked
    proved = (replace(rung, tested=tested) if rung.files == tuple(files) else rung for rung in locked.candidates)
    return replace(locked, candidates=tuple(proved))


def proof(result: SmokeResult, machine: Machine, targets: Mapping[str, Machine]) -> Tested:
    """What of a smoke test belongs into the lock: figures only where the machine is like a declared one."""
    like = next((name for name, target in sorted(targets.items()) if machine.is_like(target)), None)
    if like is None:
        return Tested(engine=result.engine_build)
    return Tested(
        engine=result.engine_build,
        on=like,
        decode=None if result.decode is None else round(result.decode, 1),
        first_token_s=None if result.first_token_s is None else round(result.first_token_s, 2),
    )


def keep_proofs(locked: LockedModel, before: LockedModel | None) -> LockedModel:
    """The entry with what is known of rungs that were pinned before and are pinned again."""
    known = {rung.files: rung for rung in before.candidates} if before else {}
    kept = []
    for rung in locked.candidates:
        old = known.get(rung.files)
        if old is not None and old.source == rung.source:
            rung = replace(
                rung,
                tested=rung.tested or old.tested,
                template=rung.template or old.template,
                identity=rung.identity or old.identity,
            )
        kept.append(rung)
    return replace(locked, candidates=tuple(kept))


def pin(project: Project, pairs: Sequence[tuple[ManifestModel, LockedModel]]) -> bool:
    """Add lines to `lmpm.toml` and their entries to `lmpm.lock`, all or none; whether anything changed.

    To be called while the project is guarded: what others wrote in the meantime is kept.
    """
    text = project.manifest_text()
    for line, _ in pairs:
        text = manifest_edit.add_model(text, line, file=project.manifest_name)
    return project.write(manifest=text, lock=_with_entries(project.lock(), pairs)) if pairs else False


def pin_again(project: Project, pairs: Sequence[tuple[ManifestModel, LockedModel]]) -> bool:
    """Pin anew what `lmpm.toml` asks for, whether anything changed. To be called while the project is guarded.

    A line that somebody changed or took out in the meantime is left to them. Where there is no lock yet it is made
    also when nothing is asked for, which is an answer, too.
    """
    lines = project.manifest().models
    asked = [(line, locked) for line, locked in pairs if lines.get(line.name) == line]
    if not asked and project.lock_path.exists():
        return False
    return project.write(lock=_with_entries(project.lock(), asked))


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


def with_policy(constraints: Constraints, policy: Policy) -> Constraints:
    """The user's constraints within what the project allows."""
    allowed, own = policy.licenses.allow, constraints.licenses_allowed
    sizes = [size for size in (constraints.max_size, policy.max_size) if size is not None]
    return replace(
        constraints,
        max_size=min(sizes, default=None),
        licenses_allowed=own if allowed is None else allowed if own is None else own & allowed,
        licenses_denied=constraints.licenses_denied | policy.licenses.deny,
        publishers_allowed=policy.publishers.allow,
        publishers_denied=policy.publishers.deny,
    )


def find_line(manifest: Manifest, catalog: Catalog, ref: str, name: str | None) -> ManifestModel | None:
    """The line of the manifest that asks for the same task or reference already, whatever else it asks."""
    lines = [line for line in manifest.models.values() if name in (None, line.name)]
    same = [line for line in lines if _is_same(catalog, ref, task=line.task, asked=line.ref)]
    return next((line for line in same if line.name == line.task), next(iter(same), None))


def line_named(manifest: Manifest, catalog: Catalog, name: str) -> ManifestModel | None:
    """The line of the manifest with this name, unless the catalog has a task or model that is called so."""
    line = manifest.models.get(name)
    return None if line is None or catalog.task(name) or catalog.model(name) else line


def _is_same(catalog: Catalog, ref: str, *, task: object, asked: object) -> bool:
    """Whether a line with this `task` and this `ref` is for what a reference names."""
    reference = parse_reference(ref)
    named = catalog.task(reference.name) if isinstance(reference, NameReference) else None
    return task == named.name if named and asked is None else asked == ref


def find_request(
    lock: Lock, catalog: Catalog, ref: str, constraints: Constraints, name: str | None
) -> LockedModel | None:
    """The locked model that was asked for in these very words, with the same options."""
    reference = parse_reference(ref)
    task = catalog.task(reference.name) if isinstance(reference, NameReference) else None
    named = reference.quant if task and isinstance(reference, NameReference) else None
    for model in lock.models:
        asked = dict(model.requested)
        same_ref = _is_same(catalog, ref, task=asked.get("task"), asked=asked.get("ref"))
        context = constraints.context or (task.context if task else asked.get("context"))
        wanted = {
            "context": context,
            "quant": constraints.quant or named,
            "min_speed": constraints.min_speed,
            "max_size": constraints.max_size,
            "license": _licenses(constraints),
            "prefer": constraints.prefer if constraints.prefer != "quality" else None,
        }
        if same_ref and name in (None, model.name) and all(asked.get(k) == v for k, v in wanted.items()):
            return model
    return None


def is_current(locked: LockedModel, manifest: Manifest) -> bool:
    """Whether the manifest still asks for what was locked, for the same targets."""
    line = manifest.models.get(locked.name)
    return line is not None and not stale_models(replace(manifest, models={line.name: line}), Lock((locked,)))


def is_improvable(candidate: LockedCandidate, *, offline: bool) -> bool:
    """A starter is only the best there is while the network is off."""
    return isinstance(candidate.source, StarterSource) and not offline


def _licenses(constraints: Constraints) -> str | None:
    return ",".join(sorted(constraints.licenses_allowed)) if constraints.licenses_allowed else None
