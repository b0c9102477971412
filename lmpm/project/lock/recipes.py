"""How a locked model is asked: the recipe that a lock gets for each of its candidates, and the one that counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.catalog import recipe_for
from lmpm.errors import ManifestError
from lmpm.fs import DocumentError, Table
from lmpm.recipe import read_recipe
from lmpm.types import StarterSource, Variant

if TYPE_CHECKING:
    from lmpm.catalog import Catalog, Task
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.project.manifest import ManifestModel
    from lmpm.recipe import Recipe


def with_recipes(entry: LockedModel, line: ManifestModel, task: Task | None, catalog: Catalog) -> LockedModel:
    """The entry with the recipe of its task, and that of each candidate. Raises ManifestError for a wrong override."""
    if task is None:
        return entry
    rungs = tuple(replace(rung, recipe=pinned_recipe(rung, task, catalog, line)) for rung in entry.candidates)
    return replace(entry, recipe=_overridden(task.recipe, line), candidates=rungs)


def pinned_recipe(
    item: LockedCandidate | Variant, task: Task, catalog: Catalog, line: ManifestModel | None = None
) -> Recipe:
    """How the catalog, and a line of the manifest before it, want a model to be asked."""
    title = item.title if isinstance(item, Variant) else item.model
    if isinstance(item.source, StarterSource) and task.starter is not None and item.source.task == task.name:
        return _overridden(task.starter.recipe, line)
    return _overridden(recipe_for(task, catalog.model(title), item.mode), line)


def recipe_of(candidate: LockedCandidate, task: Task | None, catalog: Catalog) -> Recipe | None:
    """How a candidate is asked: as the lock says, else, of one that was made before recipes, as the catalog does now.

    None where nothing is known of its task.
    """
    if candidate.recipe is not None or task is None:
        return candidate.recipe
    return pinned_recipe(candidate, task, catalog)


def _overridden(recipe: Recipe, line: ManifestModel | None) -> Recipe:
    """The recipe with what the manifest says otherwise."""
    if line is None or line.recipe is None:
        return recipe
    try:
        return read_recipe(Table(dict(line.recipe), f"models.{line.name}.recipe"), recipe)
    except DocumentError as error:
        raise ManifestError(f"`{error.place}` {error.problem}") from error
