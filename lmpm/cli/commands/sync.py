"""`lmpm sync`: make this machine equal to the lock, which is never changed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import downloading, workspace
from lmpm.cli.app import App, common, hardware_option, json_option, offline_option
from lmpm.cli.bring import bring, each, verified_paths
from lmpm.cli.output import render
from lmpm.cli.output.console import Console, put_json
from lmpm.errors import UnknownNameError

if TYPE_CHECKING:
    from lmpm.project import LockedModel, Manifest, Rung
    from lmpm.types import Machine


@click.command(epilog="Example: `lmpm sync` after `git pull`, or `lmpm sync --target ci` when an image is built")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--target", metavar="NAME", help="Bring what this machine of [targets] takes.")
@click.option("--dry-run", is_flag=True, help="Say what would be brought, change nothing.")
@click.option("--no-smoke", is_flag=True, help="Do not run what was brought.")
@hardware_option
@offline_option
@downloading.options
@workspace.global_option
@json_option
@common
def command(
    names: tuple[str, ...],
    target: str | None,
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
    """Bring what `lmpm.lock` pins to this machine.

    The lock is taken as it is: a stale one is an error (exit code 7), and so is what the policy forbids (9).
    What cannot be had of one model does not keep the others from coming. Nothing is removed.
    """
    from lmpm.project import require_permitted, require_space, rung_for

    app = App(Console(quiet, verbose), offline=offline, hardware=hardware, is_global=is_global)
    downloading.apply(app, options)
    project = workspace.project(app, is_global=is_global)
    lock, manifest = workspace.read_lock(project), workspace.read_manifest(project)
    workspace.remark_licenses(app, manifest)
    if project.manifest_path.exists():
        workspace.require_fresh(app, manifest, lock)
    machine = _target(app, manifest, target) if target else app.machine
    models = [workspace.locked_model(lock, name) for name in names] if names else list(lock.models)
    rungs = [(model, rung_for(model, machine)) for model in models]
    for model, rung in rungs:  # all, before anything is fetched
        require_permitted(model.name, rung.candidate, manifest.policy)
    if not dry_run:
        require_space(app.store, [(rung.candidate.source, rung.candidate.files) for _, rung in rungs])
    smoke = not no_smoke and not target
    done = each(partial(_one, app, model, rung, dry_run=dry_run, smoke=smoke) for model, rung in rungs)
    brought = sum(not entry["present"] for entry in done)
    if as_json:
        put_json({"dry_run": dry_run, "target": target, "models": done})
    count = "1 model" if len(done) == 1 else f"{len(done)} models"
    if dry_run and brought:
        app.console.done(f"{brought} of {count} to bring; nothing was changed: this was a dry run")
    elif not brought:
        app.console.done(f"{count} as lmpm.lock pins them, nothing to do" if done else "The lock is empty")


def _target(app: App, manifest: Manifest, name: str) -> Machine:
    machines = workspace.targets(app, manifest)
    if name not in machines:
        listing = "Declared: " + ", ".join(f"`{known}`" for known in machines) if machines else "None is declared"
        raise UnknownNameError("target of this project", name, listing=listing)
    return machines[name]


def _one(app: App, model: LockedModel, rung: Rung, *, dry_run: bool, smoke: bool) -> dict[str, Any]:
    paths = verified_paths(app, rung)
    if paths is None:
        return {**bring(app, model, rung, dry_run=dry_run, smoke=smoke).data, "present": False}
    data = {"name": model.name, **render.rung_json(rung, len(model.candidates))}
    return {**data, "path": str(paths[0]), "present": True}
