"""`lmpm resolve`: the choice for a machine, nothing downloaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import workspace
from lmpm.cli.app import App, common, hardware_option, json_option, offline_option
from lmpm.cli.options import choosing_model, constraint_options, constraints_from
from lmpm.cli.output import funnel, render
from lmpm.cli.output.console import Console, put, put_json, put_table
from lmpm.errors import NetworkError
from lmpm.resolver import NameReference, parse_reference
from lmpm.units import duration, human

if TYPE_CHECKING:
    from lmpm.resolver import Candidate, Choice, Resolution

SHOWN_ROWS = 12


@click.command(epilog='Example: `lmpm resolve text-to-sql --hardware "M2, 16GB" --explain`')
@click.argument("ref")
@constraint_options
@hardware_option
@click.option("--explain", is_flag=True, help="Show the other candidates and why they were not taken.")
@offline_option
@json_option
@common
def command(ref: str, as_json: bool, explain: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Choose a variant for a machine without downloading it.

    REF is a task, a model, a repository, or words of a model's name. Without a network a task or model is
    answered from the catalog alone, anything else from what the Hub answered before.
    """
    app = App(Console(quiet, verbose), offline=options["offline"], hardware=options["hardware"])
    resolution = resolve(app, ref, options)
    choice = resolution.choice
    if as_json:
        put_json({**render.choice_json(choice), "funnel": funnel.as_json(resolution.funnel)})
    if choice.chosen is None:
        from lmpm.resolver import require_choice

        require_choice(choice)
    if not as_json:
        show(app, resolution, ref, explain=explain)


def resolve(app: App, ref: str, options: dict[str, Any]) -> Resolution:
    """The resolution, within the project's policy; the catalog answers when the Hub cannot."""
    from lmpm.project import with_policy

    manifest = workspace.read_manifest(workspace.project(app, is_global=False))
    workspace.remark_licenses(app, manifest, asked=options["licenses"])
    constraints = with_policy(constraints_from(options), manifest.policy)
    ref = workspace.own_reference(app, ref)
    appraiser = app.appraiser("at hand" if app.offline else "doubtful")
    if not app.offline:
        try:
            return choosing_model(
                lambda asked: app.resolver.resolve(ref, app.machine, asked, where="hub", appraiser=appraiser),
                constraints,
                may_ask=not app.console.quiet,
            )
        except NetworkError as error:
            if not isinstance(parse_reference(ref), NameReference):
                raise
            found = app.resolver.resolve(ref, app.machine, constraints, where="catalog")
            choice = replace(found.choice, notes=(*found.choice.notes, f"not confirmed: {error.message}"))
            return replace(found, choice=choice)
    found = app.resolver.resolve(ref, app.machine, constraints, where="catalog", appraiser=appraiser)
    if app.hub.oldest_s:
        note = f"from what the Hub answered {duration(app.hub.oldest_s)} ago"
        found = replace(found, choice=replace(found.choice, notes=(*found.choice.notes, note)))
    return found


def show(app: App, resolution: Resolution, ref: str, *, explain: bool) -> None:
    """The choice for people: the answer itself on stdout, the rest on stderr."""
    from lmpm.machine import describe

    choice = resolution.choice
    chosen = choice.chosen
    if chosen is None:
        return
    variant = chosen.variant
    app.console.say("Machine", describe(app.machine))
    app.console.say("Why", render.reason(choice, offline=False, ref=ref))
    app.console.say("Needs", render.needs(choice, chosen))
    if not resolution.pinned:
        lacking = [name for name, known in (("revision", _revision(chosen)), ("sha256", _digests(chosen))) if not known]
        app.console.note(f"still to be looked up on the Hub: {' and '.join(lacking)}")
    for note in choice.notes:
        app.console.note(note)
    if explain:
        funnel.put_funnel(resolution.funnel, everything=False)
        put_candidates(choice, SHOWN_ROWS)
        return
    put(f"{variant.source.name}:{variant.quant}  {variant.title}  {human(variant.size)}  {variant.license}")


def put_candidates(choice: Choice, most: int | None) -> None:
    """The chosen one and the others in a table, and how many more there are by reason."""
    kind = choice.request.speed_kind
    rows = []
    if choice.chosen is not None:
        rows.append(("chosen", *_row(choice.chosen, kind), ""))
    shown = choice.rejected if most is None else choice.rejected[:most]
    for item in shown:
        word = "close" if item.reason in ("worse", "speed") else "rejected"
        rows.append((word, *_row(item.candidate, kind), item.detail))
    put_table(rows, indent="  ", right=frozenset({3, 4}))
    rest = choice.rejected[len(shown) :]
    if rest:
        counts: dict[str, int] = {}
        for item in rest:
            counts[item.reason] = counts.get(item.reason, 0) + 1
        words = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda x: -x[1]))
        put(f"  {len(rest)} more: {words}   `--all`")


def _row(candidate: Candidate, kind: str) -> tuple[str, str, str, str, str]:
    variant = candidate.variant
    quality = f"{variant.quality:.1f}" if variant.score is not None else "-"
    speed = render.tok_range(candidate.speed, kind)
    return variant.title, variant.quant, quality, human(candidate.memory.total), speed


def _revision(candidate: Candidate) -> bool:
    return bool(getattr(candidate.variant.source, "revision", True))


def _digests(candidate: Candidate) -> bool:
    return all(file.sha256 for file in candidate.variant.files)
