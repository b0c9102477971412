"""`lmpm list`: the models of this project, the rung this machine takes, and whether it is here."""

from __future__ import annotations

from typing import Any

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common, hardware_option, json_option
from lmpm.cli.output import render
from lmpm.cli.output.console import Console, put_json, put_table
from lmpm.errors import NothingFitsError
from lmpm.units import human


@click.command(epilog="Example: `lmpm list --json`")
@hardware_option
@workspace.global_option
@json_option
@common
def command(as_json: bool, is_global: bool, hardware: str | None, quiet: bool, verbose: bool) -> None:
    """List what `lmpm.lock` pins, as this machine sees it."""
    from lmpm.project import rung_for
    from lmpm.store import missing_hint

    app = App(Console(quiet, verbose), offline=True, hardware=hardware)
    project = workspace.project(app, is_global=is_global)
    lock = workspace.read_lock(project)
    workspace.remark_stale(app, project, lock)
    hints: list[str] = []
    rows: list[tuple[str, ...]] = []
    data: list[dict[str, Any]] = []
    for model in lock.models:
        try:
            rung = rung_for(model, app.machine)
        except NothingFitsError as error:
            rows.append((model.name, "-", "", "", "", "does not fit this machine"))
            data.append({"name": model.name, "present": False, "error": error.message})
            continue
        candidate = rung.candidate
        lacking = [file for file in candidate.files if not app.store.find(candidate.source, file)]
        present = not lacking
        hints += [f"`{model.name}` is missing here. {missing_hint(candidate.source, lacking)}"] if lacking else []
        state = "installed" if present else "missing"
        rows.append(
            (
                model.name,
                candidate.model,
                candidate.quant,
                human(candidate.size),
                candidate.license,
                f"{state}, rung {rung.number} of {len(model.candidates)}",
            )
        )
        data.append({"name": model.name, "present": present, **render.rung_json(rung, len(model.candidates))})
    if as_json:
        put_json({"models": data})
    elif rows:
        put_table(rows, right=frozenset({3}))
        for hint in dict.fromkeys(hints):
            app.console.note(hint)
    else:
        app.console.done("No models: add one with `lmpm install TASK`")
