"""`lmpm remove`: take a model out of the project; its bytes stay in the store."""

from __future__ import annotations

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import global_option, pass_app
from lmpm.project import Exports, actions


@click.command(epilog="Example: `lmpm remove text-to-sql`")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.names)
@global_option
@pass_app(local=True)
def command(app: App, names: tuple[str, ...]) -> None:
    """Take models out of the project; their files stay in the cache.

    The files stay in the Hugging Face cache, which other projects and tools share.
    """
    manifest = app.project.manifest_name
    removed = actions.remove.apply(actions.remove.plan(app.workspace, names))
    exports = Exports(app.workspace.home / "exports").of(app.project.directory)
    for record in (item for item in exports if item.name in removed):
        undo = f"`lmpm export --undo {record.target} {record.name}`"
        app.console.note(f"`{record.name}` is still in {record.target}, {record.place}: {undo} takes it back")
    app.console.done(f"Removed {', '.join(removed)} from {manifest} and lmpm.lock; the files stay in the cache")
