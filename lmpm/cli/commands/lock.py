"""`lmpm lock`: make `lmpm.lock` what `lmpm.toml` asks for; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common, hardware_option, json_option, offline_option
from lmpm.cli.output.console import Console, put_json
from lmpm.cli.relock import named_lines, relock, remark_lost, upgradable
from lmpm.errors import SpecError

if TYPE_CHECKING:
    from lmpm.project import LockedModel, ManifestModel


@click.command(epilog="Example: `lmpm lock --check` in continuous integration")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--check", is_flag=True, help="Change nothing; fail if the lock is missing or stale.")
@click.option("--upgrade", is_flag=True, help="Choose anew for NAME, or for every model.")
@hardware_option
@offline_option
@workspace.global_option
@json_option
@common
def command(
    names: tuple[str, ...],
    check: bool,
    upgrade: bool,
    hardware: str | None,
    offline: bool,
    is_global: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Pin what `lmpm.toml` asks for, download nothing.

    What is pinned already and still asked for in the same words stays as it is, unless `--upgrade` is given.
    """
    from lmpm.project import require_all_permitted

    app = App(Console(quiet, verbose), offline=offline, hardware=hardware, is_global=is_global, asks_anew=upgrade)
    project = workspace.project(app, is_global=is_global)
    manifest = workspace.require_manifest(project)
    workspace.remark_licenses(app, manifest)
    if check:
        lock = workspace.read_lock(project, must_exist=True)
        reasons = workspace.staleness(app, manifest, lock)
        if as_json:
            put_json({"up_to_date": not reasons, "reasons": reasons})
        workspace.refuse_stale(reasons)
        require_all_permitted(lock.models, manifest.policy)
        app.console.done("lmpm.lock is up to date")
        return
    from lmpm.project import (
        install,  # and all that choosing takes
        stale_models,
    )

    if names and not upgrade:
        raise SpecError("A name goes with `--upgrade`", hint=f"`lmpm lock --upgrade {names[0]}`")
    before = project.lock()
    if upgrade:
        lines = upgradable(app, before, named_lines(manifest, names))
    else:
        lines = stale_models(manifest, before, workspace.targets(app, manifest))
    if lines:
        workspace.require_writable(before)
    if upgrade:
        remark_lost(app, before, lines)
    entries = [(line, relock(app, manifest, before, line)) for line in lines]  # all, before anything is written
    with workspace.editing(app, is_global=is_global) as guarded:
        changed = install.pin_again(guarded, entries)
    for line, entry in entries:
        _show(app, line, entry)
    dropped = workspace.drop_unasked(app, manifest, is_global=is_global)
    if as_json:
        put_json({"locked": [line.name for line, _ in entries], "unpinned": dropped})
    if not manifest.models:
        app.console.done(f"Nothing to lock: `{manifest.file}` names no models")
    elif not changed and not dropped:
        app.console.done("lmpm.lock is up to date")


def _show(app: App, line: ManifestModel, entry: LockedModel) -> None:
    from lmpm.project import rung_for

    candidate = rung_for(entry, app.machine).candidate
    count = len(entry.candidates)
    rungs = "1 rung" if count == 1 else f"{count} rungs"
    app.console.say("Locked", f"{line.name}: {rungs}, {candidate.model} {candidate.quant} on this machine")
