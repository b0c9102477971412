"""`lmpm verify`: test on this machine what the lock pins."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import (
    download_options,
    engine_option,
    global_option,
    hardware_option,
    json_option,
    no_test_option,
    offline_option,
    pass_app,
)
from lmpm.cli.output import json, words
from lmpm.cli.output.console import Console, is_terminal, put, put_json, show_error
from lmpm.errors import DiskError, IntegrityError
from lmpm.project import ActionReporter, actions, verify_exit_code
from lmpm.types import FileSource
from lmpm.units import count, human

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmpm.export import Drift
    from lmpm.project import Report
    from lmpm.types import Machine

NAME_GAP = 3
WORD_WIDTH = 11  # of `model`, `bytes`, `✗ missing`


@click.command(epilog="Example: `lmpm verify --fetch` on a new machine, or in continuous integration")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete.names)
@click.option("--fetch", is_flag=True, help="Download what is missing first.")
@click.option("--quick", is_flag=True, help="Trust files that did not change since they were hashed.")
@click.option("--full", is_flag=True, help="Ask all cases of the project's checks, not ten.")
@click.option("--junit", metavar="FILE", type=click.Path(dir_okay=False), help="Write JUnit XML too.")
@no_test_option
@engine_option
@hardware_option
@offline_option
@download_options
@global_option
@json_option
@pass_app()
def command(
    app: App, names: tuple[str, ...], fetch: bool, quick: bool, full: bool, junit: str | None, no_test: bool
) -> int:
    """Test what `lmpm.lock` pins: it fits, its bytes match, it answers.

    Every locked model fits, its bytes are those of the lock, it loads, and its answers are right.
    Exits with the code of the gravest failure, 0 when everything is right.
    """
    junit_file = app.workspace.current / junit if junit else None
    if junit_file and not junit_file.parent.is_dir():
        raise DiskError(f"There is no directory `{junit_file.parent}` to write `{junit_file.name}` to")
    return run_verify(app, names, fetch=fetch, quick=quick, smoke=not no_test, full=full, junit_file=junit_file)


def run_verify(
    app: App,
    names: tuple[str, ...],
    *,
    fetch: bool = False,
    quick: bool = False,
    smoke: bool = True,
    full: bool = False,
    junit_file: Path | None = None,
) -> int:
    """Verify models of the lock, show how each came out, and return the exit code."""
    from lmpm.project import stale_remarks

    plan = actions.verify.plan(app.workspace, names, fetch=fetch, quick=quick, smoke=smoke, full=full)
    for remark in stale_remarks(app.workspace, app.project.require_lock()):
        app.console.note(remark)
    app.remark()
    if not plan.models:
        app.console.done("Nothing to verify: the lock is empty")
    width = max((len(model.name) for model in plan.models), default=0) + NAME_GAP
    may_ask = is_terminal() and not app.as_json
    reports = actions.verify.apply(plan, _Shown(app, width), may_download=_may_download if may_ask else None)
    drifts = _drifts(app, [model.name for model in plan.models])
    code = verify_exit_code(reports) or (IntegrityError.exit_code if drifts else 0)
    if junit_file:
        from lmpm.fs import atomic
        from lmpm.project import junit_xml

        atomic.write_text(junit_file, junit_xml(list(reports)))
    if app.as_json:
        info = app.workspace.engine.info if any(report.smoke for report in reports) else None
        engine = {"name": info.name, "package": info.package, "build": info.build} if info else None
        put_json(
            {
                "verified": code == 0,
                "engine": engine,
                "models": [_json(report) for report in reports],
                "exports": [{"path": str(drift.path), "kind": drift.kind} for drift in drifts],
            }
        )
    else:
        for drift in drifts:
            put(f"✗ export  {drift}")
        _conclude(app.console, reports)
        if drifts and verify_exit_code(reports) == 0:
            show_error(
                "An export is not as it was made", hint="`lmpm export --check` says more; export again to mend it"
            )
    return code


def _drifts(app: App, names: Sequence[str]) -> list[Drift]:
    """What of the models' exports is not as it was made; what the lock says of them now is for `export --check`."""
    from lmpm.project import Exports

    records = [
        item for item in Exports(app.workspace.home / "exports").of(app.workspace.directory) if item.name in names
    ]
    if not records:
        return []
    from lmpm.export import drifts_of

    return [drift for record in records for drift in drifts_of(record)]


def _may_download(report: Report) -> bool:
    size = human(sum(file.size for file in report.missing))
    return click.confirm(f"{report.name} is not here. Download {size}?", default=True, err=True)


class _Shown(ActionReporter):
    """Shows each report as it comes, unless they are wanted as JSON."""

    def __init__(self, app: App, width: int) -> None:
        super().__init__(app.transfers)
        self.app = app
        self.width = width
        self.engine = ""  # that ran the first model, said once

    def checked(self, report: Report) -> None:
        """Show the lines of one model."""
        if not self.app.as_json:
            if self.app.console.quiet and report.error is None:
                return
            if report.smoke is not None and not self.engine:
                self.engine = report.smoke.engine_build
                put(f"{'engine':<{self.width}}{self.engine}")
            _show(report, self.width, self.app.workspace.machine, self.engine)
            for why in report.rung.passed_over if report.rung else ():
                self.app.console.detail(f"{'':<{self.width}}{why}")


def _show(report: Report, width: int, machine: Machine, engine: str) -> None:
    """The lines of one model: what is taken, its bytes, its test, and what is wrong."""

    def line(word: str, text: str, *, name: str = "") -> None:
        put(f"{name:<{width}}{word:<{WORD_WIDTH}}{text}".rstrip(), hang=width + WORD_WIDTH)

    def failed(text: str, *, name: str = "", word: str = "failed") -> None:
        line(f"✗ {word}", text, name=name)

    rung = report.rung
    if rung is None:
        failed(report.error.message if report.error else "", name=report.name)
        for detail in report.error.details if report.error else ():
            line("", detail)
        return
    candidate = rung.candidate
    title = f"{candidate.model} {candidate.quant}"
    if report.missing:
        size = human(sum(file.size for file in report.missing))
        failed(f"{title}, {size}", name=report.name, word="missing")
        return
    budget = human(machine.budget + machine.host_budget)
    chosen = words.variant_words(report.rungs)
    line("model", f"{title}  fits {human(candidate.memory)} of {budget}{chosen}", name=report.name)
    if report.hashed_bytes:
        how = "unchanged since it was hashed" if report.trusted else "sha256 matches lmpm.lock"
        line("bytes", f"{human(report.hashed_bytes)}  {how}  {words.took(report.hashed_s)}")
    if report.smoke is not None:
        if report.smoke.engine_build != engine:
            line("engine", report.smoke.engine_build)
        if candidate.engine:
            line("engine", f"the lock asks for llama.cpp b{candidate.engine} or newer")
        line("test", f"{report.smoke.detail} · {words.smoke_figures(report.smoke)}{_recorded(report)}")
        if report.smoke.memory and report.smoke.memory.is_notable:
            line("note", words.memory_words(report.smoke.memory))
    if report.checked is not None:
        line("checks", words.checked_words(report.checked))
    for twin in report.twins:
        line("twin", f"{twin.source.repo} {twin.form}, {human(twin.size)}  sha256 matches lmpm.lock")
    for note in report.notes:
        line("note", note)
    if report.error is not None:
        failed(report.error.message)
        for detail in report.error.details:
            line("", detail)
    else:
        line("✓ verified", "")


def _can_be_downloaded(report: Report) -> bool:
    """Whether all that is wrong is that files are missing which the network has."""
    missing = report.error is not None and report.error.kind == "missing-files"
    return missing and report.rung is not None and not isinstance(report.rung.candidate.source, FileSource)


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


def _conclude(console: Console, reports: Sequence[Report]) -> None:
    """How many are right, and what to do about the others."""
    good = sum(report.error is None for report in reports)
    if good == len(reports):
        if not reports:
            return
        console.blank()
        console.done(f"{count(good, 'model')} verified")
        return
    hint = next((report.error.hint for report in reports if report.error and report.error.hint), None)
    if any(_can_be_downloaded(report) for report in reports):
        hint = "To download what is missing, run `lmpm verify --fetch` or `lmpm install`"
    console.blank()
    show_error(f"{good} of {len(reports)} models verified", hint=hint)


def _json(report: Report) -> dict[str, Any]:
    data: dict[str, Any] = {"name": report.name, "ok": report.error is None}
    if report.rung is not None:
        data |= json.rung_json(report.rung, report.rungs)
    return data | {
        "path": str(report.path) if report.path else None,
        "hashed_bytes": report.hashed_bytes,
        "missing": [file.path for file in report.missing],
        "damaged": [{"path": item.path, "kind": item.kind, "detail": item.detail} for item in report.damaged],
        "disagreements": [
            {"variant": item.rung, "key": item.key, "lock": item.said, "file": item.found}
            for item in report.disagreements
        ],
        "smoke": json.smoke_json(report.smoke),
        "checks": json.checked_json(report.checked),
        "recorded": asdict(report.recorded) if report.recorded else None,
        "twins": [{"form": twin.form, "repo": twin.source.repo, "size": twin.size} for twin in report.twins],
        "notes": list(report.notes),
        "error": json.error_json(report.error) if report.error else None,
    }
