"""`lmpm remove`: take a model out of the project; its bytes stay in the store."""

from __future__ import annotations

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common
from lmpm.cli.output.console import Console


@click.command(epilog="Example: `lmpm remove text-to-sql`")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@workspace.global_option
@common
def command(names: tuple[str, ...], is_global: bool, quiet: bool, verbose: bool) -> None:
    """Take models out of `lmpm.toml` and `lmpm.lock`.

    The files stay in the Hugging Face cache, which other projects and tools share.
    """
    from lmpm.project import remove_model

    app = App(Console(quiet, verbose), offline=True)
    taken = dict.fromkeys(names)
    with workspace.editing(app, is_global=is_global) as project:
        text, name_of_manifest = project.manifest_text(), project.manifest_name
        manifest = workspace.read_manifest(project)
        lock = project.lock() if manifest.models else workspace.read_lock(project, must_exist=True)
        for name in taken:
            if name in manifest.models:
                text = remove_model(text, name, file=name_of_manifest)
            else:
                workspace.locked_model(lock, name)
            lock = lock.without(name)
        project.write(manifest=text or None, lock=lock if project.lock_path.exists() else None)
    app.console.done(f"Removed {', '.join(taken)} from {name_of_manifest} and lmpm.lock; the files stay in the cache")
