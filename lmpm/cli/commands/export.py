"""`lmpm export`: the locked bytes, and how they are asked, for other tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import global_option, hardware_option, json_option, offline_option, pass_app
from lmpm.cli.output.console import flush, put, put_json, put_raw, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import IntegrityError, SpecError
from lmpm.project import ActionReporter
from lmpm.units import count, human

if TYPE_CHECKING:
    from lmpm.export import Drift, Export
    from lmpm.project import Exported


@click.command(epilog="Example: `lmpm export ollama chat`, then `ollama run chat`; all targets: `lmpm export --list`")
@click.argument("target", required=False)
@click.argument("name", required=False, shell_complete=complete.names)
@click.option("--list", "listed", is_flag=True, help="List the targets, and what each gets.")
@click.option(
    "--to", "place", type=click.Path(), metavar="PLACE", help="Where; the usual place of the target unless said."
)
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the target; see `--list`.")
@click.option("--copy", is_flag=True, help="Copy the bytes even where they could be shared with the store.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@click.option("--check", is_flag=True, help="Is what was exported still there, and what the lock says?")
@click.option("--undo", is_flag=True, help="Take back what was exported.")
@click.option("--serve", is_flag=True, help="Of `browser`: serve the folder on this machine, until Ctrl-C.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8422, show_default=True, metavar="N", help="For --serve."
)
@offline_option
@hardware_option
@global_option
@json_option
@pass_app()
def command(
    app: App,
    target: str | None,
    name: str | None,
    listed: bool,
    place: str | None,
    options: tuple[str, ...],
    copy: bool,
    dry_run: bool,
    check: bool,
    undo: bool,
    serve: bool,
    port: int,
) -> int:
    """Hand a model of the lock to another tool.

    TARGET gets the locked bytes, by a link where the file system has them, and settings that say how the model is run
    and asked. `--check` and `--undo` without TARGET or NAME are about all exports of this project.
    """
    if listed:
        return _list(app)
    if check or undo:
        return _undo(app, target, name) if undo else _check(app, target, name)
    if not target or not name:
        raise SpecError("Expected a target and a model", hint="As in `lmpm export ollama chat`; `lmpm export --list`")
    if serve and target != "browser":
        raise SpecError("`--serve` is for the target `browser`", hint="To serve models: `lmpm serve`")
    planned = _export(app, target, name, place, options, copy=copy, dry_run=dry_run)
    if serve and not dry_run:
        _serve(app, planned.place, port)
    return 0


def _list(app: App) -> int:
    from lmpm import export

    found = export.exporters()
    if app.as_json:
        put_json({"targets": [{"name": it.NAME, "summary": it.SUMMARY, "options": dict(it.OPTIONS)} for it in found]})
        return 0
    rows = []
    for item in found:
        rows.append((item.NAME, item.SUMMARY))
        rows += [("", f"--option {name}=…  {what}") for name, what in item.OPTIONS.items()]
    put_table(rows, fit=Fit(wraps=True))
    return 0


def _export(
    app: App, target: str, name: str, place: str | None, options: tuple[str, ...], *, copy: bool, dry_run: bool
) -> Export:
    from lmpm import export

    if place is not None and not place.strip():
        raise SpecError("`--to` names no place")
    planned = export.plan_export(
        app.workspace,
        target,
        name,
        place=Path(os.path.normpath(app.workspace.current / Path(place).expanduser())) if place else None,
        places=_places(app),
        options=_options(options),
        download=not dry_run,
        reporter=ActionReporter(app.transfers),
    )
    if not dry_run:
        export.write_export(app.workspace, planned, copy=copy, reporter=app.transfers)
    if app.as_json:
        put_json(planned.as_json() | {"written": not dry_run})
    else:
        _show(app, planned, dry_run=dry_run)
    return planned


def _serve(app: App, folder: Path, port: int) -> None:
    from lmpm.export import serve_folder

    def ready(url: str) -> None:
        put(url)
        flush()
        app.console.done("Stop with Ctrl-C")

    try:
        serve_folder(folder, port, ready)
    except KeyboardInterrupt:
        app.console.done("Stopped")


def _show(app: App, planned: Export, *, dry_run: bool) -> None:
    if planned.shown:
        put_raw(planned.shown)
    elif dry_run:
        files = [
            *((item.path, human(item.size)) for item in planned.links),
            *((item.path, "") for item in planned.texts),
        ]
        put_table(files, fit=Fit(shorten=(0,)))
    for note in planned.notes:
        app.console.note(note)
    number = len(planned.links) + len(planned.texts)
    if number:
        would = "would be " if dry_run else ""
        app.console.done(f"{planned.name}: {count(number, 'file')} {would}in {planned.place}")


def _options(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for item in given:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise SpecError(f"`--option {item}` is not KEY=VALUE")
        found[key] = value
    return found


def _places(app: App) -> dict[str, Path]:
    """Folders of other tools: where they are, else where they would be made."""
    from lmpm.store import other_tools_here

    home = Path("~").expanduser()
    environment = app.workspace.environment
    found = {"ollama": home / ".ollama" / "models", "lm-studio": home / ".lmstudio" / "models"}
    if environment.ollama:
        found["ollama"] = Path(environment.ollama)
    for tool in reversed(other_tools_here(home, ollama_models=environment.ollama)):
        found[tool.tool.lower().replace(" ", "-")] = tool.folder
    return found


def _check(app: App, target: str | None, name: str | None) -> int:
    from lmpm import export

    records = export.find_exports(app.workspace, name, target=target)
    found = [(record, export.check_export(app.workspace, record, _places(app))) for record in records]
    wrong = sum(bool(drifts) for _, drifts in found)
    error = None
    if wrong:
        error = IntegrityError(
            f"{count(wrong, 'export')} not as the lock says", hint="Export again with the same command, or `--undo`"
        )
    data = {"exports": [_json(record) | {"drifts": [_drift(item) for item in drifts]} for record, drifts in found]}
    if error:
        if not app.as_json:
            _show_checked(found)
        raise app.answered(error, data)
    if app.as_json:
        put_json(data)
    elif not found:
        app.console.done("Nothing of this project was exported")
    else:
        _show_checked(found)
    return 0


def _show_checked(found: list[tuple[Exported, list[Drift]]]) -> None:
    for record, drifts in found:
        put(f"{'✗' if drifts else '✓'} {record.name} in {record.target}: {record.place}")
        for drift in drifts:
            put(f"  {drift}")


def _undo(app: App, target: str | None, name: str | None) -> int:
    from lmpm import export

    records = export.find_exports(app.workspace, name, target=target)
    left = [(record, export.undo_export(app.workspace, record, app.transfers)) for record in records]
    if app.as_json:
        put_json({"undone": [_json(record) | {"left": list(map(str, paths))} for record, paths in left]})
        return 0
    for record, paths in left:
        put(f"{record.name} is no more in {record.target}: {record.place}")
        for path in paths:
            app.console.note(f"{path} was changed since, and is left")
    if not left:
        app.console.done("Nothing of this project was exported")
    return 0


def _json(record: Exported) -> dict[str, Any]:
    return {"target": record.target, "name": record.name, "place": str(record.place)}


def _drift(drift: Drift) -> dict[str, str]:
    return {"path": str(drift.path), "kind": drift.kind}
