"""The recipe of a task for a certain model: the task's, with what the model's file knows of how it is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.catalog.schema.task import WritingTime
from lmpm.errors import CatalogError
from lmpm.fs import DocumentError, Table
from lmpm.recipe import read_recipe

if TYPE_CHECKING:
    from lmpm.catalog.schema.model import CatalogModel, Mode
    from lmpm.catalog.schema.task import Task
    from lmpm.recipe import Recipe


def recipe_for(task: Task, model: CatalogModel | None = None, mode: Mode = "") -> Recipe:
    """How a model is asked for a task in a mode; `model` None is one that the catalog does not know.

    A mode that is not given is that in which lmpm would run the model. What its maker says of sampling counts where the
    task leaves room for chance, and always where the model thinks: taking the likeliest token, thoughts may never end.
    Raises CatalogError.
    """
    recipe = task.recipe
    if model is None:
        return replace(recipe, mode=mode) if recipe.writes else recipe
    if recipe.kind == "embed" and model.embedding is not None:
        own = model.embedding
        recipe = replace(
            recipe, pooling=own.pooling, query_prefix=own.query_prefix, document_prefix=own.document_prefix
        )
    if recipe.writes:
        has_system = model.quirks is None or model.quirks.system_role
        recipe = replace(recipe, mode=mode or _usual_mode(task, model), system_role=has_system)
    for wish in model.wishes:
        if (not wish.tasks or task.name in wish.tasks) and wish.when in ("", recipe.mode):
            table = dict(wish.table)
            if wish.when != "thinking" and recipe.sampling.is_greedy:
                table.pop("sampling", None)
            try:
                recipe = read_recipe(Table(table, "recipe"), recipe)
            except DocumentError as error:
                raise CatalogError(f"The catalog is broken: models/{model.name}.toml: {error}") from error
    return recipe


def _usual_mode(task: Task, model: CatalogModel) -> Mode:
    """Whether a model thinks that nobody has chosen a mode for."""
    thinking = model.quirks.thinking if model.quirks else ""
    if thinking != "optional":
        return "thinking" if thinking == "always" else ""
    return "thinking" if isinstance(task.time, WritingTime) and task.time.thinking == "on" else "direct"
