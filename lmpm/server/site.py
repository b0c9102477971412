"""What a project's lock makes of a front: its models, routes and providers, and again once the lock has changed."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Final

from lmpm.cloud import SMALLER, STARTER, STARTER_TASK, check_bridges
from lmpm.engine import Files
from lmpm.errors import LmpmError, LockError, NotFoundError, UnknownNameError, nearest
from lmpm.fs import DocumentError, Stamp, toml
from lmpm.project import context_of, recipe_of, rung_for, task_of
from lmpm.runtime import Subject
from lmpm.server.locked import DEFAULT_SLOTS, FileDeployment, LockedDeployment
from lmpm.server.served import hash_lock
from lmpm.server.server import Site

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.cloud import Route
    from lmpm.project import Lock, LockedModel, Workspace
    from lmpm.recipe import Recipe

log = logging.getLogger("lmpm.server")

LOCK_NAME: Final = "lmpm.lock"


@dataclasses.dataclass(slots=True, kw_only=True)
class LockedSite:
    """The site of a project. `names` are the models and routes to serve, none: all; `budget` is in bytes.

    `environ` has the keys of providers, by the variables that the lock names.
    """

    workspace: Workspace
    environ: Mapping[str, str]
    budget: int
    names: Sequence[str] = ()
    slots: int = DEFAULT_SLOTS
    _seen: Stamp | None = None

    def load(self) -> Site:
        """The site as the lock has it now. Raises LockError and NotFoundError."""
        self._seen = self._stamp()
        lock = self.workspace.project.require_lock()
        models, routes = self._chosen(lock)
        deployments = [made for model in models for made in self._deployments(model)]
        served = {made.name: made for made in deployments}
        routes = [route for route in routes if any(name in served or ":" in name for name in route.targets)]
        _require_bridges({route.name: route for route in routes}, {made.name: made.task for made in deployments})
        spare = dict(self._spares(models, routes, served))
        return Site(
            deployments=[*deployments, *spare.values()],
            routes={route.name: route for route in routes},
            providers={provider.name: provider for provider in lock.providers},
            keys={provider.name: provider.key_in(self.environ) for provider in lock.providers},
            spare={key: made.name for key, made in spare.items()},
            lock=hash_lock(self._path),
        )

    def reload(self) -> Site | None:
        """The site anew where the lock is another file than before. Raises what `load` does."""
        return None if self._stamp() == self._seen else self.load()

    def _stamp(self) -> Stamp | None:
        try:
            return Stamp.of(self._path)
        except OSError:
            return None

    @property
    def _path(self) -> Path:
        return self.workspace.directory / LOCK_NAME

    def _chosen(self, lock: Lock) -> tuple[list[LockedModel], list[Route]]:
        """What is to be served of a lock."""
        if not self.names:
            return list(lock.models), list(lock.routes)
        known = {model.name for model in lock.models} | {route.name for route in lock.routes}
        for name in self.names:
            if name not in known:
                listing = "In the lock: " + ", ".join(f"`{item}`" for item in sorted(known)) if known else ""
                raise UnknownNameError("model of this project", name, suggestions=nearest(name, known), listing=listing)
        routes = [route for route in lock.routes if route.name in self.names]
        wanted = {*self.names, *(name for route in routes for name in (*route.targets, *route.bridge))}
        return [model for model in lock.models if model.name in wanted], routes

    def _deployments(self, model: LockedModel) -> Iterator[LockedDeployment]:
        """The model as this machine takes it; one that does not fit is left out, unless it was named."""
        workspace, catalog = self.workspace, self.workspace.catalog
        try:
            rung = rung_for(model, workspace.machine)
        except NotFoundError as error:
            if model.name in self.names:
                raise
            log.warning("%s is not served: %s", model.name, error.message)
            return
        task = task_of(model, catalog)
        recipe = recipe_of(rung.candidate, task, catalog) or _usual(workspace)
        yield LockedDeployment(
            workspace, model, rung, recipe, task.name if task else None, context_of(model),
            slots=self.slots, budget=self.budget,
        )  # fmt: skip

    def _spares(
        self, models: Sequence[LockedModel], routes: Sequence[Route], served: Mapping[str, LockedDeployment]
    ) -> Iterator[tuple[tuple[str, str], FileDeployment]]:
        """Who stands in for a model that is being brought, by the model and what a manifest calls it there."""
        wanted = {(route.targets[0], item) for route in routes for item in route.bridge if item in (STARTER, SMALLER)}
        wanted |= {(name, STARTER) for name, made in served.items() if made.task == STARTER_TASK and not made.is_here()}
        for name, kind in sorted(wanted):
            model = next(model for model in models if model.name == name)
            subject = self._starter(name) if kind == STARTER else self._smaller(model)
            if subject is not None:
                try:
                    yield (name, kind), FileDeployment(self.workspace, subject, budget=self.budget)
                except LmpmError as error:
                    log.warning("%s of %s is not served: %s", kind, name, error.message)

    def _starter(self, name: str) -> Subject | None:
        catalog = self.workspace.catalog
        task = catalog.task(STARTER_TASK)
        if task is None or task.starter is None:
            return None
        path = catalog.starter_file(task)
        return Subject(
            name=f"{name}:{STARTER}", title=task.starter.title, quant=task.starter.quant, license=task.starter.license,
            files=Files(path), paths=(path,), recipe=task.starter.recipe, task=task.name,
            context=task.starter.context_length, need=task.starter.size,
        )  # fmt: skip

    def _smaller(self, model: LockedModel) -> Subject | None:
        """The best other candidate of a model that needs less and whose files are here, verified before."""
        workspace, store = self.workspace, self.workspace.store
        taken = rung_for(model, workspace.machine).candidate
        task = task_of(model, workspace.catalog)
        others = [item for item in model.candidates if item.memory < taken.memory and not item.adapters]
        for candidate in sorted(others, key=lambda item: -item.score):
            found = [(file, store.find(candidate.source, file)) for file in candidate.files]
            paths = [path for file, path in found if path is not None and store.is_stamped(path, file.sha256 or "")]
            if len(paths) == len(found):
                weights = tuple(path for path, file in zip(paths, candidate.files, strict=True) if file.role == "model")
                return Subject(
                    name=f"{model.name}:{SMALLER}", title=candidate.model, quant=candidate.quant,
                    license=candidate.license, files=Files(weights[0]), paths=weights,
                    recipe=recipe_of(candidate, task, workspace.catalog) or _usual(workspace),
                    task=task.name if task else None, context=context_of(model), need=candidate.memory,
                )  # fmt: skip
        return None


def _usual(workspace: Workspace) -> Recipe:
    """How a model is asked of which nobody says what it is for."""
    task = workspace.catalog.task("chat")
    if task is None:
        raise LmpmError("The catalog has no task `chat`")
    return task.recipe


def _require_bridges(routes: Mapping[str, Route], tasks: Mapping[str, str | None]) -> None:
    try:
        check_bridges(routes, tasks)
    except DocumentError as error:
        raise LockError(toml.describe(error, LOCK_NAME), hint="Mend lmpm.toml and run `lmpm lock`") from error
