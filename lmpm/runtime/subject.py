"""What a reference means in a program: a model of its project, of the user's own set, or a GGUF file."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmpm.engine import Files
from lmpm.errors import LmpmError, NotFoundError, UnknownNameError, nearest
from lmpm.limits import DEFAULT_CONTEXT
from lmpm.project import actions, context_of, global_directory, locked_step, recipe_of, require_belonging, task_of
from lmpm.recipe import Recipe
from lmpm.runtime.pictures import projector_beside
from lmpm.store import missing_files

if TYPE_CHECKING:
    from lmpm.catalog import Catalog, Task
    from lmpm.project import ActionReporter, Lock, LockedModel, Rung, Workspace

log = logging.getLogger("lmpm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model that can be loaded: its files, how it is asked, and what it takes.

    `context` is in tokens, `need` in bytes. `locked` and `rung` are those of a model of a lock.
    """

    name: str
    title: str
    quant: str
    license: str
    files: Files
    paths: tuple[Path, ...]  # of the weights, in load order
    recipe: Recipe
    task: str | None
    context: int
    need: int
    locked: LockedModel | None = None
    rung: Rung | None = None

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(path.stat().st_size for path in self.paths)


def find_subject(
    workspace: Workspace,
    ref: str,
    *,
    task: str | None = None,
    download: bool = True,
    reporter: ActionReporter | None = None,
) -> Subject:
    """What a reference names, with its files present and verified.

    A name of the project goes before one of the user's own set, and both before a task or a model that one of their
    lines asks for. A path is that of a GGUF file, asked as `task` says. Missing files are brought where `download` says
    so. Raises UnknownNameError, MissingFilesError, NothingFitsError, LockError, and the errors of a download.
    """
    if ref.endswith(".gguf"):
        return of_file(workspace, Path(ref).expanduser(), task=task)
    place, model = find_locked(workspace, ref)
    return subject_of(place, model, download=download, reporter=reporter)


def find_locked(workspace: Workspace, ref: str) -> tuple[Workspace, LockedModel]:
    """The model of a lock that a reference names, and the workspace of the lock. Raises UnknownNameError, LockError."""
    owners = [workspace]
    own = global_directory(workspace.environment)
    if workspace.directory != own:
        owners.append(dataclasses.replace(workspace, directory=own))
    locks = [(owner, owner.project.lock()) for owner in owners]
    named = ((owner, model) for owner, lock in locks if (model := lock.get(ref)) is not None)
    meant = ((owner, model) for owner, lock in locks if (model := _meant(lock, ref, owner.catalog)) is not None)
    found = next(named, None) or next(meant, None)
    if found is not None:
        return found
    known = sorted({model.name for _, lock in locks for model in lock.models})
    catalog = workspace.catalog
    can_be_installed = "/" in ref or ":" in ref or catalog.task(ref) or catalog.model(ref)
    suggestions = () if can_be_installed else nearest(ref, [*known, *catalog.task_names()])
    here = f"Installed: {', '.join(f'`{name}`' for name in known)}; " if known else ""
    listing = f"Install it: `lmpm install {ref}`" if can_be_installed else f"{here}all tasks: `lmpm catalog list`"
    raise UnknownNameError("installed model", ref, suggestions=suggestions, listing="" if suggestions else listing)


def _meant(lock: Lock, ref: str, catalog: Catalog) -> LockedModel | None:
    """The one model of a lock that was asked for as a task or reference of these words."""
    task = catalog.task(ref)
    asked = [
        model
        for model in lock.models
        if model.requested.get("ref") == ref
        or (task is not None and "ref" not in model.requested and model.requested.get("task") == task.name)
    ]
    return asked[0] if asked else None


def subject_of(
    workspace: Workspace, model: LockedModel, *, download: bool = False, reporter: ActionReporter | None = None
) -> Subject:
    """A model as a lock had it, whatever stands there by now. Raises like `find_subject`."""
    step = locked_step(workspace, model)
    if (rung := step.rung) is None:
        raise ValueError("a step from the lock has a rung")
    candidate = rung.candidate
    paths, adapters = step.paths, step.adapter_paths
    if not step.is_here:
        pinned = [(source, file) for source, files in step.pins for file in files]
        lacking = [pair for pair in pinned if workspace.store.find(*pair) is None]
        if lacking and not download:
            title = f"{candidate.model} {candidate.quant}"
            files = [file for _, file in lacking]
            raise missing_files(lacking[0][0], files, f"`{model.name}` is not on this machine: {title}")
        if lacking:
            log.info("fetching %s %s for `%s`", candidate.model, candidate.quant, model.name)
        plan = actions.sync.plan(workspace, [model.name], smoke=False)
        (done,) = actions.sync.apply(plan, reporter).models
        paths, adapters = done.paths, done.adapters
    require_belonging(candidate, paths, adapters, quick=True)
    weights = tuple(path for path, file in zip(paths, candidate.files, strict=True) if file.role == "model")
    mmproj = next((path for path, file in zip(paths, candidate.files, strict=True) if file.role == "mmproj"), None)
    task = task_of(model, workspace.catalog)
    recipe = recipe_of(candidate, task, workspace.catalog)
    return Subject(
        name=model.name,
        title=candidate.model,
        quant=candidate.quant,
        license=candidate.license,
        files=Files(weights[0], mmproj, adapters=adapters),
        paths=weights,
        recipe=recipe or usual_recipe(workspace.catalog),
        task=task.name if task else None,
        context=context_of(model),
        need=candidate.memory,
        locked=model,
        rung=rung,
    )


def of_file(workspace: Workspace, path: Path, *, task: str | None = None, mmproj: Path | None = None) -> Subject:
    """A GGUF file of the user's own, asked as its task says; without a task as one for conversations.

    `mmproj` None is the encoder of pictures beside it, where there is one that goes with it.

    Raises NotFoundError, UnknownNameError for a task that is none, IntegrityError for what is not a GGUF file.
    """
    from lmpm.gguf import read_file
    from lmpm.resolver import shards

    path = path if path.is_absolute() else workspace.current / path
    if not path.is_file():
        raise NotFoundError(f"`{path}` is not there")
    files = tuple(shards(path))
    header = read_file(files[0])
    mmproj = mmproj or projector_beside(files[0])
    known = _task(workspace.catalog, task or "vision") if task or mmproj else None
    name = header.metadata.get("general.name")
    return Subject(
        name=path.stem,
        title=str(name) if isinstance(name, str) and name else path.stem,
        quant="",
        license="",
        files=Files(files[0], mmproj),
        paths=files,
        recipe=known.recipe if known else usual_recipe(workspace.catalog),
        task=known.name if known else None,
        context=known.context if known else DEFAULT_CONTEXT,
        need=sum(file.stat().st_size for file in files),
    )


def usual_recipe(catalog: Catalog) -> Recipe:
    """How a model is asked of which nobody says what it is for."""
    task = catalog.task("chat")
    if task is None:
        raise LmpmError("The catalog has no task `chat`")
    return task.recipe


def _task(catalog: Catalog, name: str) -> Task:
    task = catalog.task(name)
    if task is None:
        raise UnknownNameError(
            "task", name, suggestions=nearest(name, catalog.task_names()), listing="All tasks: `lmpm catalog list`"
        )
    return task
