"""`lmpm search`: matches on the Hub by model, with what would be taken on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from lmpm.cli.app import App
from lmpm.cli.options import Tokens, hardware_option, json_option, offline_option, pass_app
from lmpm.cli.output import json
from lmpm.cli.output.console import put, put_json, put_table
from lmpm.cli.output.layout import Fit
from lmpm.cli.output.words import tok_range
from lmpm.units import count, duration, human, parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.resolver import Match, Matches

SHOWN: Final = 12
SHOWN_REPOS: Final = 2  # of a model, beside the one that would be taken


@click.command(epilog='Example: `lmpm search "deepseek r1 distill qwen 7b"`')
@click.argument("words", nargs=-1, required=True, metavar="TEXT...")
@click.option("-c", "--context", type=Tokens(), metavar="N", default=8192, show_default=True, help="Tokens.")
@click.option("--limit", type=click.IntRange(1, 1000), default=SHOWN, show_default=True, help="Models to list.")
@click.option("--all", "everything", is_flag=True, help="List derived models and every repository, too.")
@hardware_option
@offline_option
@json_option
@pass_app()
def command(app: App, words: tuple[str, ...], everything: bool, limit: int, context: int) -> None:
    """Find models on the Hub by words, and what fits this machine.

    To choose by what a model does, name a task: `lmpm install TASK`.

    What would be taken, its memory and its speed are estimates for this machine; `lmpm resolve` looks closer.
    """
    from lmpm.errors import OfflineError, SpecError, UnknownNameError
    from lmpm.resolver import Constraints, request_for, search_catalog, search_models

    finder = app.workspace.resolver.finder
    text = " ".join(" ".join(words).split())
    if not text:
        raise SpecError("There are no words to search for", hint='For example: `lmpm search "qwen3 8b"`')
    request = request_for(text, Constraints(context=context), None, model=text)
    try:
        matches = search_models(finder, text, request, app.workspace.machine)
    except OfflineError:
        matches = search_catalog(finder, text)
        if not matches.found:
            raise
        app.console.note("the network is switched off: this is what the catalog has")
    if app.as_json:
        put_json(_as_json(matches, limit))
        return
    if not matches.found:
        raise UnknownNameError("model on the Hub", text, listing="Try fewer words; all tasks: `lmpm catalog list`")
    if matches.age_s:
        app.console.note(f"from what the Hub answered {duration(matches.age_s)} ago")
    _show(matches, limit, everything=everything)


def _show(matches: Matches, limit: int, *, everything: bool) -> None:
    plain = [match for match in matches.found if everything or not match.is_derived]
    for match in plain[:limit]:
        _put_match(match, everything=everything)
    rest = [match for match in matches.found if match not in plain[:limit]]
    derived = sum(len(match.rows) for match in rest if match.is_derived)
    others = sum(len(match.rows) for match in rest if not match.is_derived)
    rows = []
    if derived:
        rows.append(("Derived models", count(derived, "repo"), "(fine-tunes, merges, abliterated ones; `--all`)"))
    if others:
        rows.append(("Others", count(others, "repo"), "(`--limit`)"))
    put_table(rows, fit=Fit(wraps=True))
    if not matches.is_complete:
        put(f"These are the {matches.repositories:,} most downloaded matches: type more of the name to see others")


def _put_match(match: Match, *, everything: bool) -> None:
    group = match.group
    known = match.known
    size = known.parameters if known else group.title.parameters
    licenses = [row.license for row in match.rows if row.license != "unknown"]
    license_ = known.license if known else licenses[0] if licenses else "licence unknown"
    repos = count(len(match.rows), "repo") if match.rows else ""
    facts = (repos, parameters(size) if size else "", license_)
    mark = " · in the catalog" if known else ""
    name = known.title if known and not match.rows else group.name
    put(f"{name}   {' · '.join(fact for fact in facts if fact)}{mark}")
    if not match.rows:
        return
    first = match.rows[0]
    put(f"  › {first.id}  {_taken(match)}  {_downloads(first.downloads)}")
    shown = match.rows[1:] if everything else match.rows[1 : 1 + SHOWN_REPOS]
    if everything:
        for row in shown:
            put(f"    {row.id}  {row.license}  {_downloads(row.downloads)}")
    elif shown:
        more = len(match.rows) - 1 - len(shown)
        put("    " + "  ".join(f"{row.publisher}/…" for row in shown) + (f"  {more} more" if more else ""))


def _taken(match: Match) -> str:
    if match.candidate is None:
        return match.why_not or "not looked at"
    variant = match.candidate.variant
    speed = tok_range(match.candidate.speed)
    return f"{variant.quant}  {human(variant.size)}  needs about {human(match.candidate.memory.total)}  {speed}"


def _downloads(count: int) -> str:
    return f"{count / 1000:.0f}k downloads" if count >= 10_000 else f"{count:,} downloads"


def _as_json(matches: Matches, limit: int) -> dict[str, Any]:
    return {
        "text": matches.typed,
        "repositories": matches.repositories,
        "complete": matches.is_complete,
        "age_s": None if matches.age_s is None else round(matches.age_s),
        "models": [_match_json(match) for match in matches.found[:limit]],
        "more": max(0, len(matches.found) - limit),
    }


def _match_json(match: Match) -> dict[str, Any]:
    rows: Sequence[Any] = match.rows
    return {
        "model": match.group.name,
        "base_model": match.group.base,
        "catalog": match.known.name if match.known else None,
        "parameters": match.known.parameters if match.known else match.group.title.parameters,
        "derived": match.is_derived,
        "downloads": match.group.downloads,
        "repos": [
            {"repo": row.id, "license": row.license, "downloads": row.downloads, "likes": row.likes, "gated": row.gated}
            for row in rows
        ],
        "choice": json.candidate_json(match.candidate) if match.candidate else None,
        "why_not": match.why_not or None,
    }
