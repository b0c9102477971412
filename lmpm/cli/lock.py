"""`lmpm lock`: make `lmpm.lock` what `lmpm.toml` asks for; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmpm.cli import workspace
from lmpm.cli.console import Console
from lmpm.cli.settings import App, common, hardware_option, offline_option
from lmpm.errors import LockError, SpecError, UnknownNameError

if TYPE_CHECKING:
    from lmpm.lock_types import LockedModel
    from lmpm.manifest import Manifest, ManifestModel
    from lmpm.resolve import Where


@click.command(epilog="Example: `lmpm lock --check` in continuous integration")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--check", is_flag=True, help="Change nothing; fail if the lock is missing or stale.")
@click.option("--upgrade", is_flag=True, help="Choose anew for NAME, or for every model.")
@hardware_option
@offline_option
@workspace.global_option
@common
def command(
    names: tuple[str, ...],
    check: bool,
    upgrade: bool,
    hardware: str | None,
    offline: bool,
    is_global: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Pin what `lmpm.toml` asks for, download nothing.

    What is pinned already and still asked for in the same words stays as it is, unless `--upgrade` is given.
    """
    from lmpm import install
    from lmpm.lock import staleness

    app = App(Console(quiet, verbose), offline=offline, hardware=hardware)
    project = workspace.project(app, is_global=is_global)
    if not project.manifest_path.exists():
        raise SpecError(
            f"Nothing to lock: no `lmpm.toml` in `{project.directory}` or above",
            hint="Make one with `lmpm install TASK`; all tasks: `lmpm catalog list`",
        )
    manifest = workspace.read_manifest(project)
    if check:
        reasons = staleness(manifest, workspace.read_lock(project))
        if reasons:
            raise LockError("`lmpm.lock` is not up to date", details=reasons, hint="To update it, run `lmpm lock`")
        app.console.done("lmpm.lock is up to date")
        return
    if names and not upgrade:
        raise SpecError("A name goes with `--upgrade`", hint=f"`lmpm lock --upgrade {names[0]}`")
    lines = _named(manifest, names) if upgrade else install.stale_lines(manifest, project.lock())
    entries = [(line, _resolve(app, manifest, line)) for line in lines]  # all, before anything is written
    with workspace.editing(app, is_global=is_global) as guarded:
        changed = install.pin(guarded, entries)
    for line, entry in entries:
        _show(app, line, entry)
    dropped = workspace.drop_unasked(app, manifest, is_global=is_global)
    if not changed and not dropped:
        app.console.done("lmpm.lock is up to date")


def _named(manifest: Manifest, names: tuple[str, ...]) -> list[ManifestModel]:
    """The lines of the manifest that were named, or all. Raises UnknownNameError."""
    for name in names:
        if name not in manifest.models:
            listing = "In lmpm.toml: " + ", ".join(f"`{known}`" for known in manifest.models)
            raise UnknownNameError("model of this project", name, listing=listing)
    return [line for line in manifest.models.values() if not names or line.name in names]


def _resolve(app: App, manifest: Manifest, line: ManifestModel) -> LockedModel:
    """The entry of the lock for one line, and what is to be said about it."""
    from lmpm import install

    where: Where = "here" if app.offline else "hub"
    wish = install.wish_of(line, manifest.policy)
    resolution = app.resolver.resolve(
        line.ref or line.task or line.name, app.machine, wish, where=where, appraiser=app.appraiser("chosen")
    )
    install.require_choice(resolution.choice)
    locked, remarks = install.lock_model(resolution, line, app.resolver, workspace.targets(app, manifest))
    for remark in (*resolution.choice.notes, *remarks):
        app.console.note(remark)
    return locked


def _show(app: App, line: ManifestModel, entry: LockedModel) -> None:
    from lmpm.locked import rung_for

    candidate = rung_for(entry, app.machine, app.catalog).candidate
    count = len(entry.candidates)
    rungs = "1 rung" if count == 1 else f"{count} rungs"
    app.console.say("Locked", f"{line.name}: {rungs}, {candidate.model} {candidate.quant} on this machine")
