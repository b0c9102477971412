"""`lmpm why`: every candidate of a task or model, need against budget, and the reason."""

from __future__ import annotations

from typing import Any

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common, hardware_option, json_option, offline_option
from lmpm.cli.commands.resolve import SHOWN_ROWS, put_candidates
from lmpm.cli.options import constraint_options, overlay
from lmpm.cli.output import funnel, render
from lmpm.cli.output.console import Console, put, put_json
from lmpm.resolver import Constraints, NameReference, parse_reference
from lmpm.units import count, human


@click.command(epilog="Example: `lmpm why text-to-sql --all`")
@click.argument("name")
@constraint_options
@hardware_option
@offline_option
@click.option("--all", "everything", is_flag=True, help="List every candidate.")
@json_option
@common
def command(name: str, as_json: bool, everything: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Show every candidate and why it was taken or not.

    NAME is a task, a model, a repository, words of a model's name or an entry of the lock. Tasks and models
    are answered from the catalog's facts; others are asked for over the network.
    """
    from lmpm.machine import describe
    from lmpm.project import constraints_of, with_policy

    app = App(Console(quiet, verbose), offline=options["offline"], hardware=options["hardware"])
    project = workspace.project(app, is_global=False)
    manifest = workspace.read_manifest(project)
    workspace.remark_licenses(app, manifest, asked=options["licenses"])
    line = manifest.models.get(name)
    constraints = overlay(constraints_of(line, manifest.policy) if line else Constraints(), options)
    ref = (line.ref or line.task or name) if line else workspace.own_reference(app, name)
    app.offline = app.offline or _is_known(app, ref)
    resolution = app.resolver.resolve(ref, app.machine, with_policy(constraints, manifest.policy), where="catalog")
    choice = resolution.choice
    locked = project.lock().get(name) if project.lock_path.exists() else None
    if as_json:
        rungs = [{"model": c.model, "quant": c.quant, "memory": c.memory} for c in locked.candidates] if locked else []
        put_json({**render.choice_json(choice), "funnel": funnel.as_json(resolution.funnel), "locked": rungs})
        return
    title = f"{name} on {describe(app.machine)}, context {choice.request.context:,}"
    put(f"{title}: {count(choice.considered, 'candidate')}")
    put("")
    funnel.put_funnel(resolution.funnel, everything=everything)
    put_candidates(choice, None if everything else SHOWN_ROWS)
    if locked is not None:
        from lmpm.project import rung_for

        taken = rung_for(locked, app.machine).number
        put("")
        put("In lmpm.lock, best first:")
        for number, rung in enumerate(locked.candidates, start=1):
            mark = "›" if number == taken else " "
            targets = f"  for {', '.join(rung.targets)}" if rung.targets else ""
            put(f"  {mark} rung {number}  {rung.model}  {rung.quant}  needs {human(rung.memory)}{targets}")


def _is_known(app: App, ref: str) -> bool:
    """Whether the catalog alone can answer."""
    found = parse_reference(ref)
    return isinstance(found, NameReference) and bool(app.catalog.task(found.name) or app.catalog.model(found.name))
