"""`lmpm audit`: what is risky about the things that the lock pins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from lmpm.cli.app import App
from lmpm.cli.options import global_option, json_option, offline_option, pass_app
from lmpm.cli.output.console import put, put_json, put_raw, show_error
from lmpm.errors import SpecError
from lmpm.units import count
from lmpm.version import __version__

if TYPE_CHECKING:
    from lmpm.project import Finding


@click.command(epilog="Example: `lmpm audit --format sarif > audit.sarif`, `lmpm audit --format cyclonedx > bom.json`")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "cyclonedx"]),
    default="text",
    show_default=True,
    help="`cyclonedx` is a bill of materials, and needs no network.",
)
@offline_option
@global_option
@json_option
@pass_app()
def command(app: App, form: str) -> int:
    """Say what is risky about the models that the lock pins.

    Licences, the project's policy, publishers, files that nobody should use, and what changed on the Hub:
    with `--offline` that is left out. Ends with 9 for what is forbidden, 4 for bytes or repositories that are
    not those that were pinned, and 0 when there are only warnings and notes.
    """
    from lmpm.project import audit_exit_code, audit_lock, emit_lock

    if app.as_json and form in ("sarif", "cyclonedx"):
        raise SpecError(f"`--json` asks for another form than `--format {form}`", hint="Drop one of them")
    project, is_online = app.project, not app.workspace.offline
    lock = project.require_lock()
    text = project.lock_path.read_text("utf-8-sig") if project.lock_path.exists() else emit_lock(lock)
    if form == "cyclonedx":
        from lmpm.project import cyclonedx_bom

        put_raw(cyclonedx_bom(lock, text, version=__version__))
        return 0
    app.remark()
    app.change(asks_anew=True)
    hub = app.workspace.hub if is_online else None
    findings = audit_lock(lock, project.manifest().policy, app.workspace.catalog, hub, app.workspace.store)
    if form == "sarif":
        from lmpm.project import sarif_log

        put_raw(json.dumps(sarif_log(findings, text, version=__version__), indent=2))
    elif app.as_json or form == "json":
        put_json(
            {
                "online": is_online,
                "findings": [
                    {
                        "rule": finding.rule.id,
                        "level": finding.rule.level,
                        "name": finding.model,
                        "variant": finding.rung,
                        "candidate": finding.title,
                        "detail": finding.detail,
                    }
                    for finding in findings
                ],
            }
        )
    else:
        _show(app, findings)
    return audit_exit_code(findings)


def _show(app: App, findings: list[Finding]) -> None:
    for finding in findings:
        put(f"{finding.rule.level:<8} {finding.model}, {finding.title}: {finding.detail}")
    counts = {level: sum(finding.rule.level == level for finding in findings) for level in ("error", "warning", "note")}
    words = ", ".join(count(number, level) for level, number in counts.items() if number)
    if app.workspace.offline:
        app.console.note("the Hub was not asked what has changed")
    if counts["error"]:
        show_error(f"The audit failed: {words}", hint="`lmpm lock` chooses anew within the policy")
    else:
        app.console.done(f"No errors: {words}" if words else "Nothing was found")
