"""Bringing what a lock pins to this machine: fetched, proved, and told."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lmpm.cli import workspace
from lmpm.cli.output import render
from lmpm.cli.output.console import show_error
from lmpm.errors import EngineError, IntegrityError, NotFoundError, NotPermittedError, SmokeTestError
from lmpm.units import duration, human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.cli.app import App
    from lmpm.errors import LmpmError
    from lmpm.project import LockedModel, Rung
    from lmpm.proof import SmokeResult
    from lmpm.types import ModelFile

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Brought:
    """What bringing a rung showed: data for programs, and the smoke test where one was run."""

    data: dict[str, Any]
    smoke: SmokeResult | None = None


def each(works: Iterable[Callable[[], T]]) -> list[T]:
    """What the works give, one for each model: what is wrong with one of them does not keep the others from coming.

    Raises the first of their errors once all are done; further ones have been shown by then.
    """
    done: list[T] = []
    errors: list[LmpmError] = []
    for work in works:
        try:
            done.append(work())
        except (IntegrityError, NotFoundError, NotPermittedError, EngineError) as error:
            errors.append(error)
    for later in errors[1:]:
        show_error(later.message, details=later.details, hint=later.hint)
    if errors:
        raise errors[0]
    return done


def verified_paths(app: App, rung: Rung) -> list[Path] | None:
    """Where the files of a rung are, when all are here and unchanged since they were hashed."""
    paths = []
    for file in rung.candidate.files:
        path = app.store.find(rung.candidate.source, file)
        if path is None or not app.store.is_stamped(path, file.sha256 or ""):
            return None
        paths.append(path)
    return paths


def model_files(paths: Sequence[Path], files: Sequence[ModelFile]) -> list[Path]:
    """The files that the engine loads, without an encoder of pictures."""
    return [path for path, file in zip(paths, files, strict=True) if file.role == "model"]


def prove(
    app: App,
    paths: Sequence[Path],
    files: Sequence[ModelFile],
    task: Task | None,
    *,
    context: int,
    need: int,
    pinned: bool = False,
    assumed: bool = False,
) -> SmokeResult | None:
    """Run the smoke test, show it, and note its figures. Raises SmokeTestError when the answers are wrong.

    `pinned` says that the lock has it already, so that nothing is left to be pinned; `assumed` that nobody said
    which task it is for.
    """
    from lmpm.project import entry

    models = model_files(paths, files)
    smoke = entry.prove(models, task, context=context, need=need, bench=app.bench)
    render.show_smoke(app.console, smoke)
    if smoke is not None and not smoke.passed:
        hint = "The file is kept. To pin it all the same, use `--no-smoke`"
        if pinned:
            hint = "Take another with `lmpm update`, or ask it again with `lmpm smoke NAME`"
        elif assumed:
            hint = f"{entry.TASK_HINT}. To pin it all the same, use `--no-smoke`"
        raise SmokeTestError(f"`{paths[0].name}` does not do its task: {smoke.detail}", hint=hint)
    if smoke is not None and app.is_this_machine:
        workspace.records(app).note(files[0], smoke, app.machine)
    return smoke


def bring(app: App, model: LockedModel, rung: Rung, *, dry_run: bool, smoke: bool, pinned: bool = True) -> Brought:
    """Bring a rung here that is not, and prove it. `pinned` says whether it stands in the lock already."""
    from lmpm.project import context_of, task_of

    began = time.monotonic()
    candidate = rung.candidate
    data = {"name": model.name, **render.rung_json(rung, len(model.candidates))}
    title = f"{candidate.model} {candidate.quant}"
    place = f"rung {rung.number} of {len(model.candidates)}"
    app.console.say("Chosen", f"{model.name}: {place}, {title}, {human(candidate.size)}")
    if dry_run:
        return Brought(data)
    paths = workspace.fetcher(app).fetch(candidate.source, candidate.files, ref=model.requested.get("ref"))
    result = None
    if smoke:
        task = task_of(model, app.catalog)
        result = prove(
            app, paths, candidate.files, task, context=context_of(model), need=candidate.memory, pinned=pinned
        )
    how = ", as the lock pins it" if pinned else ""
    app.console.done(f"Installed {model.name} in {duration(time.monotonic() - began)}{how}")
    return Brought({**data, "path": str(paths[0]), "smoke": render.smoke_json(result)}, result)
