"""`lmpm convert`: a LoRA of peft as the GGUF file that can be pinned."""

from __future__ import annotations

from pathlib import Path

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import download_options, global_option, json_option, offline_option, pass_app
from lmpm.cli.output.console import put_json
from lmpm.errors import SpecError
from lmpm.units import human


@click.command(epilog="Example: `lmpm convert adapters/team --base sql -o models/team.gguf`")
@click.argument("place", metavar="FOLDER|REPO")
@click.option(
    "--base", required=True, metavar="NAME|FILE", shell_complete=complete.names, help="The model that it is put on."
)
@click.option("-o", "--output", metavar="FILE", help="Where to write. [models/NAME.gguf in the project]")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@offline_option
@download_options
@global_option
@json_option
@pass_app()
def command(app: App, place: str, base: str, output: str | None, force: bool) -> None:
    """Write a LoRA of peft as a GGUF adapter for one base.

    FOLDER has `adapter_config.json` and `adapter_model.safetensors`; REPO is `owner/name[@revision]` of the Hub.
    The file names its base by its sha256. It is pinned with `lmpm install REF --adapter FILE`.
    """
    from lmpm import tuner
    from lmpm.project import ActionReporter

    workspace = app.workspace
    usual = workspace.directory / "models" / f"{Path(place.partition('@')[0]).name}.gguf"
    target = workspace.current / Path(output).expanduser() if output else usual
    if target.suffix.lower() != ".gguf" or target.is_dir():
        raise SpecError(f"`{target.name}` is not the name of a GGUF file", hint="As in `-o models/team.gguf`")
    if target.exists() and not force:
        raise SpecError(f"`{target}` is there already", hint="Write over it with `--force`, or elsewhere with `-o`")
    done = tuner.convert(workspace, place, base, target, reporter=ActionReporter(app.transfers))
    for remark in done.remarks:
        app.console.note(remark)
    if app.as_json:
        put_json(
            {
                "path": str(done.file),
                "sha256": done.sha256,
                "size": done.size,
                "weights": done.weights,
                "base": {"title": done.base, "sha256": done.base_sha256},
            }
        )
        return
    app.console.say("Base", f"{done.base}  sha256 {done.base_sha256[:12]}…")
    app.console.done(f"{done.file}: a LoRA on {done.weights} weights, {human(done.size)}, sha256 {done.sha256[:12]}…")
