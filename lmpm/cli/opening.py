"""The model that `lmpm run` is given: pinned in the project or for all of them, a file, or brought after asking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from lmpm.cli import plans
from lmpm.cli.app import App
from lmpm.cli.output.console import is_terminal
from lmpm.errors import MissingFilesError, UnknownNameError
from lmpm.project import actions, find_model, global_directory
from lmpm.resolver import Constraints
from lmpm.units import human

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.cli.loaded import Model
    from lmpm.project import LockedModel, Workspace
    from lmpm.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Located:
    """A model of a lock, and the workspace whose lock it is of."""

    workspace: Workspace
    model: LockedModel


def locate(app: App, ref: str, *, agreed: bool) -> Located:
    """The model that a reference names, with its files on this machine.

    `agreed` says that what is not here may be downloaded; else that is asked on a terminal. Raises MissingFilesError
    off one.
    """
    found = _pinned(app, ref)
    if found is None:
        return _bring_new(app, ref, agreed=agreed)
    plan = actions.sync.plan(found.workspace, [found.model.name], smoke=False)
    if plan.download_size:
        _agree(
            agreed,
            question=f"`{ref}` is pinned but not on this machine: {human(plan.download_size)}. Download it?",
            problem=f"`{ref}` is not on this machine: {human(plan.download_size)} to download",
            hint="Download it with `--yes`, or `lmpm sync`",
        )
    actions.sync.apply(plan, plans.ActionWords(app, plan))
    return found


def _pinned(app: App, ref: str) -> Located | None:
    """The model of this name, task or title in the lock of the project, or else in that of the user's own models."""
    here = app.workspace
    own = replace(here, directory=global_directory(here.environment))
    task = here.catalog.task(ref)
    for workspace in (here, own) if here.directory != own.directory else (here,):
        lock = workspace.project.lock()
        named = lock.get(ref)
        if named is not None:
            return Located(workspace, named)
        for model in lock.models:
            if task is not None and model.requested.get("task") == task.name:
                return Located(workspace, model)
            if ref in (model.requested.get("ref"), model.requested.get("model")):
                return Located(workspace, model)
    return None


def _bring_new(app: App, ref: str, *, agreed: bool) -> Located:
    """Choose a model, show it, ask, and install it for all projects of the user."""
    own = App(
        app.console,
        replace(app.workspace, directory=global_directory(app.workspace.environment)),
        as_json=app.as_json,
        offline_by=app.offline_by,
    )
    plan = actions.install.plan(own.workspace, [ref], Constraints(), smoke=True)
    for step in plan.steps:
        plans.show_step(own, plan, step)
    name = plan.steps[0].name
    _agree(
        agreed or not plan.download_size,
        question=f"`{ref}` is not installed. Download {human(plan.download_size)} and use it for all your projects?",
        problem=f"`{ref}` is not installed: {human(plan.download_size)} to download",
        hint=f"`lmpm install {ref}` for this project, or `lmpm run {ref} --yes` for all of yours",
    )
    actions.install.apply(plan, plans.ActionWords(own, plan))
    return Located(own.workspace, find_model(own.project.lock(), name))


def _agree(agreed: bool, *, question: str, problem: str, hint: str) -> None:
    """Ask on a terminal whether something may be downloaded; off one that is an error."""
    if agreed:
        return
    if not is_terminal():
        raise MissingFilesError(problem, hint=hint, kind="not-downloaded")
    if not click.confirm(question, default=True, err=True):
        raise click.Abort


def open_locked(app: App, found: Located, context: int | None, system: str | None) -> Model:
    """The model of a lock, asked as its lock says."""
    from lmpm.cli.loaded import model_of
    from lmpm.project import context_of, recipe_of, rung_for, task_of

    workspace, model = found.workspace, found.model
    candidate = rung_for(model, workspace.machine).candidate
    task = task_of(model, workspace.catalog) or workspace.catalog.task("chat")
    recipe = recipe_of(candidate, task, workspace.catalog)
    if recipe is None:
        raise UnknownNameError("task", model.name)
    paths = [workspace.store.find(candidate.source, file) for file in candidate.files]
    pairs = [(path, file) for path, file in zip(paths, candidate.files, strict=True) if path is not None]
    return model_of(
        workspace.engine,
        [path for path, file in pairs if file.role == "model"],
        next((path for path, file in pairs if file.role == "mmproj"), None),
        name=model.name,
        title=f"{candidate.model} {candidate.quant}",
        recipe=_told(recipe, system),
        context=context or context_of(model),
        need=candidate.memory,
    )


def open_file(app: App, path: Path, task_name: str, context: int, system: str | None) -> Model:
    """A GGUF file of the user's, asked as its task is. Raises UnknownNameError, IntegrityError, EngineError."""
    from lmpm.cli.loaded import model_of
    from lmpm.gguf import read_file
    from lmpm.resolver import shards

    task = app.workspace.catalog.task(task_name)
    if task is None:
        raise UnknownNameError("task", task_name, listing="All tasks: `lmpm catalog list`")
    files = tuple(shards(path))
    for file in files:
        read_file(file)  # what is not a GGUF is an error of the file, not of the engine
    return model_of(
        app.workspace.engine,
        files,
        None,
        name=path.stem,
        title=path.name,
        recipe=_told(task.recipe, system),
        context=context,
        need=None,
    )


def _told(recipe: Recipe, system: str | None) -> Recipe:
    """The recipe with other words before the question."""
    return recipe if system is None else replace(recipe, system=system)
