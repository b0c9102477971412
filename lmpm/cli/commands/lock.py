"""`lmpm lock`: make `lmpm.lock` what `lmpm.toml` asks for; nothing is downloaded."""

from __future__ import annotations

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import (
    dry_run_option,
    global_option,
    hardware_option,
    json_option,
    offline_option,
    pass_app,
)
from lmpm.cli.output.console import put, put_json
from lmpm.errors import LockError
from lmpm.project import Plan, actions
from lmpm.units import count


@click.command(epilog="Example: `lmpm lock --check` in continuous integration")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@click.option("--check", is_flag=True, help="Change nothing; fail if the lock is missing or stale.")
@click.option("--upgrade", is_flag=True, help="Choose anew for NAME, or for every model.")
@dry_run_option
@hardware_option
@offline_option
@global_option
@json_option
@pass_app()
def command(app: App, names: tuple[str, ...], check: bool, upgrade: bool, dry_run: bool) -> None:
    """Pin what `lmpm.toml` asks for, download nothing.

    `lmpm install` does this and downloads, `lmpm lock --upgrade` is `lmpm update` without the download.
    What is pinned already and still asked for in the same words stays as it is, unless `--upgrade` is given.
    """
    app.project.require_manifest()
    app.remark()
    if check:
        _check(app)
        return
    from lmpm.cli import plans

    app.change(asks_anew=upgrade)
    plan = actions.lock.plan(app.workspace, names, upgrade=upgrade)
    plans.show_remarks(app, plan)
    if dry_run and not app.as_json:
        for line in plan.changes:
            put(line)
    changed = bool(plan.changes)
    if not dry_run:
        result = actions.lock.apply(plan, plans.ActionWords(app, plan))
        changed = result.changed or bool(result.unpinned)
    _show(app, plan, "Chosen" if dry_run else "Locked")
    if app.as_json:
        locked, unpinned = [step.name for step in plan.steps], list(plan.unpinned)
        data = {"locked": locked, "unpinned": unpinned, "dry_run": dry_run, "changes": list(plan.changes)}
        put_json(data)
    if dry_run:
        plans.conclude_dry_run(app, plan)
    elif not app.project.manifest().models:
        app.console.done(f"Nothing to lock: `{app.project.manifest_name}` names no models")
    elif not changed:
        app.console.done("lmpm.lock is up to date")


def _check(app: App) -> None:
    reasons: list[str] = []
    try:
        actions.lock.require_current(app.workspace)
    except LockError as error:
        reasons = [*error.details] if error.kind == "lock-stale" else []
        raise app.answered(error, {"up_to_date": False, "reasons": reasons}) from error
    if app.as_json:
        put_json({"up_to_date": True, "reasons": reasons})
    app.console.done("lmpm.lock is up to date")


def _show(app: App, plan: Plan, label: str) -> None:
    for step in plan.steps:
        if step.chosen is None or step.chosen.entry is None:
            continue
        for remark in (*step.chosen.resolution.choice.notes, *step.chosen.remarks):
            app.console.note(remark)
        variants = count(len(step.chosen.entry.candidates), "variant")
        app.console.say(label, f"{step.name}: {variants}, {step.title} {step.quant} on this machine")
