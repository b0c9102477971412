"""What has changed since the lock was made: at the sources of what it pins, and in what the catalog takes now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.errors import LmpmError
from lmpm.project.actions.asks import constraints_of
from lmpm.project.directory import find_models
from lmpm.project.lock.build import better_variant
from lmpm.project.lock.entry import rung_for, task_of
from lmpm.project.lock.recipes import pinned_recipe
from lmpm.project.upstream import Change, changes
from lmpm.recipe import changes as changes_of
from lmpm.resolver import NameReference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.project.manifest import Manifest, ManifestModel, Policy
    from lmpm.project.workspace import Workspace
    from lmpm.types import Machine


@dataclass(frozen=True, slots=True)
class News:
    """A change, and what it is about: `rung` counts the variants of the locked model from 1, None for a choice."""

    model: str
    rung: int | None
    change: Change


def find_news(workspace: Workspace, names: Sequence[str] = ()) -> list[News]:
    """What has changed for models of these names, or for all. Raises NetworkError, and LockError without a lock."""
    project = workspace.project
    lock, manifest = project.require_lock(), project.manifest()
    return [news for model in find_models(lock, names) for news in _of_model(workspace, manifest, model)]


def _of_model(workspace: Workspace, manifest: Manifest, model: LockedModel) -> Iterator[News]:
    for number, candidate in enumerate(model.candidates, start=1):
        for change in changes(candidate, workspace.hub, workspace.catalog):
            yield News(model.name, number, change)
    for change in _better(workspace, manifest, model):
        yield News(model.name, None, change)
    for number, candidate in enumerate(model.candidates, start=1):
        yield from (News(model.name, number, change) for change in _asked(workspace, manifest, model, candidate))


def _asked(
    workspace: Workspace, manifest: Manifest, model: LockedModel, candidate: LockedCandidate
) -> Iterator[Change]:
    """How the catalog of this lmpm has a candidate asked otherwise than the lock."""
    task = task_of(model, workspace.catalog)
    if candidate.recipe is None or task is None:
        return
    wanted = pinned_recipe(candidate, task, workspace.catalog, manifest.models.get(model.name))
    for key, was, now in changes_of(candidate.recipe, wanted):
        yield Change("recipe", f"the catalog has {candidate.model} asked otherwise: {key} {was} -> {now}")


def _better(workspace: Workspace, manifest: Manifest, model: LockedModel) -> Iterator[Change]:
    """Whether the catalog of this lmpm has something better for this machine, or a declared one, than the lock."""
    line = manifest.models.get(model.name)
    if line is None:
        return
    declared = ((f"`{name}`", machine) for name, machine in workspace.targets(manifest).items())
    news: dict[str, list[str]] = {}
    for where, machine in (("this machine", workspace.machine), *declared):
        if words := _better_for(workspace, machine, model, line, manifest.policy):
            news.setdefault(words, []).append(where)
    for words, places in news.items():
        yield Change("choice", f"for {', '.join(places)} {words}")


def _better_for(workspace: Workspace, machine: Machine, model: LockedModel, line: ManifestModel, policy: Policy) -> str:
    """What the catalog takes for a machine where that is better than what the lock has, empty where it is not.

    Within the point that is no difference, what was pinned for another machine serves this one as well: that is no
    news.
    """
    ref = line.ref or line.task or line.name
    if not isinstance(parse_reference(ref), NameReference):
        return ""
    try:
        found = workspace.resolver.resolve(ref, machine, constraints_of(line, policy), where="catalog")
        rung = rung_for(model, machine).candidate
        better = better_variant(model, found)
    except LmpmError:  # nothing to compare: `sync` and `install` say why
        return ""
    if better is None:
        return ""
    return f"the catalog takes {better.title} {better.quant} now, the lock has {rung.model} {rung.quant}"
