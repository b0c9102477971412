"""`lmpm bench`: how fast the pinned model answers here, beside other servers."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import engine_option, global_option, json_option, offline_option, pass_app
from lmpm.cli.output.console import is_terminal, put, put_json, put_table
from lmpm.cli.output.layout import Fit
from lmpm.cli.output.moving import MovingLine
from lmpm.cli.output.words import cost_words
from lmpm.errors import LmpmError, SpecError
from lmpm.project import ActionReporter
from lmpm.units import count

if TYPE_CHECKING:
    from lmpm.benchmark import Settings, Target
    from lmpm.runtime import Subject

USUAL_PROMPT, USUAL_ANSWER = 256, 64  # tokens, where the task does not say


class SlowerError(LmpmError):
    """A run that breaks a condition of `--fail-if`."""

    exit_code = 8
    kind = "slower"


@click.command(epilog="Example: `lmpm bench chat --against ollama#qwen3:8b --clients 1,4`")
@click.argument("name", shell_complete=complete.names)
@click.option(
    "--against",
    multiple=True,
    metavar="WHAT",
    help="A base URL, LABEL=URL, ollama, lm-studio, llama-server, vllm, or cloud:NAME; a model after `#`.",
)
@click.option("--no-serve", is_flag=True, help="Only the engine, without `lmpm serve`.")
@click.option("--browser", is_flag=True, help="Beside it the page of `lmpm export browser` in Chromium, at one client.")
@click.option("--wllama", metavar="FILE", help="For --browser: npm package of wllama as a file.")
@click.option("--clients", default="1", show_default=True, metavar="N,...", help="Requests at once, such as 1,4,8,32.")
@click.option(
    "--prompt-tokens", type=click.IntRange(1, 100_000), metavar="N", help="About so many in; the task's unless said."
)
@click.option(
    "--answer-tokens", type=click.IntRange(1, 10_000), metavar="N", help="So many out; the task's unless said."
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), metavar="N", default=3, show_default=True, help="Of all targets, in turns."
)
@click.option("--requests", type=click.IntRange(1, 10_000), metavar="N", help="Of each round; p95 needs 20 in all.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 86_400),
    metavar="N",
    default=60,
    show_default=True,
    help="Of each target a round; who is slower is asked less.",
)
@click.option(
    "--limit", "limits", multiple=True, metavar="NAME=MS", help="For goodput: ttft, tpot or e2el in milliseconds."
)
@click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Other prompts.")
@click.option("--save", type=click.Path(dir_okay=False), metavar="FILE", help="Keep the record as JSON.")
@click.option("--compare", type=click.Path(), metavar="FILE", help="An earlier record.")
@click.option("--fail-if", "rules", multiple=True, metavar="RULE", help="With --compare: such as `ttft_p50>1.2x`.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write a page, with a picture where matplotlib is.",
)
@click.option("--yes", is_flag=True, help="Do not ask before a provider is paid.")
@engine_option
@offline_option
@global_option
@json_option
@pass_app()
def command(app: App, name: str, against: tuple[str, ...], no_serve: bool, save: str | None, **options: Any) -> None:
    """Measure how fast a model answers here, beside other servers.

    All of them are asked in turns, in one run.

    TTFT: from sending to the first text. TPOT: of the time after it, the share of each later token; decode: its
    inverse, tokens a second of one answer. ITL: the gaps between arrivals of text. E2EL: from sending to the end.
    prefill: tokens a second of the prompt, as the server says. together: tokens a second of all answers at once.
    goodput: requests a second that keep every `--limit`. cold: start of the process, load, first token; warm: every
    prompt is new, so that no cache lies; hot: they begin alike, and that was asked before.

    What came at once has no TPOT, ITL or decode but those that its server states. p95 is given from 20 samples on; what
    failed is counted apart.
    """
    from lmpm import benchmark
    from lmpm.runtime import find_subject

    record_file, page = app.writable(save), app.writable(options["report"])
    rules = [benchmark.parse_rule(rule) for rule in options["rules"]]
    before = benchmark.read_record(_path(app, options["compare"])) if options["compare"] else None
    if rules and before is None and any(rule.is_share for rule in rules):
        raise SpecError("`--fail-if` with a share needs an earlier record", hint="Name it with `--compare FILE`")
    workspace = app.workspace
    subject = find_subject(workspace, name, download=not workspace.offline, reporter=ActionReporter(app.transfers))
    if not subject.recipe.writes:
        raise SpecError(f"`{name}` does not write: only models that answer in words are measured yet")
    settings = _settings(app, subject, options)
    if options["browser"] and 1 not in settings.concurrencies:
        raise SpecError("A page answers one at a time: `--browser` goes with `--clients 1` or `--clients 1,...`")
    others = benchmark.other_targets(workspace, subject, against)
    _ask_about_money(others, settings, assumed=options["yes"])
    if settings.prompt_tokens < (options["prompt_tokens"] or 0):
        room = f"a context of {subject.context:,} has no room for more, {max(settings.concurrencies)} at once"
        app.console.note(f"Prompts have {count(settings.prompt_tokens, 'token')}: {room}")
    not_run: dict[str, str] = {}
    load, busy = benchmark.system_load(), list[float]()
    with contextlib.ExitStack() as opened:
        slots = max(settings.concurrencies)
        engine, loaded, tokens = opened.enter_context(benchmark.engine_target(workspace, subject, slots=slots))
        settings = replace(settings, words=benchmark.words_for(settings.prompt_tokens, tokens))
        first = benchmark.ask_all(engine, ["Hello"], concurrency=1, max_tokens=1)[0].first_token_s
        cold = None if first is None else loaded + first
        targets = [engine]
        if not no_serve and subject.locked is not None:  # a file of no lock is not served
            targets.append(opened.enter_context(benchmark.serve_target(workspace, subject, slots=slots)))
        if options["browser"]:
            chosen = {"wllama": options["wllama"]} if options["wllama"] else {}
            page_target, not_run["WebLLM in Chromium"] = opened.enter_context(
                benchmark.browser_target(workspace, subject, answer_tokens=settings.answer_tokens, options=chosen)
            )
            targets.append(page_target)
        line = MovingLine(app.console, "Measuring")

        def began(target: Target, phase: str, clients: int, share: float) -> None:
            line.show(f"{share:4.0%}  {target.label}, {phase}, {count(clients, 'client')}")
            if (now := benchmark.busy_share()) is not None:
                busy.append(now)

        measured = benchmark.measure([*targets, *others], settings, began=began)
        line.clear()
        info = workspace.engine.info
        record = benchmark.make_record(
            name,
            measured,
            settings,
            workspace.machine,
            engine=f"{info.name} {info.build}" if info else "",
            sha256=benchmark.digest_of(subject),
            cold_s=cold,
            not_run=not_run,
            load=load,
            busy=busy,
        )
    benchmark.keep(workspace, record)
    _write(record, record_file, page)
    broken = benchmark.compare(record, before or {"rows": {}}, rules)
    if before and (other := benchmark.what_differs(record, before)):
        app.console.note(f"The earlier record is of another {' and another '.join(other)}")
    _show(app, record, broken)
    if broken:
        raise SlowerError(f"{count(len(broken), 'condition')} broken", details=broken)


def _settings(app: App, subject: Subject, options: dict[str, Any]) -> Settings:
    from lmpm.benchmark import Settings

    task = app.workspace.catalog.task(subject.task) if subject.task else None
    time = task.time if task else None
    prompt = options["prompt_tokens"] or getattr(time, "prompt_tokens", None) or USUAL_PROMPT
    answer = options["answer_tokens"] or getattr(time, "answer_tokens", None) or USUAL_ANSWER
    try:
        clients = tuple(sorted({int(word) for word in options["clients"].split(",")}))
    except ValueError:
        clients = ()
    if not clients or not all(1 <= number <= 256 for number in clients):
        raise SpecError(f"`--clients {options['clients']}` is not a list of numbers such as 1,4,8,32")
    room = subject.context - max(clients) * 16
    if (prompt + answer) * max(clients) > room:  # the slots share one context
        prompt = max(room // max(clients) - answer, 8)
    return Settings(
        prompt_tokens=prompt,
        answer_tokens=answer,
        concurrencies=clients,
        rounds=options["rounds"],
        requests=options["requests"],
        turn_s=options["seconds"],
        limits=_limits(options["limits"]),
        seed=options["seed"],
    )


def _limits(given: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for item in given:
        name, _, value = item.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise SpecError(f"`--limit {item}` is not NAME=MILLISECONDS") from None
        if name not in ("ttft", "tpot", "e2el"):
            raise SpecError(f"`{name}` is not a limit", hint="ttft, tpot or e2el, in milliseconds")
    return found


def _ask_about_money(others: list[Target], settings: Settings, *, assumed: bool) -> None:
    """Say what providers will be asked, and ask before they are. Raises SpecError where nobody can answer."""
    paid = [target for target in others if target.kind == "cloud"]
    if not paid or assumed:
        return
    for target in paid:
        size = cost_words(settings.cost(target.price))
        if not is_terminal():
            raise SpecError(f"{target.label} costs money: {size}", hint="Agree with `--yes`", kind="costs-money")
        host = urlsplit(target.base_url).netloc
        question = f"{target.label} ({target.model}) at {host} is asked, which costs money: {size}. Go on?"
        if not click.confirm(question, default=False, err=True):
            raise click.Abort


def _path(app: App, place: str) -> Path:
    return app.workspace.current / Path(place).expanduser()


def _write(record: dict[str, Any], file: Path | None, page: Path | None) -> None:
    from lmpm.benchmark import can_plot, plot_speed, report
    from lmpm.fs import atomic

    if file:
        atomic.write_text(file, json.dumps({"schema": 1, **record}, indent=1) + "\n")
    if page:
        picture = ""
        if can_plot():
            picture = page.with_suffix(".svg").name
            plot_speed(record, page.with_suffix(".svg"))
        atomic.write_text(page, report.markdown(record, picture=picture))


def _show(app: App, record: dict[str, Any], broken: list[str]) -> None:
    from lmpm.benchmark import report

    if app.as_json:
        put_json({**record, "broken": broken})
        return
    settings = record["settings"]
    put(
        f"{record['name']} on {record['machine']['name']} · {record['engine']} · "
        f"{settings['prompt_tokens']} tokens in, {settings['answer_tokens']} out{report.busy_words(record)}"
    )
    if record["cold_s"] is not None:
        put(f"cold start to the first token: {record['cold_s']:.2f} s")
    put_table(
        report.rows(record),
        heads=report.HEADS,
        indent="  ",
        right=frozenset({2, 3, 8}),
        fit=Fit(drop=(5, 3, 8), shorten=(0,), wraps=True),
    )
    for line in (*report.not_run(record), *report.failures(record), "", *report.shown(record)):
        put(line)
