"""`lmpm run`: ask a model, here and now."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lmpm.cli import complete, inputs
from lmpm.cli.app import App
from lmpm.cli.options import (
    Tokens,
    download_options,
    engine_option,
    global_option,
    hardware_option,
    json_option,
    offline_option,
    pass_app,
)
from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.cli.asking import Asker
    from lmpm.cli.asking_sql import SqlOptions
    from lmpm.cli.inputs import Given
    from lmpm.recipe import Recipe

OWN: Final = ("db", "demo", "tables", "dialect", "execute", "format", "rows", "grammar", "image", "context", "system",
              "max-tokens", "temperature", "seed", "think", "kind", "task", "yes", "json", "offline")  # fmt: skip


class _Asking(click.Command):
    """A command whose help lists the inputs of what it is about: of the task that was named, or of every one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words, of which the help page is told the first."""
        ctx.meta["lmpm.ref"] = next((word for word in args if not word.startswith("-")), "")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The inputs of recipes, and the options that every model has."""
        from lmpm.catalog import directory, load

        catalog = load(directory())
        named = catalog.task(ctx.meta.get("lmpm.ref", ""))
        with formatter.section("Inputs, by the task"):
            rows = [(task.name, inputs.usage(task.recipe)) for task in ([named] if named else catalog.tasks)]
            formatter.write_dl(rows)
        super().format_options(ctx, formatter)


@click.command(
    cls=_Asking,
    context_settings={"ignore_unknown_options": True},
    epilog='Example: `lmpm run text-to-sql --db shop.sqlite --execute "Which customers have never ordered?"`',
)
@click.argument("ref", shell_complete=complete.references)
@click.argument("words", nargs=-1, metavar="[INPUT]...", type=click.UNPROCESSED)
@click.option("-c", "--context", type=Tokens(), metavar="N", help="Tokens to load it for, such as 8192 or 8k.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Of an answer at most.")
@click.option("--temperature", type=click.FloatRange(0, 5), metavar="T", help="0 takes the likeliest token.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), metavar="N", help="Draw the same answer again.")
@click.option("--system", metavar="TEXT", help="What the model is told first, instead of its recipe's.")
@click.option("--think/--no-think", default=None, help="Let the model think before it answers, or not.")
@click.option("--image", "images", multiple=True, metavar="FILE", help="A picture to ask about; may be repeated.")
@click.option("--task", shell_complete=complete.tasks, help="The task that a GGUF file is asked for.")
@click.option("--kind", type=click.Choice(["query", "document"]), help="What the texts of an embedding are.")
@click.option("--db", metavar="FILE", help="SQL: the SQLite database that is asked about; it is only read.")
@click.option("--demo", is_flag=True, help="SQL: ask a database of ten tables that lmpm makes to try it.")
@click.option("--tables", metavar="A,B", help="SQL: show the model only these tables.")
@click.option(
    "--dialect",
    type=click.Choice(["sqlite", "postgres", "mysql"]),
    default="sqlite",
    show_default=True,
    help="SQL: of the schema.",
)
@click.option("--execute", is_flag=True, help="SQL: run the query on the database, read-only, and show the rows.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="SQL: of rows.",
)
@click.option(
    "--rows", type=click.IntRange(1, 1000), default=100, show_default=True, metavar="N", help="SQL: rows at most."
)
@click.option("--no-grammar", is_flag=True, help="SQL: do not hold the answer to the schema.")
@click.option("-y", "--yes", is_flag=True, help="Download what is missing without asking.")
@offline_option
@engine_option
@hardware_option
@download_options
@global_option
@json_option
@pass_app()
def command(app: App, ref: str, words: tuple[str, ...], **options: Any) -> None:
    """Ask a model.

    REF is a name of the project, of your own models, a task, or any reference, such as `hf:user/repo:Q4_K_M` or
    `./model.gguf`. INPUT is what is asked: text, `@file`, or `-` for what is piped in.

    Further inputs are options of their own names, listed below by task; `lmpm show REF` says which a model takes.

    A chat without INPUT on a terminal is a conversation. Several lines that are piped in for embeddings or a
    classification are answered with one JSON object each.
    """
    from lmpm.cli.asking import Asker
    from lmpm.cli.asking_sql import database_path
    from lmpm.cli.opening import find

    sql = _sql_options(options)
    if sql.db:
        database_path(sql, app.workspace.home)  # the URL of a server is refused before anything is loaded
    subject = find(app, ref, task=options["task"], agreed=options["yes"])
    if options["system"] is not None:
        subject = replace(subject, recipe=replace(subject.recipe, system=options["system"]))
    as_pinned = options["system"] is None  # `lmpm serve` leads with what the recipe says
    asker = Asker(app, subject, _answer_options(options), options["context"], takes_served=as_pinned)
    try:
        _ask(asker, words, options, sql)
    finally:
        asker.close()


def _ask(asker: Asker, words: Sequence[str], options: dict[str, Any], sql: SqlOptions) -> None:
    recipe = asker.subject.recipe
    given = inputs.parse(words, recipe, others=OWN)
    _check_options(recipe, options, sql)
    given |= _images(recipe, options["images"])
    if recipe.grammar != "sql":  # whose schema may come from a database
        inputs.require(recipe, given)
    main = recipe.main
    from_pipe = main is not None and main.name not in given and inputs.is_piped()
    if main is not None and from_pipe and not (sql.demo and recipe.grammar == "sql"):
        text = inputs.read_stdin()
        lines = [line for line in text.splitlines() if line.strip()]
        if not lines:
            raise SpecError(f"There is no {main.name}: nothing was piped in", hint="Give it as INPUT")
        if recipe.grammar == "labels" and len(lines) > 1:
            asker.lines(given, main.name, lines)
            return
        given[main.name] = tuple(lines) if main.is_list else text.strip("\n")
    if recipe.grammar == "sql":
        from lmpm.cli.asking_sql import ask_database

        ask_database(asker, given, sql)
    elif recipe.kind == "embed":
        asker.embed(recipe.checked(given)["texts"], options["kind"] or "")
    elif recipe.kind == "rerank":
        values = recipe.checked(given)
        asker.rerank(str(values["query"]), values["documents"])
    elif main is not None and main.name not in given and recipe.kind == "chat" and sys.stdout.isatty():
        asker.converse(asker.app.workspace.home / "history" / "run")
    else:
        asker.once(given)


def _check_options(recipe: Recipe, options: dict[str, Any], sql: SqlOptions) -> None:
    """Refuse what is of another kind of model."""
    if sql.is_set and recipe.grammar != "sql":
        raise SpecError("`--db`, `--demo`, `--tables`, `--execute` and the like are for a model that writes SQL")
    if options["kind"] and recipe.kind != "embed":
        raise SpecError("`--kind` is for embeddings")


def _images(recipe: Recipe, files: Sequence[str]) -> Given:
    """The files of pictures, for the input of the recipe that takes them."""
    if not files:
        return {}
    item = next((item for item in recipe.inputs if item.is_image), None)
    if item is None:
        raise SpecError(
            "This model is not asked about pictures", hint="For one that sees: `lmpm run vision --image FILE`"
        )
    if len(files) > 1 and not item.is_list:
        raise SpecError("This model is asked about one picture at a time")
    for file in files:
        if not Path(file).expanduser().is_file():
            raise SpecError(f"There is no file `{file}`")
    return {item.name: tuple(files) if item.is_list else files[0]}


def _answer_options(options: dict[str, Any]) -> Any:
    from lmpm.engine import Options

    return Options(
        max_tokens=options["max_tokens"],
        temperature=options["temperature"],
        seed=options["seed"],
        thinks=options["think"],
    )


def _sql_options(options: dict[str, Any]) -> SqlOptions:
    from lmpm.cli.asking_sql import SqlOptions

    return SqlOptions(
        db=options["db"],
        demo=options["demo"],
        tables=tuple(name.strip() for name in (options["tables"] or "").split(",") if name.strip()),
        dialect=options["dialect"],
        execute=options["execute"] or options["demo"],
        form=options["form"],
        most_rows=options["rows"],
        constrained=not options["no_grammar"],
    )
