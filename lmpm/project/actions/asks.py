"""What a line of `lmpm.toml` asks, as constraints of a choice, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.licenses import normalise
from lmpm.limits import MAX_NAME_CHARS
from lmpm.project.lock.records import Lock, LockedModel
from lmpm.project.manifest import ManifestModel, Policy
from lmpm.project.staleness import stale_models
from lmpm.resolver import Constraints, NameReference, parse_quant, parse_reference
from lmpm.types import StarterSource

if TYPE_CHECKING:
    from lmpm.catalog import Catalog
    from lmpm.project.lock.records import LockedCandidate
    from lmpm.project.manifest import Manifest
    from lmpm.resolver import Kind, Resolution


def constraints_of(model: ManifestModel, policy: Policy) -> Constraints:
    """What a line of the manifest asks, with the project's policy. Raises SpecError for an unknown quant."""
    licenses = frozenset(map(normalise, model.license.split(","))) if model.license else None
    constraints = Constraints(
        task=model.task if model.ref else None,
        context=model.context,
        quant=parse_quant(model.quant) if model.quant else None,
        min_speed=model.min_speed,
        max_wait=model.max_wait,
        max_size=model.max_size,
        licenses_allowed=licenses,
        prefer=model.prefer or "quality",
        asked_in="manifest",
    )
    return with_policy(constraints, policy)


def overlaid(line: ManifestModel, asked: Constraints, ref: str | None = None) -> Constraints:
    """What a line of the manifest asks, with what is `asked` now before it; a quant in `ref` is asked now, too."""
    own = constraints_of(line, Policy())
    names = ("task", "context", "min_speed", "max_wait", "max_size", "licenses_allowed")
    changes = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    reference = parse_reference(ref) if ref else None
    names_quant = reference is not None and getattr(reference, "quant", None)
    return replace(
        own,
        **changes,
        quant=asked.quant if names_quant else asked.quant or own.quant,
        prefer=asked.prefer if asked.prefer != "quality" else own.prefer,
        asked_in=asked.asked_in if asked.context is not None else own.asked_in,
    )


def with_policy(constraints: Constraints, policy: Policy) -> Constraints:
    """The user's constraints within what the project allows."""
    allowed, own = policy.licenses.allow, constraints.licenses_allowed
    sizes = [size for size in (constraints.max_size, policy.max_size) if size is not None]
    narrowed: set[Kind] = set()
    if allowed is not None or policy.licenses.deny:
        narrowed.add("license")
    if policy.max_size is not None and policy.max_size == min(sizes):
        narrowed.add("size")
    if policy.publishers.allow is not None or policy.publishers.deny:
        narrowed.add("publisher")
    return replace(
        constraints,
        max_size=min(sizes, default=None),
        licenses_allowed=own if allowed is None else allowed if own is None else own & allowed,
        licenses_denied=constraints.licenses_denied | policy.licenses.deny,
        publishers_allowed=policy.publishers.allow,
        publishers_denied=policy.publishers.deny,
        policy=frozenset(narrowed),
    )


def manifest_line(resolution: Resolution, constraints: Constraints, name: str | None = None) -> ManifestModel:
    """The line that a reference becomes in `lmpm.toml`: a task by its name, anything else as typed."""
    request = resolution.choice.request
    is_task = request.model is None and resolution.task is not None
    chosen = resolution.choice.chosen
    is_starter = chosen is not None and isinstance(chosen.variant.source, StarterSource)
    title = request.task if is_task else request.model or request.ref
    return ManifestModel(
        name=name or _as_name(title or request.ref),
        task=request.task if is_task or constraints.task or is_starter else None,
        ref=None if is_task else request.ref,
        context=None if _is_shorter(resolution) else request.context,
        quant=request.quant if is_task else constraints.quant,  # `text-to-sql:Q8_0` names one too
        min_speed=constraints.min_speed,
        max_wait=constraints.max_wait,
        max_size=constraints.max_size,
        license=_licenses(constraints),
        prefer=constraints.prefer if constraints.prefer != "quality" else None,
    )


def with_own(line: ManifestModel, there: ManifestModel | None, *, adapters: tuple[str, ...] = ()) -> ManifestModel:
    """A line with what the one that stands there says beside the choice: recipe, checks, and adapters unless given."""
    if there is None:
        return replace(line, adapters=adapters)
    own = adapters or there.adapters
    return replace(line, recipe=there.recipe, checks=there.checks, pass_share=there.pass_share, adapters=own)


def _is_shorter(resolution: Resolution) -> bool:
    """Whether the choice was trained for fewer tokens than were planned for, which nobody demanded."""
    choice = resolution.choice
    trained = choice.chosen.variant.context_length if choice.chosen else 0
    return 0 < trained < choice.request.context


def _as_name(text: str) -> str:
    """A model's title as a key of the manifest."""
    kept = "".join(char if char.isalnum() or char in "._-" else "-" for char in text.lower())
    return kept.strip("._-")[:MAX_NAME_CHARS] or "model"


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
            "context": context if "context" in asked or constraints.context else None,
            "quant": constraints.quant or named,
            "min_speed": constraints.min_speed,
            "max_wait": constraints.max_wait,
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


def is_improvable(model: LockedModel, candidate: LockedCandidate, *, offline: bool) -> bool:
    """A starter is only the best there is while the network is off, unless it was asked for by its name."""
    return isinstance(candidate.source, StarterSource) and "ref" not in model.requested and not offline


def _licenses(constraints: Constraints) -> str | None:
    return ",".join(sorted(constraints.licenses_allowed)) if constraints.licenses_allowed else None
