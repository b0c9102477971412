"""`lmpm catalog`: the tasks and models that lmpm knows."""

from __future__ import annotations

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import json_option, pass_app
from lmpm.cli.output.console import put, put_json, put_raw, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import UnknownNameError, nearest
from lmpm.units import count


@click.group()
def command() -> None:
    """Show the tasks and models that lmpm knows."""


@command.command("list", epilog="Example: `lmpm catalog list`")
@json_option
@pass_app(local=True)
def list_tasks(app: App) -> None:
    """List the tasks."""
    catalog = app.workspace.catalog
    counts = {task.name: sum(bool(catalog.ratings(model, task)) for model in catalog.models) for task in catalog.tasks}
    if app.as_json:
        put_json(
            {
                "tasks": [
                    {"name": t.name, "title": t.title, "aliases": list(t.aliases), "models": counts[t.name]}
                    for t in catalog.tasks
                ]
            }
        )
        return
    rows = [(task.name, count(counts[task.name], "model"), task.summary) for task in catalog.tasks]
    put_table(rows, right=frozenset({1}), fit=Fit(wraps=True))


@command.command("show", epilog="Example: `lmpm catalog show text-to-sql`")
@click.argument("name", metavar="TASK|MODEL", shell_complete=complete.catalog_names)
@click.option("--all", "everything", is_flag=True, help="Every model and every file.")
@json_option
@pass_app(local=True)
def show(app: App, name: str, everything: bool) -> None:
    """Show the models of a task, best first, or what is known of a model. How to call one: `lmpm show`."""
    from lmpm.cli.output import catalog_pages as pages

    catalog = app.workspace.catalog
    task = catalog.task(name)
    if task is not None:
        entries = pages.entries(catalog, task)
        if app.as_json:
            put_json(pages.task_json(task, entries))
        else:
            pages.put_task(task, entries, everything=everything)
        return
    model = catalog.model(name)
    if model is None:
        aliases = (alias for task in catalog.tasks for alias in task.aliases)
        names = (*catalog.task_names(), *aliases, *catalog.model_names())
        near = nearest(name.lower(), names)
        raise UnknownNameError("task or model", name, suggestions=near, listing="All tasks: `lmpm catalog list`")
    if app.as_json:
        put_json(pages.model_json(model))
    else:
        pages.put_model(model, everything=everything)


@command.command("picks", hidden=True, epilog="Example: `lmpm catalog picks > docs/picks.md`")
@pass_app(local=True)
def show_picks(app: App) -> None:
    """Print what each task takes on fifteen machines, as a page of Markdown."""
    from lmpm.resolver import picks_page

    put_raw(picks_page.markdown(app.workspace.catalog, app.workspace.chips).rstrip())


@command.command("check", hidden=True, epilog="Example: `lmpm catalog check`")
@pass_app(local=True)
def check_files(app: App) -> int:
    """Check every file of the catalog and print every problem."""
    from lmpm import catalog
    from lmpm.catalog import directory

    problems = catalog.check(directory())
    for problem in problems:
        put(str(problem))
    if problems:
        return 1
    app.console.done("The catalog has no problems")
    return 0
