"""`lmpm update`: choose anew, bring it here, and pin it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import downloading, workspace
from lmpm.cli.app import App, common, hardware_option, json_option, offline_option
from lmpm.cli.bring import bring, verified_paths
from lmpm.cli.output.console import Console, put, put_json
from lmpm.cli.relock import asking_anew, named_lines, relock, remark_lost, upgradable

if TYPE_CHECKING:
    from lmpm.project import LockedModel, Manifest


@click.command(epilog="Example: `lmpm update text-to-sql`")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--dry-run", is_flag=True, help="Say what would change, change nothing.")
@click.option("--no-smoke", is_flag=True, help="Do not run what was brought.")
@hardware_option
@offline_option
@downloading.options
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
    **options: Any,
) -> None:
    """Choose models anew, bring the choice here, and pin it.

    What would change is told first, in words. All of it is fetched and proved before the lock changes: what
    cannot be had, or does not do its task, leaves the lock as it was.
    """
    from lmpm.project import differences, install

    app = App(Console(quiet, verbose), offline=offline, hardware=hardware, is_global=is_global, asks_anew=True)
    downloading.apply(app, options)
    project = workspace.project(app, is_global=is_global)
    manifest = workspace.require_manifest(project)
    workspace.remark_licenses(app, manifest)
    before = workspace.require_writable(project.lock())
    asked = upgradable(app, before, named_lines(manifest, names))
    with asking_anew():
        remark_lost(app, before, asked)
        entries = [install.keep_proofs(relock(app, manifest, before, line), before.get(line.name)) for line in asked]
    after = before
    for entry in entries:
        after = after.with_model(entry)
    lines = list(differences(before, after))
    if not as_json:
        for line in lines:
            put(line)
    if not dry_run:
        workspace.require_savable(app, is_global=is_global)
    done: list[dict[str, Any]] = []
    proved = [_bring(app, manifest, entry, done, dry_run=dry_run, smoke=not no_smoke) for entry in entries]
    if not dry_run:
        with workspace.editing(app, is_global=is_global) as guarded:
            install.pin_again(guarded, list(zip(asked, proved, strict=True)))
    if as_json:
        put_json({"dry_run": dry_run, "changes": lines, "models": done})
    if dry_run:
        app.console.done("Nothing was changed: this was a dry run")
    elif lines:
        app.console.done(f"Pinned in {project.lock_path.name}; commit it")
    elif not done:
        app.console.done("Everything is up to date")


def _bring(
    app: App, manifest: Manifest, entry: LockedModel, done: list[dict[str, Any]], *, dry_run: bool, smoke: bool
) -> LockedModel:
    """Bring what this machine takes, where it is not here, and return the entry with what its proof showed."""
    from lmpm.project import install, rung_for

    rung = rung_for(entry, app.machine)
    if verified_paths(app, rung) is not None:
        return entry
    brought = bring(app, entry, rung, dry_run=dry_run, smoke=smoke, pinned=False)
    done.append(brought.data)
    if brought.smoke is None or not app.is_this_machine:
        return entry
    tested = install.proof(brought.smoke, app.machine, workspace.targets(app, manifest))
    return install.with_proof(entry, rung.candidate.files, tested)
