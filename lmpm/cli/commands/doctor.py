"""`lmpm doctor`: is everything here that lmpm needs, and where did it look."""

from __future__ import annotations

import os
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lmpm.cli.app import App
from lmpm.cli.options import engine_option, json_option, offline_option, pass_app
from lmpm.cli.output.console import put, put_json
from lmpm.errors import LmpmError
from lmpm.units import human
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Check(NamedTuple):
    """What was looked at, what was found, whether it is well, what to do, and where each fact comes from."""

    name: str
    found: str
    ok: bool
    hint: str = ""
    sources: Mapping[str, str] = MappingProxyType({})


@click.command(epilog="Example: `lmpm doctor`")
@engine_option
@offline_option
@json_option
@pass_app()
def command(app: App) -> int:
    """Check machine, engine, store, notes, catalog and Hub.

    Exits with 1 if something is wrong.
    """
    checks = [_guarded(name, check, app) for name, check in CHECKS.items()]
    well = all(check.ok for check in checks)
    if app.as_json:
        put_json({"ok": well, "checks": [{**check._asdict(), "sources": dict(check.sources)} for check in checks]})
        return 0 if well else 1
    for check in checks:
        if check.ok and app.console.quiet:
            continue
        state = "✓ ok  " if check.ok else "✗ fail"
        put(f"{state}  {check.name:<8}  {check.found}", hang=18)
        for fact, source in check.sources.items():
            put(f"{'':<18}{fact.replace('_', ' ')}: {source}")
        if check.hint:
            put(f"{'':<18}hint: {check.hint}")
    return 0 if well else 1


def _guarded(name: str, check: Callable[[App], Check], app: App) -> Check:
    """A check's row; a failure is a row too."""
    try:
        return check(app)
    except LmpmError as error:
        return Check(name, str(error).replace("\n", "; "), False, app.hint_for(error) or "")


def _lmpm(app: App) -> Check:
    python = ".".join(str(part) for part in sys.version_info[:3])
    return Check("lmpm", f"{__version__}, Python {python} on {sys.platform}", True)


def _machine(app: App) -> Check:
    from lmpm.machine import describe

    computer = app.workspace.engine.computer
    failed = any(fact.origin == "failed" for _, fact in computer.sources)
    hint = "" if computer.budget > 0 else "Describe it with `--hardware`"
    if failed:
        hint = "Mend the driver, `nvidia-smi` must answer; or describe the machine with `--hardware`"
    sources = {name: str(fact) for name, fact in computer.sources}
    return Check("machine", describe(computer), not hint, hint, sources)


def _engine(app: App) -> Check:
    from lmpm.engine import gpu_hint
    from lmpm.estimate import BUILD, is_followed

    found, accelerator = app.workspace.engine.chosen, app.workspace.engine.computer.accelerator
    info = found.info
    if info is None:
        return Check("engine", f"{found.name}: {found.problem}", False, found.hint)
    sources = {"processor features": info.system_info} if info.system_info else {}
    sources["held by"] = ", ".join(info.confined) or "limits of time and memory alone"
    sources["memory plan"] = "asked" if info.plans else "computed"
    if not is_followed(info.build):
        sources["memory formula"] = f"that of {BUILD}: scratch may differ by a few MiB from this build's"
    sources |= {item.name: item.problem or "loads a model and writes" for item in app.workspace.engine.engines.every()}
    text = f"{info.package}, {info.build}, "
    if info.gpu_offload or accelerator == "cpu":
        return Check("engine", text + ("GPU offload" if info.gpu_offload else "CPU only"), True, "", sources)
    problem = f"{text}CPU only, but this machine has a GPU: models run on the CPU"
    return Check("engine", problem, False, gpu_hint(accelerator, sys.platform), sources)


def _store(app: App) -> Check:
    from lmpm.fs import free_space

    place = app.workspace.store.root
    return _written("store", place, f"{place}, {human(free_space(place))} free", "Move it with HF_HUB_CACHE")


def _notes(app: App) -> Check:
    return _written("notes", app.workspace.home, str(app.workspace.home), "Move them with LMPM_HOME")


def _written(name: str, place: Path, found: str, hint: str) -> Check:
    """Whether a directory may be written to, or made."""
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Check(name, f"{found}, but `{place}` may not be written to", False, hint)
    return Check(name, found, True)


def _catalog(app: App) -> Check:
    tasks, models = len(app.workspace.catalog.tasks), len(app.workspace.catalog.models)
    return Check("catalog", f"{tasks} tasks, {models} models", True)


def _hub(app: App) -> Check:
    if app.workspace.offline:
        return Check("hub", "not asked: offline", True)
    reached = app.workspace.hub.reach()
    login = "with a token" if app.workspace.http.token else "without a token"
    return Check("hub", f"{app.workspace.environment.endpoint}, {reached}, {login}", True)


CHECKS: dict[str, Any] = {
    "lmpm": _lmpm,
    "machine": _machine,
    "engine": _engine,
    "store": _store,
    "notes": _notes,
    "catalog": _catalog,
    "hub": _hub,
}
