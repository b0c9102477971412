"""`lmpm hardware`: what this machine offers to a model, and where each figure comes from."""

from __future__ import annotations

from contextlib import suppress

import click

from lmpm.cli.app import App
from lmpm.cli.options import engine_option, hardware_option, json_option, pass_app
from lmpm.cli.output import json
from lmpm.cli.output.console import put, put_json, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import LmpmError, SpecError
from lmpm.project import actions
from lmpm.units import human


@click.command(epilog='Example: `lmpm hardware`, or `lmpm hardware --hardware "RTX 3060 12GB, 32GB"`')
@click.option("--measure", is_flag=True, help="Let the engine run on a model made on the spot first: about 15 seconds.")
@engine_option
@hardware_option
@json_option
@pass_app(local=True)
def command(app: App, measure: bool) -> None:
    """Show the machine that lmpm chooses for, and how it knows."""
    from lmpm.machine import describe

    if measure:
        _measure(app)
    machine = app.workspace.machine
    if app.as_json:
        sources = {figure: str(fact) for figure, fact in machine.sources}
        put_json({"machine": json.machine_json(machine), "sources": sources})
        return
    put(describe(machine))
    put("")
    origins = dict(machine.sources)
    shown = {
        "accelerator": machine.accelerator,
        "memory": human(machine.memory),
        "vram": human(machine.vram) if machine.vram else "",
        "gpus": str(machine.gpus) if machine.gpus else "",
        "cores": str(machine.cores or "unknown"),
        "bandwidth": f"{machine.bandwidth / 1e9:.0f} GB/s" if machine.bandwidth else "unknown",
        "budget": human(machine.budget),
        "host_budget": human(machine.host_budget) if machine.host_budget else "",
        "host_bandwidth": f"{machine.host_bandwidth / 1e9:.0f} GB/s" if machine.host_bandwidth else "",
    }
    rows = [(name.replace("_", " "), value, str(origins.pop(name, ""))) for name, value in shown.items() if value]
    put_table(
        [*rows, *((name.replace("_", " "), "", str(origin)) for name, origin in origins.items())], fit=Fit(wraps=True)
    )


def _measure(app: App) -> None:
    if not app.workspace.is_this_machine:
        raise SpecError("`--measure` is about this machine, `--hardware` about another one", hint="Drop one")
    found = app.workspace.measure()
    before = f"{found.predicted:.1f} were predicted" if found.predicted else "nothing was predicted"
    app.console.note(
        f"measured with {found.build}: {found.decode:.1f} tok/s written and {found.prefill:.0f} read by a model of "
        f"{human(found.file_bytes)}, {before}"
    )
    with suppress(LmpmError):  # a project that cannot be read is said by who acts on it
        for change in actions.measuring.changes(app.workspace, app.project.lock().models):
            app.console.note(change)
