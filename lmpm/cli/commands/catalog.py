"""`lmpm catalog`: the tasks and models that lmpm knows."""

from __future__ import annotations

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.group import NamingGroup
from lmpm.cli.options import dry_run_option, json_option, pass_app
from lmpm.cli.output.console import put, put_json, put_raw, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import UnknownNameError, nearest
from lmpm.units import count


@click.group(cls=NamingGroup)
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


@command.command("refresh", hidden=True, epilog="Example: `lmpm catalog refresh qwen3.5-9b`")
@click.argument("names", nargs=-1, metavar="[MODEL]...", shell_complete=complete.catalog_names)
@dry_run_option
@pass_app(asks_anew=True)
def refresh_files(app: App, names: tuple[str, ...], dry_run: bool) -> None:
    """Hold the files of the catalog against the Hub: pin what is not pinned, report what has changed there."""
    from lmpm import catalog
    from lmpm.catalog import refresh
    from lmpm.hub import search

    shipped, hub = app.workspace.catalog, app.workspace.hub
    for name in names:
        if shipped.model(name) is None:
            near = nearest(name.lower(), shipped.model_names())
            raise UnknownNameError("model of the catalog", name, suggestions=near)
    models = [model for model in shipped.models if not names or shipped.model(model.name) in map(shipped.model, names)]
    changed = 0
    for change in refresh.update_files(catalog.directory(), models, hub.repository, writes=not dry_run):
        put(str(change))
        changed += change.kind == "pinned"
    if not names:
        for change in refresh.wanted(catalog.directory(), shipped.models, search.search_hub(hub, "").rows):
            put(str(change))
    app.console.done(f"{count(changed, 'repository', 'repositories')} {'would be ' if dry_run else ''}pinned anew")


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
