"""`lmpm why`: every candidate of a task or model, need against budget, and the reason."""

from __future__ import annotations

from typing import Any, Final

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import (
    constraint_options,
    constraints_from,
    hardware_option,
    json_option,
    offline_option,
    pass_app,
)
from lmpm.cli.output import candidates, funnel, json
from lmpm.cli.output.console import put, put_json, put_table
from lmpm.cli.output.layout import Fit
from lmpm.resolver import NameReference, parse_reference
from lmpm.units import count, human

SHOWN_VARIANTS: Final = 5  # of the lock


@click.command(epilog="Example: `lmpm why text-to-sql --all`")
@click.argument("name", shell_complete=complete.references)
@constraint_options
@hardware_option
@offline_option
@click.option("--all", "everything", is_flag=True, help="List every candidate.")
@json_option
@pass_app()
def command(app: App, name: str, everything: bool, **options: Any) -> None:
    """List the candidates for a task or model, and why not each.

    `lmpm resolve` gives the choice alone, `lmpm show` one page of what was taken.

    NAME is a task, a model, a repository, words of a model's name or an entry of the lock. Tasks and models
    are answered from the catalog's facts; others are asked for over the network.
    """
    from lmpm.machine import describe
    from lmpm.project import overlaid, with_policy

    app.remark(licenses=options["licenses"])
    project, machine = app.project, app.workspace.machine
    manifest = project.manifest()
    line = manifest.models.get(name)
    asked = constraints_from(options)
    constraints = with_policy(overlaid(line, asked) if line else asked, manifest.policy)
    ref = (line.ref or line.task or name) if line else app.workspace.reference(name)
    app.change(offline=app.workspace.offline or _is_known(app, ref))
    resolution = app.workspace.resolver.resolve(ref, machine, constraints, where="catalog")
    choice = resolution.choice
    locked = project.lock().get(name) if project.lock_path.exists() else None
    if app.as_json:
        locked_json = (
            [{"model": c.model, "quant": c.quant, "memory": c.memory} for c in locked.candidates] if locked else []
        )
        put_json({**json.choice_json(choice), "funnel": funnel.as_json(resolution.funnel), "locked": locked_json})
        return
    title = f"{name} on {describe(machine)}, context {choice.request.context:,}"
    put(f"{title}: {count(choice.considered, 'candidate')}")
    put("")
    funnel.put_funnel(resolution.funnel, everything=everything)
    candidates.put_candidates(choice, None if everything else candidates.SHOWN_ROWS)
    if locked is not None:
        from lmpm.project import rung_for

        taken = rung_for(locked, machine).number
        put("")
        put("In lmpm.lock, best first; `›` is what this machine takes:")
        rows = [
            ("›" if number == taken else " ", rung.model, rung.quant, human(rung.memory), ", ".join(rung.targets))
            for number, rung in enumerate(locked.candidates, start=1)
        ]
        heads = ("", "model", "quant", "needs", "for")
        shown = rows if everything else rows[:SHOWN_VARIANTS]
        put_table(shown, heads=heads, right=frozenset({3}), fit=Fit(shorten=(1,), wraps=True))
        if len(shown) < len(rows):
            put(f"  {count(len(rows) - len(shown), 'more variant')}: `--all`")


def _is_known(app: App, ref: str) -> bool:
    """Whether the catalog alone can answer."""
    found, catalog = parse_reference(ref), app.workspace.catalog
    return isinstance(found, NameReference) and bool(catalog.task(found.name) or catalog.model(found.name))
