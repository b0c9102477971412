"""`lmpm list`: the models of this project, what this machine takes of each, and whether it is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmpm.cli.app import App
from lmpm.cli.options import global_option, hardware_option, json_option, pass_app
from lmpm.cli.output import json, words
from lmpm.cli.output.console import put_json, put_table
from lmpm.cli.output.layout import Fit
from lmpm.errors import NothingFitsError
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Collection

    from lmpm.project import Twin
    from lmpm.types import ModelFile


@click.command(epilog="Example: `lmpm list --json`")
@hardware_option
@global_option
@json_option
@pass_app(local=True)
def command(app: App) -> None:
    """List this project's models, and whether each is here."""
    from lmpm.project import TwinStep, missing_files, rung_for, stale_remarks, twins_of

    store, machine = app.workspace.store, app.workspace.machine
    lock = app.project.require_lock()
    for remark in stale_remarks(app.workspace, lock):
        app.console.note(remark)
    hints: list[str] = []
    rows: list[tuple[str, ...]] = []
    data: list[dict[str, Any]] = []
    for model in lock.models:
        try:
            rung = rung_for(model, machine)
        except NothingFitsError as error:
            rows.append((model.name, "-", "", "", "", "✗ does not fit this machine"))
            data.append({"name": model.name, "present": False, "error": error.message})
            continue
        candidate = rung.candidate
        pinned = [(source, file) for source, files in candidate.pins for file in files]
        lacking = [pair for pair in pinned if not store.find(*pair)]
        present = not lacking
        if lacking:
            from lmpm.store import missing_hint

            hint = missing_hint(lacking[0][0], [file for _, file in lacking])
            hints.append(f"`{model.name}` is missing here. {hint}")
        state = "✓ installed" if present else "✗ missing"
        rows.append(
            (
                model.name,
                candidate.model + words.adapter_words(len(candidate.adapters)),
                candidate.quant,
                human(candidate.total_size),
                candidate.license,
                state + words.variant_words(len(model.candidates)),
            )
        )
        twins = twins_of(model, candidate)
        rows += [_twin_row(twin, missing_files(store, twin)) for twin in twins]
        data.append(
            {
                "name": model.name,
                "present": present,
                **json.rung_json(rung, len(model.candidates)),
                "twins": [TwinStep(model.name, twin, missing_files(store, twin)).as_json() for twin in twins],
            }
        )
    if app.as_json:
        put_json({"models": data})
    elif rows:
        put_table(rows, right=frozenset({3}), fit=Fit(drop=(4,), shorten=(1, 0), wraps=True))
        for hint in dict.fromkeys(hints):
            app.console.note(hint)
    else:
        app.console.done("No models: add one with `lmpm install TASK`")


def _twin_row(twin: Twin, missing: Collection[ModelFile]) -> tuple[str, ...]:
    """A row below that of its model; a twin that is not here keeps no model from running."""
    state = "twin, not here" if missing else "✓ twin"
    return ("", twin.source.repo, twin.form, human(twin.size), twin.license, state)
