"""`lmpm outdated`: what has changed since the lock was made. Nothing is changed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common, hardware_option, json_option
from lmpm.cli.output.console import Console, put, put_json
from lmpm.cli.relock import asking_anew
from lmpm.errors import LmpmError, OfflineError
from lmpm.project import Change
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.project import LockedCandidate, LockedModel, Manifest, ManifestModel, Policy
    from lmpm.types import Machine, Variant

INTEGRITY_EXIT_CODE = 4


@click.command(epilog="Example: `lmpm outdated --json`")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@hardware_option
@workspace.global_option
@json_option
@common
def command(
    names: tuple[str, ...], hardware: str | None, is_global: bool, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Say what has changed since `lmpm.lock` was made.

    Newer commits, files uploaded again, changed templates and licences, repositories that are gone or belong
    to somebody else, and better choices of a newer catalog. Files that changed under the pinned commit end in
    exit code 4; nothing else here is a failure.
    """
    from lmpm.project import changes

    app = App(Console(quiet, verbose), hardware=hardware, is_global=is_global, asks_anew=True)
    if app.offline:
        raise OfflineError("What is new can only be asked over the network", hint="Unset LMPM_OFFLINE")
    project = workspace.project(app, is_global=is_global)
    lock, manifest = workspace.read_lock(project), workspace.read_manifest(project)
    models = [workspace.locked_model(lock, name) for name in names] if names else list(lock.models)
    rows: list[dict[str, Any]] = []
    with asking_anew():
        for model in models:
            for number, candidate in enumerate(model.candidates, start=1):
                rows += [_row(model, number, change) for change in changes(candidate, app.hub, app.catalog)]
            rows += [_row(model, None, change) for change in _better(app, manifest, model)]
    if as_json:
        put_json({"changes": rows})
    else:
        _show(app.console, models, rows)
    return INTEGRITY_EXIT_CODE if any(row["kind"] == "bytes" for row in rows) else 0


def _row(model: LockedModel, number: int | None, change: Change) -> dict[str, Any]:
    return {"name": model.name, "rung": number, "kind": change.kind, "detail": change.detail}


def _better(app: App, manifest: Manifest, model: LockedModel) -> Iterator[Change]:
    """Whether the catalog of this lmpm has something better for this machine, or a declared one, than its rung."""
    line = manifest.models.get(model.name)
    if line is None:
        return
    machines = workspace.targets(app, manifest)
    news: dict[str, list[str]] = {}
    for where, machine in [("this machine", app.machine), *((f"`{name}`", machines[name]) for name in machines)]:
        if words := _better_for(app, machine, model, line, manifest.policy):
            news.setdefault(words, []).append(where)
    for words, places in news.items():
        yield Change("choice", f"for {', '.join(places)} {words}")


def _better_for(app: App, machine: Machine, model: LockedModel, line: ManifestModel, policy: Policy) -> str:
    """What the catalog takes for a machine where that is better than the rung, empty where it is not.

    Within the point that is no difference, a rung for another machine serves this one as well: that is no news.
    """
    from lmpm.project import constraints_of, is_as_good, rung_for, variant_of
    from lmpm.resolver import NameReference, parse_reference

    ref = line.ref or line.task or line.name
    if not isinstance(parse_reference(ref), NameReference):
        return ""
    try:
        found = app.resolver.resolve(ref, machine, constraints_of(line, policy), where="catalog")
        found = app.resolver.reconsider(
            found, [variant_of(item) for item in model.candidates], where="catalog"
        )  # with the sizes that are pinned
        rung = rung_for(model, machine).candidate
    except LmpmError:  # nothing to compare: `sync` and `install` tell why
        return ""
    chosen = found.choice.chosen
    if chosen is None or not isinstance(chosen.variant.source, HubSource) or _what(chosen.variant) == _what(rung):
        return ""
    same = next((variant for variant in found.variants if _what(variant) == _what(rung)), None)
    if same is not None and is_as_good(same, found.choice):
        return ""
    new = f"{chosen.variant.title} {chosen.variant.quant}"
    return f"the catalog takes {new} now, the lock has {rung.model} {rung.quant}"


def _what(item: Variant | LockedCandidate) -> tuple[str, str]:
    """A quant of a repository, at whatever commit."""
    return item.source.repo if isinstance(item.source, HubSource) else str(item.source), item.quant


def _show(console: Console, models: list[LockedModel], rows: list[dict[str, Any]]) -> None:
    told: set[tuple[str, str, str]] = set()
    for row in rows:
        key = (row["name"], row["kind"], row["detail"])
        if key in told:  # several rungs of one repository
            continue
        told.add(key)
        put(f"{row['name']}: {row['detail']}")
    if rows:
        console.note("nothing was changed: `lmpm update NAME` chooses anew")
    elif not models:
        console.done("The lock is empty")
    else:
        count = "1 model is" if len(models) == 1 else f"{len(models)} models are"
        console.done(f"{count} up to date")
