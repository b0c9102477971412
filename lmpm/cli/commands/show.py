"""`lmpm show`: one page of a model: what it is, why, what it needs, how it is asked, and lines to call it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import global_option, hardware_option, json_option, pass_app
from lmpm.cli.output import show_page
from lmpm.cli.output.console import put_json
from lmpm.errors import UnknownNameError, nearest

if TYPE_CHECKING:
    from lmpm.cli.output.show_page import Page


@click.command(epilog="Example: `lmpm show text-to-sql`")
@click.argument("name", metavar="NAME|TASK|MODEL|FILE", shell_complete=complete.references)
@click.option("--task", shell_complete=complete.tasks, help="The task that a file is for.")
@hardware_option
@global_option
@json_option
@pass_app(local=True)
def command(app: App, name: str, task: str | None) -> None:
    """Show what a model is, needs and is asked for.

    A name of the lock, a task, a model of the catalog, or a GGUF file. Nothing is asked over the network. Deeper:
    `lmpm why` on the choice, `lmpm inspect` on the memory, `lmpm catalog show` on what is known of a model.
    """
    page = _page(app, name, task)
    if app.as_json:
        put_json(show_page.as_json(page))
    else:
        show_page.put_page(page)


def _page(app: App, name: str, task: str | None) -> Page:
    """The page of what a name means. Raises UnknownNameError."""
    workspace = app.workspace
    if name.endswith(".gguf"):
        return show_page.of_file(workspace, name, task)
    from lmpm.runtime import find_locked

    try:
        owner, model = find_locked(workspace, name)
    except UnknownNameError:
        pass
    else:
        return show_page.of_lock(owner, model)
    catalog = workspace.catalog
    known, entry = catalog.task(name), catalog.model(name)
    if known is not None or entry is not None:
        return show_page.of_catalog(workspace, name, known, entry)
    names = (*(model.name for model in app.project.lock().models), *catalog.task_names(), *catalog.model_names())
    near = nearest(name.lower(), dict.fromkeys(names))
    listing = "" if near else "Tasks: `lmpm catalog list`; a repository: `lmpm inspect REF`"
    raise UnknownNameError("task or model", name, suggestions=near, listing=listing)
