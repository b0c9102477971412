"""`lmpm test`: run a model once and check its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import Tokens, engine_option, global_option, hardware_option, json_option, pass_app
from lmpm.cli.output import json, words
from lmpm.cli.output.console import put_json
from lmpm.errors import SmokeTestError, UnknownNameError

if TYPE_CHECKING:
    from lmpm.catalog import Task
    from lmpm.recipe import Recipe

FILE_CONTEXT: Final = 4096  # tokens that a file is loaded for where nobody says how many


@click.command(epilog="Example: `lmpm test text-to-sql`, or `lmpm test ./model.gguf --task chat`")
@click.argument("name", shell_complete=complete.names)
@click.option("--task", shell_complete=complete.tasks, help="The task whose questions are asked.")
@click.option("-c", "--context", type=Tokens(), metavar="N", help="Tokens to load it for.")
@engine_option
@hardware_option
@global_option
@json_option
@pass_app(local=True)
def command(app: App, name: str, task: str | None, context: int | None) -> None:
    """Run one model and check its answers.

    NAME is a model of the lock, or a GGUF file. It is asked the questions of its task.
    """
    from lmpm.project import TASK_HINT, prove

    catalog = app.workspace.catalog
    asked = catalog.task(task) if task else None
    if task and asked is None:
        raise UnknownNameError("task", task, listing="All tasks: `lmpm catalog list`")
    subject = (_of_file if name.endswith(".gguf") or "/" in name else _of_lock)(app, name)
    result = prove(
        subject.paths,
        asked or subject.task,
        None if asked else subject.recipe,
        context=context or subject.context,
        need=subject.need,
        mmproj=subject.mmproj,
        adapters=subject.adapters,
        local_engine=app.workspace.engine,
    )
    data = {"name": name, "path": str(subject.paths[0]), "smoke": json.smoke_json(result)}
    if not app.as_json:
        words.show_smoke(app.console, result)
    if result is not None and not result.passed:
        error = SmokeTestError(
            f"`{name}` does not do its task: {result.detail}",
            hint=TASK_HINT if asked is None and subject.is_task_assumed else None,
        )
        raise app.answered(error, data)
    if app.as_json:
        put_json(data)
    elif result is not None:
        app.console.blank()
        app.console.done(f"{name} works")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What is run: its files in load order, a vision encoder apart, and how. `need` is in bytes."""

    paths: tuple[Path, ...]
    task: Task | None
    context: int
    need: int
    is_task_assumed: bool
    mmproj: Path | None = None
    adapters: tuple[Path, ...] = ()
    recipe: Recipe | None = None


def _of_file(app: App, name: str) -> _Subject:
    from lmpm.gguf import read_file
    from lmpm.resolver import shards

    files = tuple(shards(Path(name).expanduser()))
    for file in files:
        read_file(file)  # what is not a GGUF is an error of the file, not of the engine
    need = sum(file.stat().st_size for file in files)
    task = app.workspace.catalog.task("chat")
    return _Subject(paths=files, task=task, context=FILE_CONTEXT, need=need, is_task_assumed=True)


def _of_lock(app: App, name: str) -> _Subject:
    from lmpm.project import (
        context_of,
        find_model,
        is_task_assumed,
        recipe_of,
        require_belonging,
        rung_for,
        task_of,
    )  # fmt: skip
    from lmpm.store import missing_files

    catalog, store = app.workspace.catalog, app.workspace.store
    model = find_model(app.project.require_lock(), name)
    candidate = rung_for(model, app.workspace.machine).candidate
    found = [(file, store.find(candidate.source, file)) for file in candidate.files]
    adapters = tuple(path for item in candidate.adapters if (path := store.find(item.source, item.file)))
    if not all(path for _, path in found) or len(adapters) < len(candidate.adapters):
        raise missing_files(candidate.source, candidate.files, f"`{name}` is not on this machine")
    require_belonging(candidate, [path for _, path in found if path], adapters)
    task = task_of(model, catalog)
    return _Subject(
        paths=tuple(path for file, path in found if path and file.role == "model"),
        mmproj=next((path for file, path in found if file.role == "mmproj"), None),
        adapters=adapters,
        recipe=recipe_of(candidate, task, catalog),
        task=task,
        context=context_of(model),
        need=candidate.memory,
        is_task_assumed=is_task_assumed(model.requested, catalog),
    )
