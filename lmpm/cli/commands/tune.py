"""`lmpm tune`: a small model of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmpm.cli import complete
from lmpm.cli.app import App
from lmpm.cli.options import Tokens, download_options, engine_option, json_option, offline_option, pass_app
from lmpm.cli.output.console import is_terminal, put_json
from lmpm.errors import SpecError

if TYPE_CHECKING:
    from lmpm.tuner import Request


@click.command(epilog="Example: `lmpm tune text-to-sql --data train.jsonl --eval evals/sql.jsonl --min-score 0.8`")
@click.argument("name", shell_complete=complete.names)
@click.option("--data", required=True, metavar="FILE", help="Examples: inputs and `answer`, as .jsonl, .csv or .toml.")
@click.option(
    "--eval", "cases", metavar="FILE", help="Cases that decide, never learnt. Without: a tenth of the examples."
)
@click.option("--base", metavar="MODEL", help="A folder of safetensors, or `owner/name` of the Hub.")
@click.option("--adapter", is_flag=True, help="Pin the LoRA beside its base, instead of merging it into a file.")
@click.option("--from-scratch", is_flag=True, help="Train a small model from nothing instead of a LoRA on a base.")
@click.option(
    "--task", shell_complete=complete.tasks, help="How it is asked, where NAME is no task and not pinned yet."
)
@click.option("--min-score", type=click.FloatRange(0, 1), metavar="SHARE", help="Pin nothing below this share.")
@click.option("--check", "only_check", is_flag=True, help="Look at the data and stop. Needs none of the extra.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), default=3.0, show_default=True, metavar="N")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, metavar="N", help="Examples at once.")
@click.option(
    "--quant", default="Q8_0", show_default=True, metavar="QUANT", help="Of the file; Q4_K_M and other K-quants, too."
)
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), metavar="X", help="Learning rate. [2e-4, scratch 2e-3]"
)
@click.option("--rank", type=click.IntRange(1), default=16, show_default=True, metavar="N", help="Of the LoRA.")
@click.option(
    "--max-tokens", type=Tokens(), default="1024", show_default=True, metavar="N", help="Of an example at most."
)
@click.option(
    "--layers", type=click.IntRange(1), default=6, show_default=True, metavar="N", help="From scratch: layers."
)
@click.option(
    "--width", type=click.IntRange(64), default=192, show_default=True, metavar="N", help="From scratch: width."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--data-license", default="", metavar="ID", help="Of the examples, for the model card.")
@click.option("--yes", "-y", is_flag=True, help="Begin without asking.")
@engine_option
@offline_option
@download_options
@json_option
@pass_app()
def command(app: App, name: str, only_check: bool, yes: bool, **options: Any) -> int:
    """Train a small model on your own examples, and pin it.

    Each example has the inputs of the recipe (`lmpm show TASK`) and its `answer`. A LoRA is trained on a base and
    merged into it, or a small model from nothing. Then the cases decide: against the base, against what is pinned, and
    `--min-score`. Ctrl-C keeps what was learnt; the same command goes on.
    """
    from lmpm import tuner
    from lmpm.cli.output import tuning

    request = _request(name, **options)
    if only_check:
        data = tuner.check(app.workspace, request)
        if app.as_json:
            put_json(tuning.data_json(data))
        else:
            tuning.show_data(app.console, data, request)
        return 0
    planned = tuner.plan(app.workspace, request, app.transfers)
    tuning.show_data(app.console, planned.data, request)
    tuning.show_plan(app.console, planned)
    if not yes and not app.as_json and is_terminal() and not click.confirm("Begin?", default=True, err=True):
        raise click.Abort
    outcome = tuner.apply(
        planned,
        tuning.watcher(app.console),
        reporter=tuning.reporter(app.console),
        asking=tuning.asking(app.console),
    )
    if app.as_json:
        put_json(tuning.outcome_json(planned, outcome))
    else:
        tuning.show_outcome(app.console, planned, outcome)
    return 0


def _request(name: str, **options: Any) -> Request:
    """What the options ask for. Raises SpecError for those that exclude each other."""
    from lmpm.tuner import Request, Settings, Shape

    scratch, base, width = options["from_scratch"], options["base"], options["width"]
    if scratch and base:
        raise SpecError("`--base` and `--from-scratch` exclude each other")
    if scratch and options["adapter"]:
        raise SpecError("`--adapter` goes with a base, and `--from-scratch` has none")
    if width % 32:
        raise SpecError(f"`--width {width}` is not a multiple of 32")
    shape = Shape(
        layers=options["layers"], width=width, heads=max(1, width // 32), hidden=-(-width * 8 // 3 // 32) * 32
    )
    settings = Settings(
        kind="scratch" if scratch else "lora",
        epochs=options["epochs"],
        batch=options["batch"],
        rate=options["rate"],
        rank=options["rank"],
        alpha=2 * options["rank"],
        max_tokens=options["max_tokens"],
        seed=options["seed"],
        device=options["device"],
        shape=shape,
    )
    return Request(
        name=name,
        data=options["data"],
        cases=options["cases"],
        base=base,
        task=options["task"],
        least=options["min_score"],
        data_license=options["data_license"],
        quant=_quant(options["quant"]),
        merges=not options["adapter"],
        settings=settings,
    )


def _quant(typed: str) -> str:
    """The quant in its one spelling. Raises SpecError."""
    from lmpm.tuner import QUANTS

    if typed.upper() not in QUANTS:
        raise SpecError(
            f"`{typed}` cannot be made of a model that was tuned", hint=f"Those that can: {', '.join(QUANTS)}"
        )
    return typed.upper()
