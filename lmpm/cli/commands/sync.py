"""`lmpm sync`: make this machine equal to the lock, which is never changed."""

from __future__ import annotations

import click

from lmpm.cli import complete, plans
from lmpm.cli.app import App
from lmpm.cli.options import fetch_options, pass_app, twins_option
from lmpm.cli.output.console import put_json
from lmpm.project import actions
from lmpm.units import count


@click.command(epilog="Example: `lmpm sync` after `git pull`, or `lmpm sync --target ci` when an image is built")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@click.option("--target", metavar="NAME", help="Download what this machine of [targets] takes.")
@twins_option
@fetch_options
@pass_app()
def command(app: App, names: tuple[str, ...], target: str | None, twins: bool, dry_run: bool, no_test: bool) -> None:
    """Download what `lmpm.lock` pins for this machine, and test it.

    This is `lmpm install --locked`.

    The lock is taken as it is: a stale one is an error (exit code 7), and so is what the policy forbids (9).
    A model that cannot be downloaded does not keep the others from coming. Nothing is removed. The forms of a model
    for other runtimes (twins) come with `--twins`, or with the export that hands them over.
    """
    app.remark()
    plan = actions.sync.plan(app.workspace, names, target=target, smoke=not no_test, twins=twins)
    for step in plan.steps:
        plans.show_step(app, plan, step)
    plans.show_twins(app, plan)
    plans.show_remarks(app, plan)
    done = {}
    if not dry_run:
        result = actions.sync.apply(plan, plans.ActionWords(app, plan))
        done = {model.name: model for model in result.models}
    if app.as_json:
        models = [plans.step_json(step, done.get(step.name)) | {"present": step.is_here} for step in plan.steps]
        put_json(
            {
                "dry_run": dry_run,
                "target": target,
                "models": models,
                "twins": [step.as_json() for step in plan.twins],
                "download_size": plan.download_size,
            }
        )
    total = count(len(plan.steps), "model")
    if plan.is_empty:
        pinned = "as lmpm.lock pins it" if len(plan.steps) == 1 else "as lmpm.lock pins them"
        app.console.done(f"{total} {pinned}, nothing to do" if plan.steps else "The lock is empty")
    elif dry_run:
        plans.conclude_dry_run(app, plan)
