"""`lmpm resolve`: the choice for a machine, nothing downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import complete, plans
from lmpm.cli.app import App
from lmpm.cli.options import (
    constraint_options,
    constraints_from,
    hardware_option,
    json_option,
    offline_option,
    pass_app,
)
from lmpm.cli.output import candidates, funnel, json, words
from lmpm.cli.output.console import put, put_json
from lmpm.errors import LmpmError
from lmpm.units import human

if TYPE_CHECKING:
    from lmpm.resolver import Candidate, Resolution


@click.command(epilog='Example: `lmpm resolve text-to-sql --hardware "M2, 16GB" --explain`')
@click.argument("ref", shell_complete=complete.references)
@constraint_options
@hardware_option
@click.option("--explain", is_flag=True, help="Show the other candidates and why they were not taken.")
@offline_option
@json_option
@pass_app()
def command(app: App, ref: str, explain: bool, **options: Any) -> None:
    """Choose a variant for a machine without downloading it.

    `lmpm why` lists the other candidates; `lmpm install --dry-run` says what would be downloaded and pinned.

    REF is a task, a model, a repository, or words of a model's name. Without a network a task or model is
    answered from the catalog alone, anything else from what the Hub answered before.
    """
    from lmpm.project import resolve_reference

    app.remark(licenses=options["licenses"])
    resolution = resolve_reference(app.workspace, ref, constraints_from(options))
    choice = resolution.choice
    data = {**json.choice_json(choice), "funnel": funnel.as_json(resolution.funnel)} if app.as_json else {}
    if choice.chosen is None:
        from lmpm.resolver import require_choice

        try:
            require_choice(choice)
        except LmpmError as error:
            raise app.answered(error, data) from error
    if app.as_json:
        put_json(data)
    else:
        _show(app, resolution, ref, explain=explain)


def _show(app: App, resolution: Resolution, ref: str, *, explain: bool) -> None:
    """The choice for people: the answer itself on stdout, the rest on stderr."""
    from lmpm.machine import describe
    from lmpm.resolver import reference_to

    choice = resolution.choice
    chosen = choice.chosen
    if chosen is None:
        return
    variant = chosen.variant
    app.console.say("Machine", describe(choice.machine))
    app.console.say("Why", words.reason(choice, ref=ref))
    app.console.say("Needs", words.needs(choice, chosen))
    plans.show_guess(app, choice)
    if not resolution.pinned:
        lacking = [name for name, known in (("revision", _revision(chosen)), ("sha256", _digests(chosen))) if not known]
        app.console.note(f"still to be looked up on the Hub: {' and '.join(lacking)}")
    for note in choice.notes:
        app.console.note(note)
    if explain:
        funnel.put_funnel(resolution.funnel, everything=False)
        candidates.put_candidates(choice, candidates.SHOWN_ROWS)
        return
    put(f"{reference_to(variant, ref)}  {variant.title}  {human(variant.size)}  {variant.license}")


def _revision(candidate: Candidate) -> bool:
    return bool(getattr(candidate.variant.source, "revision", True))


def _digests(candidate: Candidate) -> bool:
    return all(file.sha256 for file in candidate.variant.files)
