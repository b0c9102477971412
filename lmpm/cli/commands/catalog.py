"""`lmpm catalog`: the tasks and models that lmpm knows."""

from __future__ import annotations

import click

from lmpm.cli.app import App, common, json_option
from lmpm.cli.output.console import Console, put, put_json, put_raw, put_table
from lmpm.errors import UnknownNameError, nearest


@click.group()
def command() -> None:
    """Show and check the catalog of tasks and models."""


@command.command("list", epilog="Example: `lmpm catalog list`")
@json_option
@common
def list_tasks(as_json: bool, quiet: bool, verbose: bool) -> None:
    """List the tasks."""
    app = App(Console(quiet, verbose), offline=True)
    counts = {
        task.name: sum(app.catalog.score(model, task) is not None for model in app.catalog.models)
        for task in app.catalog.tasks
    }
    if as_json:
        put_json(
            {
                "tasks": [
                    {"name": t.name, "title": t.title, "aliases": list(t.aliases), "models": counts[t.name]}
                    for t in app.catalog.tasks
                ]
            }
        )
        return
    put_table([(task.name, task.summary, f"{counts[task.name]} models") for task in app.catalog.tasks])


@command.command("show", epilog="Example: `lmpm catalog show text-to-sql`")
@click.argument("name", metavar="TASK|MODEL")
@json_option
@common
def show(name: str, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Show the models of a task, best first, or what is known of a model."""
    from lmpm.cli.output import catalog_pages as pages

    app = App(Console(quiet, verbose), offline=True)
    task = app.catalog.task(name)
    if task is not None:
        entries = pages.entries(app.catalog, task)
        if as_json:
            put_json(pages.task_json(task, entries))
        else:
            pages.put_task(task, entries)
        return
    model = app.catalog.model(name)
    if model is None:
        aliases = (alias for task in app.catalog.tasks for alias in task.aliases)
        names = (*app.catalog.task_names(), *aliases, *app.catalog.model_names())
        raise UnknownNameError(
            "task or model", name, suggestions=nearest(name.lower(), names), listing="All tasks: `lmpm catalog list`"
        )
    if as_json:
        put_json(pages.model_json(model))
    else:
        pages.put_model(model)


@command.command("picks", epilog="Example: `lmpm catalog picks > docs/picks.md`")
@common
def show_picks(quiet: bool, verbose: bool) -> None:
    """Print what each task takes on fifteen machines, as a page of Markdown."""
    from lmpm.resolver import picks_page

    app = App(Console(quiet, verbose), offline=True)
    put_raw(picks_page.markdown(app.catalog, app.chips).rstrip())


@command.command("check", epilog="Example: `lmpm catalog check`")
@common
def check_files(quiet: bool, verbose: bool) -> int:
    """Check every file of the catalog and print every problem."""
    from lmpm import catalog
    from lmpm.catalog import directory

    problems = catalog.check(directory())
    for problem in problems:
        put(str(problem))
    console = Console(quiet, verbose)
    if problems:
        return 1
    console.done("The catalog has no problems")
    return 0
