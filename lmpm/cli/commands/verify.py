"""`lmpm verify`: prove on this machine what the lock pins."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import downloading, workspace
from lmpm.cli.app import App, common, hardware_option, json_option, offline_option
from lmpm.cli.output import render
from lmpm.cli.output.console import Console, put, put_json, show_error
from lmpm.errors import DiskError
from lmpm.units import human

if TYPE_CHECKING:
    from lmpm.project import LockedModel, Report
    from lmpm.types import Machine

NAME_GAP = 3


@click.command(epilog="Example: `lmpm verify --fetch` on a new machine, or in continuous integration")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--fetch", is_flag=True, help="Download what is missing first.")
@click.option("--quick", is_flag=True, help="Trust files that did not change since they were hashed.")
@click.option("--junit", metavar="FILE", type=click.Path(dir_okay=False), help="Write JUnit XML too.")
@click.option("--no-smoke", is_flag=True, help="Do not run the models.")
@hardware_option
@offline_option
@downloading.options
@workspace.global_option
@json_option
@common
def command(names: tuple[str, ...], as_json: bool, is_global: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """Prove on this machine what `lmpm.lock` pins.

    Every locked model fits, its bytes are those of the lock, it loads, and its answers are right.
    Exits with the code of the gravest failure, 0 when everything is right.
    """
    from lmpm.machine import free_memory
    from lmpm.project import Verifier, verify_exit_code

    app = App(Console(quiet, verbose), offline=options["offline"], hardware=options["hardware"], is_global=is_global)
    downloading.apply(app, options)
    junit_file = app.settings.directory / options["junit"] if options["junit"] else None
    if junit_file and not junit_file.parent.is_dir():
        raise DiskError(f"There is no directory `{junit_file.parent}` to write `{junit_file.name}` to")
    project = workspace.project(app, is_global=is_global)
    lock = workspace.read_lock(project)
    workspace.remark_stale(app, project, lock)
    manifest = workspace.read_manifest(project)
    workspace.remark_licenses(app, manifest)
    models = [workspace.locked_model(lock, name) for name in names] if names else list(lock.models)
    verifier = Verifier(
        catalog=app.catalog,
        store=app.store,
        machine=app.machine,
        fetcher=workspace.fetcher(app) if options["fetch"] else None,
        quick=options["quick"],
        smoke=not options["no_smoke"],
        engine_build=_engine_build(models),
        free_memory=free_memory() if app.is_this_machine else None,
        policy=manifest.policy,
        targets=workspace.targets(app, manifest) if app.is_this_machine else {},
        records=workspace.records(app) if app.is_this_machine else None,
        bench=app.bench,
    )
    verifier = verifier.ahead(models, reporter=app.reporter)
    if not models:
        app.console.done("Nothing to verify: the lock is empty")
    width = max((len(model.name) for model in models), default=0) + NAME_GAP
    reports: list[Report] = []
    for model in models:
        report = verifier.check(model)
        if report.missing and not app.offline and not as_json and _may_ask() and _asks(report):
            report = _fetching(verifier, app).check(model)
        reports.append(report)
        if not as_json:
            _show(report, width, app.machine)
    code = verify_exit_code(reports)
    if junit_file:
        from lmpm.fs import atomic
        from lmpm.project import junit_xml

        atomic.write_text(junit_file, junit_xml(reports))
    if as_json:
        put_json({"verified": code == 0, "models": [_json(report) for report in reports]})
    else:
        _conclude(app.console, reports)
    return code


def _engine_build(models: list[LockedModel]) -> int | None:
    """The build of llama.cpp here, asked for only where a model needs a certain one."""
    if not any(candidate.engine for model in models for candidate in model.candidates):
        return None
    from lmpm.engine import probe
    from lmpm.project import build_number

    return build_number(probe().build)


def _may_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asks(report: Report) -> bool:
    size = human(sum(file.size for file in report.missing))
    return click.confirm(f"{report.name} is not here. Download {size}?", default=True, err=True)


def _fetching(verifier: Any, app: App) -> Any:
    from dataclasses import replace

    return replace(verifier, fetcher=workspace.fetcher(app))


def _show(report: Report, width: int, machine: Machine) -> None:
    """The lines of one model: rung, bytes, smoke, and what is wrong."""
    name = f"{report.name:<{width}}"
    rung = report.rung
    if rung is None:
        put(f"{name}failed       {report.error.message if report.error else ''}")
        for line in report.error.details if report.error else ():
            put(f"{'':<{width}}             {line}")
        return
    candidate = rung.candidate
    title = f"{candidate.model} {candidate.quant}"
    if report.missing:
        put(f"{name}missing      {title}, {human(sum(file.size for file in report.missing))}")
        return
    place = f"rung {rung.number} of {report.rungs}"
    budget = human(machine.budget + machine.host_budget)
    over = f" ({rung.passed_over[-1]})" if rung.passed_over else ""
    put(f"{name}{place:<13}{title}  fits {human(candidate.memory)} of {budget}{over}")
    indent = " " * width
    if report.hashed_bytes:
        how = "unchanged since it was hashed" if report.trusted else "sha256 matches lmpm.lock"
        put(f"{indent}{'bytes':<13}{human(report.hashed_bytes)}  {how}  {report.hashed_s:.1f} s")
    if report.smoke is not None:
        asks = f", lock asks for b{candidate.engine} or newer" if candidate.engine else ""
        put(f"{indent}{'engine':<13}{report.smoke.engine_build}{asks}")
        lock_has = _recorded(report)
        put(f"{indent}{'smoke':<13}{report.smoke.detail} · {render.smoke_figures(report.smoke)}{lock_has}")
        if report.smoke.memory and report.smoke.memory.is_notable:
            put(f"{indent}{'note':<13}{render.memory_words(report.smoke.memory)}")
    for note in report.notes:
        put(f"{indent}{'note':<13}{note}")
    if report.error is not None:
        put(f"{indent}{'failed':<13}{report.error.message}")
        for line in report.error.details:
            put(f"{indent}{'':<13}{line}")


def _recorded(report: Report) -> str:
    """` (lock: 17.2 tok/s, first token 0.80 s on m2-16gb)`, or ` (when it came: ...)` for figures of this machine."""
    tested = report.recorded
    if tested is None:
        return ""
    figures = [f"{tested.decode:.1f} tok/s"] if tested.decode is not None else []
    figures += [f"first token {tested.first_token_s:.2f} s"] if tested.first_token_s is not None else []
    if not figures:
        return ""
    return f" (lock: {', '.join(figures)} on {tested.on})" if tested.on else f" (when it came: {', '.join(figures)})"


def _conclude(console: Console, reports: list[Report]) -> None:
    """How many are right, and what to do about the others."""
    from lmpm.store import DOWNLOAD_HINT

    good = sum(report.error is None for report in reports)
    noun = "model" if good == len(reports) == 1 else "models"
    if good == len(reports):
        if not reports:
            return
        console.blank()
        console.done(f"{good} {noun} verified")
        return
    hint = next((report.error.hint for report in reports if report.error and report.error.hint), None)
    if any(report.missing and report.error and report.error.hint == DOWNLOAD_HINT for report in reports):
        hint = "To download what is missing, run `lmpm verify --fetch` or `lmpm install`"
    console.blank()
    show_error(f"{good} of {len(reports)} {noun} verified", hint=hint)


def _json(report: Report) -> dict[str, Any]:
    data: dict[str, Any] = {"name": report.name, "ok": report.error is None}
    if report.rung is not None:
        data |= render.rung_json(report.rung, report.rungs)
    return data | {
        "path": str(report.path) if report.path else None,
        "hashed_bytes": report.hashed_bytes,
        "missing": [file.path for file in report.missing],
        "damaged": [{"path": item.path, "kind": item.kind, "detail": item.detail} for item in report.damaged],
        "smoke": render.smoke_json(report.smoke),
        "recorded": asdict(report.recorded) if report.recorded else None,
        "notes": list(report.notes),
        "error": {"message": str(report.error), "exit_code": report.error.exit_code} if report.error else None,
    }
