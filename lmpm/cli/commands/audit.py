"""`lmpm audit`: what is risky about the things that the lock pins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from lmpm import __version__
from lmpm.cli import workspace
from lmpm.cli.app import App, common, json_option, offline_option
from lmpm.cli.output.console import Console, put, put_json, put_raw, show_error
from lmpm.errors import SpecError
from lmpm.units import count

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
@workspace.global_option
@json_option
@common
def command(form: str, offline: bool, is_global: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Say what is risky about the models that `lmpm.lock` pins.

    Licences, the project's policy, publishers, files that nobody should use, and what changed on the Hub:
    with `--offline` that is left out. Ends with 9 for what is forbidden, 4 for bytes or repositories that are
    not those that were pinned, and 0 when there are only warnings and notes.
    """
    from lmpm.project import audit_exit_code, audit_lock, emit_lock

    if as_json and form in ("sarif", "cyclonedx"):
        raise SpecError(f"`--json` asks for another form than `--format {form}`", hint="Drop one of them")
    app = App(Console(quiet, verbose), offline=offline, is_global=is_global, asks_anew=True)
    project = workspace.project(app, is_global=is_global)
    lock = workspace.read_lock(project)
    text = project.lock_path.read_text("utf-8-sig") if project.lock_path.exists() else emit_lock(lock)
    if form == "cyclonedx":
        from lmpm.project import cyclonedx_bom

        put_raw(cyclonedx_bom(lock, text, version=__version__))
        return 0
    manifest = workspace.read_manifest(project)
    workspace.remark_licenses(app, manifest)
    findings = audit_lock(lock, manifest.policy, app.catalog, None if app.offline else app.hub, app.store)
    if form == "sarif":
        from lmpm.project import sarif_log

        put_raw(json.dumps(sarif_log(findings, text, version=__version__), indent=2))
    elif as_json or form == "json":
        put_json(
            {
                "online": not app.offline,
                "findings": [
                    {
                        "rule": finding.rule.id,
                        "level": finding.rule.level,
                        "name": finding.model,
                        "rung": finding.rung,
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
        place = f"{finding.model}, rung {finding.rung}, {finding.title}"
        put(f"{finding.rule.level:<8} {place}: {finding.detail}")
    counts = {level: sum(finding.rule.level == level for finding in findings) for level in ("error", "warning", "note")}
    words = ", ".join(count(number, level) for level, number in counts.items() if number)
    if app.offline:
        app.console.note("the Hub was not asked what has changed")
    if counts["error"]:
        show_error(f"The audit failed: {words}", hint="`lmpm lock` chooses anew within the policy")
    else:
        app.console.done(f"No errors: {words}" if words else "Nothing was found")
