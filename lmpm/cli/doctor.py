"""`lmpm doctor`: is everything here that lmpm needs, and where did it look."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from lmpm import __version__
from lmpm.cli.console import Console, put, put_json
from lmpm.cli.settings import App, common, json_option, offline_option
from lmpm.errors import LmpmError
from lmpm.size import human

if TYPE_CHECKING:
    from collections.abc import Callable

Check = tuple[str, str, bool, str]  # what, what was found, whether it is well, and a hint


@click.command(epilog="Example: `lmpm doctor`")
@offline_option
@json_option
@common
def command(offline: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Check machine, engine, store, catalog and Hub.

    Exits with 1 if something is wrong.
    """
    app = App(Console(quiet, verbose), offline=offline)
    checks = [_guarded(name, check, app) for name, check in CHECKS.items()]
    well = all(check[2] for check in checks)
    if as_json:
        put_json({"ok": well, "checks": [{"name": n, "found": f, "ok": ok, "hint": h} for n, f, ok, h in checks]})
        return 0 if well else 1
    for name, found, good, hint in checks:
        put(f"{'ok  ' if good else 'fail'}  {name:<8}  {found}")
        if hint:
            put(f"{'':<16}hint: {hint}")
    return 0 if well else 1


def _guarded(name: str, check: Callable[[App], Check], app: App) -> Check:
    """A check's row; a failure is a row too."""
    try:
        return check(app)
    except LmpmError as error:
        return name, str(error).replace("\n", "; "), False, error.hint or ""


def _lmpm(app: App) -> Check:
    python = ".".join(str(part) for part in sys.version_info[:3])
    return "lmpm", f"{__version__}, Python {python} on {sys.platform}", True, ""


def _machine(app: App) -> Check:
    from lmpm.machine import describe

    fine = app.machine.budget > 0
    return "machine", describe(app.machine), fine, "" if fine else "Describe it with `--hardware`"


def _engine(app: App) -> Check:
    from lmpm.engine import probe

    info = probe()
    wants_gpu = app.machine.accelerator != "cpu"
    found = f"{info.python_package}, {info.build}, "
    found += "GPU offload" if info.gpu_offload else "CPU only"
    if wants_gpu and not info.gpu_offload:
        flag = "GGML_METAL" if app.machine.accelerator == "metal" else "GGML_CUDA"
        hint = f'CMAKE_ARGS="-D{flag}=on" pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python'
        return "engine", f"{found}, but this machine has a GPU", False, hint
    return "engine", found, True, ""


def _store(app: App) -> Check:
    from lmpm.disk import free_space

    place = app.store.root
    found = f"{place}, {human(free_space(place))} free"
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        return "store", f"{found}, but `{place}` may not be written to", False, "Move it with HF_HUB_CACHE"
    return "store", found, True, ""


def _catalog(app: App) -> Check:
    tasks, models = len(app.catalog.tasks), len(app.catalog.models)
    return "catalog", f"{tasks} tasks, {models} models", True, ""


def _hub(app: App) -> Check:
    if app.offline:
        return "hub", "not asked: offline", True, ""
    reached = app.hub.reach()
    login = "with a token" if app.http.token else "without a token"
    return "hub", f"{app.settings.endpoint}, {reached}, {login}", True, ""


CHECKS: dict[str, Any] = {
    "lmpm": _lmpm,
    "machine": _machine,
    "engine": _engine,
    "store": _store,
    "catalog": _catalog,
    "hub": _hub,
}
