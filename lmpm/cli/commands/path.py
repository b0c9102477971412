"""`lmpm path`: where a model's file is, for other tools."""

from __future__ import annotations

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common, hardware_option, json_option
from lmpm.cli.output import render
from lmpm.cli.output.console import Console, put_json, put_raw


@click.command(epilog='Example: `llama-server -m "$(lmpm path text-to-sql)"`')
@click.argument("name")
@hardware_option
@workspace.global_option
@json_option
@common
def command(name: str, as_json: bool, is_global: bool, hardware: str | None, quiet: bool, verbose: bool) -> None:
    """Print where a model's GGUF file is.

    Of a model in shards it is the first; with `--json`, every file.
    """
    from lmpm.project import rung_for
    from lmpm.store import missing_files

    app = App(Console(quiet, verbose), offline=True, hardware=hardware)
    lock = workspace.read_lock(workspace.project(app, is_global=is_global))
    model = workspace.locked_model(lock, name)
    rung = rung_for(model, app.machine)
    candidate = rung.candidate
    paths = [app.store.find(candidate.source, file) for file in candidate.files]
    lacking = [file for file, path in zip(candidate.files, paths, strict=True) if path is None]
    if lacking:
        title = f"{candidate.model} {candidate.quant}"
        raise missing_files(candidate.source, lacking, f"`{name}` is not on this machine: {title}")
    if as_json:
        files = [
            {"path": str(path), "role": file.role, "size": file.size, "sha256": file.sha256}
            for file, path in zip(candidate.files, paths, strict=True)
        ]
        put_json({"name": name, "path": str(paths[0]), **render.rung_json(rung, len(model.candidates)), "files": files})
    else:
        put_raw(str(paths[0]))
