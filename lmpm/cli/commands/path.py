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
@click.option("--all", "everything", is_flag=True, help="Every file, one a line: shards, and what lets it see.")
@hardware_option
@global_option
@json_option
@pass_app(local=True)
def command(app: App, name: str, everything: bool) -> None:
    """Print where a model's GGUF file is.

    It is the file to load: of a model in shards the first. `--all` and `--json` give every file, also the mmproj
    of a vision model.
    """
    from lmpm.project import find_model, recipe_of, rung_for, task_of
    from lmpm.recipe import write_recipe
    from lmpm.store import missing_files

    model = find_model(app.project.require_lock(), name)
    rung = rung_for(model, app.workspace.machine)
    candidate = rung.candidate
    paths = [app.workspace.store.find(candidate.source, file) for file in candidate.files]
    lacking = [file for file, path in zip(candidate.files, paths, strict=True) if path is None]
    if lacking:
        title = f"{candidate.model} {candidate.quant}"
        raise missing_files(candidate.source, lacking, f"`{name}` is not on this machine: {title}")
    if app.as_json:
        files = [
            {"path": str(path), "role": file.role, "size": file.size, "sha256": file.sha256}
            for file, path in zip(candidate.files, paths, strict=True)
        ]
        catalog = app.workspace.catalog
        recipe = recipe_of(candidate, task_of(model, catalog), catalog)
        asked = {"recipe": write_recipe(recipe) if recipe else None}
        taken = json.rung_json(rung, len(model.candidates))
        put_json({"name": name, "path": str(paths[0]), **taken, "files": files, **asked})
    else:
        for path in paths if everything else paths[:1]:
            put_raw(str(path))
