"""`lmpm path`: where a model's file is, for other tools."""

from __future__ import annotations

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import global_option, hardware_option, json_option, pass_app
from lmpm.cli.output import json
from lmpm.cli.output.console import put_json, put_raw


@click.command(epilog='Example: `llama-server -m "$(lmpm path text-to-sql)"`')
@click.argument("name", shell_complete=complete.names)
@click.option("--all", "everything", is_flag=True, help="Every file, one a line: shards, what lets it see, adapters.")
@hardware_option
@global_option
@json_option
@pass_app(local=True)
def command(app: App, name: str, everything: bool) -> None:
    """Print where a model's GGUF file is.

    It is the file to load: of a model in shards the first. `--all` and `--json` give every file, also the mmproj
    of a vision model, and adapters.
    """
    from lmpm.project import find_model, recipe_of, rung_for, task_of
    from lmpm.recipe import write_recipe
    from lmpm.store import missing_files

    model = find_model(app.project.require_lock(), name)
    rung = rung_for(model, app.workspace.machine)
    candidate = rung.candidate
    pinned = [(source, file) for source, files in candidate.pins for file in files]
    paths = [app.workspace.store.find(*pair) for pair in pinned]
    lacking = [pair for pair, path in zip(pinned, paths, strict=True) if path is None]
    if lacking:
        title = f"{candidate.model} {candidate.quant}"
        files = [file for _, file in lacking]
        raise missing_files(lacking[0][0], files, f"`{name}` is not on this machine: {title}")
    if app.as_json:
        own = len(candidate.files)
        shown = [
            {"path": str(path), "role": file.role if at < own else "adapter", "size": file.size, "sha256": file.sha256}
            for at, ((_, file), path) in enumerate(zip(pinned, paths, strict=True))
        ]
        catalog = app.workspace.catalog
        recipe = recipe_of(candidate, task_of(model, catalog), catalog)
        asked = {"recipe": write_recipe(recipe) if recipe else None}
        taken = json.rung_json(rung, len(model.candidates))
        put_json({"name": name, "path": str(paths[0]), **taken, "files": shown, **asked})
    else:
        for path in paths if everything else paths[:1]:
            put_raw(str(path))
