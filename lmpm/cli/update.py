"""`lmpm update`: choose anew, pin, and bring it here."""

from __future__ import annotations

from typing import Any

import click

from lmpm.cli import workspace
from lmpm.cli.bring import bring, verified_paths
from lmpm.cli.console import Console, put, put_json
from lmpm.cli.relock import named_lines, relock, remark_lost
from lmpm.cli.settings import App, common, hardware_option, json_option, offline_option


@click.command(epilog="Example: `lmpm update text-to-sql`")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--dry-run", is_flag=True, help="Say what would change, change nothing.")
@click.option("--no-smoke", is_flag=True, help="Do not run what was brought.")
@hardware_option
@offline_option
@workspace.global_option
@json_option
@common
def command(
    names: tuple[str, ...],
    dry_run: bool,
    no_smoke: bool,
    hardware: str | None,
    offline: bool,
    is_global: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Choose models anew, pin the choice and bring it here.

    It is `lmpm lock --upgrade` and then `lmpm sync`. What would change is told first, in words.
    """
    from lmpm import install
    from lmpm.lock_diff import differences
    from lmpm.locked import rung_for

    app = App(Console(quiet, verbose), offline=offline, hardware=hardware, is_global=is_global, asks_anew=True)
    project = workspace.project(app, is_global=is_global)
    manifest = workspace.require_manifest(project)
    before = project.lock()
    asked = named_lines(manifest, names)
    remark_lost(app, before, asked)
    entries = [(line, relock(app, manifest, line)) for line in asked]
    after = before
    for _, entry in entries:
        after = after.with_model(install.keep_proofs(entry, before.get(entry.name)))
    lines = list(differences(before, after))
    done: list[dict[str, Any]] = []
    if not dry_run:
        with workspace.editing(app, is_global=is_global) as guarded:
            install.pin(guarded, entries)
    if not as_json:
        for line in lines:
            put(line)
    for _, entry in entries:
        rung = rung_for(entry, app.machine)
        if verified_paths(app, rung) is None:
            done.append(bring(app, entry, rung, dry_run=dry_run, smoke=not no_smoke))
    if as_json:
        put_json({"dry_run": dry_run, "changes": lines, "models": done})
    if dry_run:
        app.console.done("Nothing was changed: this was a dry run")
    elif not lines and not done:
        app.console.done("Everything is up to date")
