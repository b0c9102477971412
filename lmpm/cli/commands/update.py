"""`lmpm update`: choose anew, download, test and pin."""

from __future__ import annotations

import click

from lmpm.cli import complete, plans
from lmpm.cli.app import App
from lmpm.cli.options import fetch_options, pass_app
from lmpm.cli.output.console import put, put_json
from lmpm.project import actions


@click.command(epilog="Example: `lmpm update text-to-sql`")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@fetch_options
@pass_app(asks_anew=True)
def command(app: App, names: tuple[str, ...], dry_run: bool, no_test: bool) -> None:
    """Choose models anew, download the choice, test it and pin it.

    `lmpm lock --upgrade` chooses anew and downloads nothing; `lmpm outdated` only says what is newer.

    What would change is said first, in words. All of it is fetched and tested before the lock changes: what
    cannot be downloaded, or does not do its task, leaves the lock as it was.
    """
    app.remark()
    plan = actions.update.plan(app.workspace, names, smoke=not no_test)
    plans.show_remarks(app, plan)
    if not app.as_json:
        for line in plan.changes:
            put(line)
    for step in plan.steps:
        plans.show_step(app, plan, step)
    done = {}
    if not dry_run:
        result = actions.update.apply(plan, plans.ActionWords(app, plan))
        done = {model.name: model for model in result.models}
    if app.as_json:
        models = [plans.step_json(step, done.get(step.name)) for step in plan.steps if not step.is_here]
        changes, size = list(plan.changes), plan.download_size
        put_json({"dry_run": dry_run, "changes": changes, "models": models, "download_size": size})
    if dry_run:
        plans.conclude_dry_run(app, plan)
    elif plan.changes:
        app.console.done(plans.pinned_words(app))
    elif plan.is_empty:
        app.console.done("Nothing was changed" if app.workspace.offline else "Everything is up to date")
