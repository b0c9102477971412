"""`lmpm smoke`: run a model once and check its answers."""

from __future__ import annotations

from pathlib import Path

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common, hardware_option, json_option
from lmpm.cli.output import render
from lmpm.cli.output.console import Console, put_json
from lmpm.errors import SmokeTestError, UnknownNameError


@click.command(epilog="Example: `lmpm smoke text-to-sql`, or `lmpm smoke ./model.gguf --task chat`")
@click.argument("name")
@click.option("--task", help="The task whose questions are asked.")
@click.option("-c", "--context", type=click.IntRange(1, 2**24), help="Tokens to load it for.")
@hardware_option
@workspace.global_option
@json_option
@common
def command(
    name: str,
    task: str | None,
    context: int | None,
    hardware: str | None,
    is_global: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Run a model once and check its answers.

    NAME is a model of the lock, or a GGUF file. It is asked the questions of its task.
    """
    from lmpm.project import TASK_HINT, context_of, is_task_assumed, prove, rung_for, task_of

    app = App(Console(quiet, verbose), offline=True, hardware=hardware)
    asked = app.catalog.task(task) if task else None
    if task and asked is None:
        raise UnknownNameError("task", task, listing="All tasks: `lmpm catalog list`")
    model = None
    if name.endswith(".gguf") or "/" in name:
        from lmpm.gguf import read_file
        from lmpm.resolver import shards

        files = shards(Path(name).expanduser())
        for file in files:
            read_file(file)  # what is no GGUF is an error of the file, not of the engine
        path, need = files[0], sum(file.stat().st_size for file in files)
        known, tokens = asked or app.catalog.task("chat"), context or 4096
    else:
        lock = workspace.read_lock(workspace.project(app, is_global=is_global))
        model = workspace.locked_model(lock, name)
        candidate = rung_for(model, app.machine).candidate
        paths = [app.store.find(candidate.source, file) for file in candidate.files]
        if paths[0] is None or not all(paths):
            from lmpm.store import missing_files

            raise missing_files(candidate.source, candidate.files, f"`{name}` is not on this machine")
        path = paths[0]
        known, need, tokens = asked or task_of(model, app.catalog), candidate.memory, context or context_of(model)
        files = [found for found, file in zip(paths, candidate.files, strict=True) if found and file.role == "model"]
    result = prove(files, known, context=tokens, need=need, bench=app.bench)
    if as_json:
        put_json({"name": name, "path": str(path), "smoke": render.smoke_json(result)})
    else:
        render.show_smoke(app.console, result)
    if result is not None and not result.passed:
        is_assumed = asked is None and (model is None or is_task_assumed(model.requested, app.catalog))
        raise SmokeTestError(
            f"`{name}` does not do its task: {result.detail}",
            hint=TASK_HINT if is_assumed else None,
        )
    if result is not None and not as_json:
        app.console.blank()
        app.console.done(f"{name} works")
