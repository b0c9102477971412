"""`lmpm eval`: how many questions each model gets right."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import (
    download_options,
    engine_option,
    global_option,
    json_option,
    offline_option,
    pass_app,
)
from lmpm.cli.output.console import is_terminal, put_json
from lmpm.cli.output.words import cost_words
from lmpm.errors import MissingFilesError, SmokeTestError, SpecError
from lmpm.units import count, human

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmpm.evaluation import AnyContender, Evaluation, Lineup
    from lmpm.proof import CaseSet


@click.command(
    name="eval",
    epilog="Example: `lmpm eval text-to-sql --cases evals/sql.jsonl --against Qwen2.5-Coder-1.5B:Q8_0`",
)
@click.argument("name", shell_complete=complete.names)
@click.option("--cases", metavar="FILE", help="Questions of your own: .jsonl, .csv or .toml.")
@click.option(
    "--against",
    multiple=True,
    metavar="REF",
    help="Compare with it: a model, a quant as `MODEL:QUANT`, a GGUF file, `recipe:FILE`, or `cloud:NAME`.",
)
@click.option("--task", shell_complete=complete.tasks, help="The task that a GGUF file is asked for.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only cases with this tag. May be repeated.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Ask N of the cases, the same ones each time.")
@click.option("--show", type=click.Choice(["lost", "won", "wrong", "all"]), help="Show these cases with their answers.")
@click.option("--no-grammar", is_flag=True, help="Ask each model once more, its answers held to no grammar.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Of an answer at most, for all.")
@click.option("--run-code", is_flag=True, help="Run code that the model writes, confined (Linux).")
@click.option("--pass", "needed", type=click.FloatRange(0, 1), metavar="SHARE", help="Exit with 8 below this share.")
@click.option("--report", metavar="FILE", type=click.Path(dir_okay=False), help="Write a Markdown page with a plot.")
@click.option("--junit", metavar="FILE", type=click.Path(dir_okay=False), help="Write JUnit XML too.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a download, or before a provider is paid.")
@engine_option
@offline_option
@download_options
@global_option
@json_option
@pass_app()
def command(
    app: App,
    name: str,
    cases: str | None,
    against: tuple[str, ...],
    task: str | None,
    tags: tuple[str, ...],
    limit: int | None,
    show: str | None,
    no_grammar: bool,
    max_tokens: int | None,
    run_code: bool,
    needed: float | None,
    report: str | None,
    junit: str | None,
    yes: bool,
) -> None:
    """Count how many questions a model gets right, beside others.

    NAME is a model of this project, a task, or a GGUF file. It is asked `--cases`, else the `checks` of lmpm.toml, else
    lmpm's own set for its task, always greedily. Answers are kept: what was asked before is not asked again, so a run
    that was interrupted goes on where it was.
    """
    from lmpm.cli.output import evaluation as words
    from lmpm.evaluation import cases_of, contenders_of, evaluate, line_up

    page, xml = app.writable(report), app.writable(junit)
    lineup = line_up(app.workspace, name, against, task=task, environ=os.environ)
    early = lineup.subject.recipe if lineup.subject else lineup.task.recipe if lineup.task else None
    asked = cases_of(app.workspace, name, early, lineup.task, cases) if early else None
    _agree(app, lineup, yes=yes)
    base, *others = contenders_of(lineup, app.transfers)
    contenders: list[AnyContender] = [base, *others]
    if asked is None:
        asked = cases_of(app.workspace, name, base.subject.recipe, lineup.task, cases)
    asked = _chosen(asked, tags, limit)
    if max_tokens:
        contenders = [contender.with_recipe(max_tokens=max_tokens) for contender in contenders]
    if no_grammar:
        contenders = _with_and_without_grammar(contenders)
    _agree_to_pay(app, contenders, asked, yes=yes)
    from lmpm.machine import describe

    machine = describe(app.workspace.engine.machine)
    words.show_begin(app.console, asked, machine)
    found = evaluate(
        name,
        asked,
        contenders,
        kept=app.workspace.home / "answers",
        machine=machine,
        runs_code=run_code,
        watcher=words.Progress(app.console),
    )
    line = app.project.manifest().models.get(name)
    least = needed if needed is not None else line.pass_share if line and cases is None else None
    _write(found, page, xml, least)
    _conclude(app, found, show, least, own_checks=line is not None and line.checks is not None)


def _agree(app: App, lineup: Lineup, *, yes: bool) -> None:
    """Say what has to be downloaded, and ask. Raises MissingFilesError where nobody can be asked."""
    for step in lineup.downloads:
        facts = f"{step.title} {step.quant}  {human(step.download_size)}  {step.license}"
        app.console.say("Download", f"{facts}  from {step.source}")
    size = lineup.download_size
    if not size or yes:
        return
    problem = f"{human(size)} would have to be downloaded"
    if app.as_json or not is_terminal():
        raise MissingFilesError(problem, hint="Agree with `--yes`", kind="not-downloaded")
    if not click.confirm(f"{problem}. Download?", default=True, err=True):
        raise click.Abort


def _agree_to_pay(app: App, contenders: Sequence[AnyContender], cases: CaseSet, *, yes: bool) -> None:
    """Say what providers will be asked, and ask before they are. Raises SpecError where nobody can be asked."""
    from lmpm.evaluation import CloudContender, cost_of, unanswered

    for contender in contenders:
        if not isinstance(contender, CloudContender) or yes:
            continue
        missing = unanswered(cases, contender, app.workspace.home / "answers")
        if not missing:
            continue
        size = cost_words(cost_of(contender, missing))
        if app.as_json or not is_terminal():
            raise SpecError(f"{contender.label} costs money: {size}", hint="Agree with `--yes`", kind="costs-money")
        host = urlsplit(contender.client.provider.base_url).netloc
        question = f"{contender.label} at {host} is sent the cases, which costs money: {size}. Go on?"
        if not click.confirm(question, default=False, err=True):
            raise click.Abort


def _chosen(cases: CaseSet, tags: Sequence[str], limit: int | None) -> CaseSet:
    """The cases that are wanted. Raises SpecError where none is left."""
    found = cases
    if tags:
        found = replace(cases, cases=tuple(case for case in cases.cases if set(tags) & set(case.tags)))
    if not len(found):
        known = sorted({tag for case in cases.cases for tag in case.tags})
        raise SpecError(f"No case has the tag `{tags[0]}`", hint=f"Tags: {', '.join(known)}" if known else None)
    return found.sample(limit) if limit else found


def _with_and_without_grammar(contenders: Sequence[AnyContender]) -> list[AnyContender]:
    """Each model also without its grammar; a provider is asked without one anyway."""
    from lmpm.evaluation import LocalContender, without_grammar

    found: list[AnyContender] = []
    for contender in contenders:
        found.append(contender)
        if isinstance(contender, LocalContender) and contender.subject.recipe.grammar:
            found.append(without_grammar(contender))
    if len(found) == len(contenders):
        raise SpecError("`--no-grammar`: the recipe holds answers to no grammar as it is")
    return found


def _write(found: Evaluation, report: Path | None, junit: Path | None, least: float | None) -> None:
    """Write the page with its plot, and the XML."""
    from lmpm.evaluation import can_plot, junit as as_junit, markdown, plot_scores
    from lmpm.fs import atomic, disk_errors

    if report is not None:
        pictures = []
        if can_plot():
            picture = report.with_suffix(".png")
            with disk_errors(picture):
                plot_scores(found, picture)
            pictures = [picture.name]
        atomic.write_text(report, markdown(found, pictures=pictures))
    if junit is not None:
        atomic.write_text(junit, as_junit(found, least))


def _conclude(app: App, found: Evaluation, show: str | None, least: float | None, *, own_checks: bool) -> None:
    """Show the table, what differs, and the next step. Raises SmokeTestError where too few are right."""
    from lmpm.cli.output import evaluation as words
    from lmpm.evaluation import as_json

    data: dict[str, Any] = as_json(found)
    base = found.scores[0]
    if not app.as_json:
        words.show_scores(found)
        words.show_cases(found, show)
    if found.is_cut_short:
        app.console.note("Interrupted: the answers so far are kept. Run the same command again to go on")
        if app.as_json:
            put_json(data)
        raise click.exceptions.Exit(130)
    if least is not None and base.share < least:
        error = SmokeTestError(
            f"{base.right} of {base.number} are right, {least * 100:g} % are needed",
            hint="See what went wrong with `--show wrong`",
            kind="checks",
        )
        raise app.answered(error, data)
    if app.as_json:
        put_json(data)
        return
    if found.left_out:
        app.console.note(f"{count(found.left_out, 'case')} left out, which run code: `--run-code`")
    words.show_next(app.console, found, is_shown=show is not None, own_checks=own_checks)
