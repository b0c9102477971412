"""`lmpm why`: every candidate of a task or model, need against budget, and the reason."""

from __future__ import annotations

from typing import Any

import click

from lmpm.cli import render, workspace
from lmpm.cli.asking import wish_from, wish_options
from lmpm.cli.console import Console, put, put_json
from lmpm.cli.resolve import SHOWN_ROWS, put_candidates
from lmpm.cli.settings import App, common, hardware_option, json_option
from lmpm.size import human


@click.command(epilog="Example: `lmpm why text-to-sql --all`")
@click.argument("name")
@wish_options
@hardware_option
@click.option("--all", "everything", is_flag=True, help="List every candidate.")
@json_option
@common
def command(name: str, as_json: bool, everything: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Show every candidate and why it was taken or not.

    NAME is a task, a model or an entry of the lock. Answered from the catalog's facts and the lock; no network is used.
    """
    app = App(Console(quiet, verbose), offline=True, hardware=options["hardware"])
    from lmpm.install import wish_of, with_policy
    from lmpm.machine import describe

    project = workspace.project(app, is_global=False)
    manifest = workspace.read_manifest(project)
    line = manifest.models.get(name)
    asked = wish_from(options)
    wish = wish_of(line, manifest.policy) if line else with_policy(asked, manifest.policy)
    ref = (line.ref or line.task or name) if line else name
    choice = app.resolver.resolve(ref, app.machine, wish, where="catalog").choice
    locked = project.lock().get(name) if project.lock_path.exists() else None
    if as_json:
        rungs = [{"model": c.model, "quant": c.quant, "memory": c.memory} for c in locked.candidates] if locked else []
        put_json({**render.choice_json(choice), "locked": rungs})
        return
    title = f"{name} on {describe(app.machine)}, context {choice.request.context:,}"
    put(f"{title}: {choice.considered} candidates")
    put("")
    put_candidates(choice, None if everything else SHOWN_ROWS)
    if locked is not None:
        from lmpm.locked import rung_for

        taken = rung_for(locked, app.machine, app.catalog).number
        put("")
        put("In lmpm.lock, best first:")
        for number, rung in enumerate(locked.candidates, start=1):
            mark = "›" if number == taken else " "
            targets = f"  for {', '.join(rung.targets)}" if rung.targets else ""
            put(f"  {mark} rung {number}  {rung.model}  {rung.quant}  needs {human(rung.memory)}{targets}")
