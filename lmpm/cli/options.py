"""The options that commands share, and the one preamble that makes an App of them."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from lmpm import limits
from lmpm.cli import complete
from lmpm.cli.app import App, listen_until_closed
from lmpm.errors import SpecError
from lmpm.units import human, parse, tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.resolver import Constraints

R = TypeVar("R")

MOST_TOKENS: Final = 2**24
KEPT: Final = "lmpm.options"  # where options of the preamble are kept in click's context


class _Renamed(click.Option):
    """An option of which the help shows the first name: the others are old ones, and still understood."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help page."""
        names, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names


def pass_app(*, local: bool = False, asks_anew: bool = False) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Hand the command an App, made of the options below that it has, and of those that every command has.

    `local` commands never ask the network; one that `asks_anew` is about what is new there, and is nothing without it.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @wraps(function)
        def call(**parameters: Any) -> R:
            context = click.get_current_context()
            app = App.open(context.meta.get(KEPT, {}), local=local, asks_anew=asks_anew)
            listen_until_closed(context, app.console)
            with app.hints():
                return function(app, **parameters)

        return _quiet(_verbose(_store(call)))

    return decorate


def _kept(
    name: str, *declarations: str, check: Callable[[Any], Any] | None = None, **attributes: Any
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """An option that goes to the App, not to the command; `check` makes its value of what was typed."""

    def keep(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            context.meta.setdefault(KEPT, {})[name] = check(value) if check else value

    return click.option(*declarations, expose_value=False, callback=keep, **attributes)


def _directory(text: str) -> Path:
    if not text:
        raise SpecError("`--store` is empty, expected a directory")
    return Path(text).expanduser().absolute()


def _engine(text: str) -> str:
    if not text.strip():
        raise SpecError("`--engine` is empty, expected a name such as `xllamacpp`, or the path of a llama-server")
    return text.strip()


def _rate(text: str) -> int:
    rate = parse(text.removesuffix("/s"))
    if rate < limits.LEAST_RATE_LIMIT:
        raise SpecError(f"`--limit-rate {text}` is too little: {human(limits.LEAST_RATE_LIMIT)} a second at least")
    return rate


_store = _kept(
    "store", "--store", metavar="DIR", check=_directory, help="Keep files here instead of in the Hugging Face cache."
)
_verbose = _kept("verbose", "-v", "--verbose", is_flag=True, help="Say more.")
_quiet = _kept("quiet", "-q", "--quiet", is_flag=True, help="Print only data and errors.")
json_option = _kept("as_json", "--json", is_flag=True, help="Print one JSON object on stdout.")
offline_option = _kept("offline", "--offline", is_flag=True, help="Use no network.")
global_option = _kept("is_global", "-g", "--global", is_flag=True, help="Your own models, of no project.")
hardware_option = _kept(
    "hardware",
    "--hardware",
    metavar="SPEC",
    help='Choose for another machine, such as "M2, 16GB" or "RTX 4090".',
)
engine_option = _kept(
    "engine",
    "--engine",
    metavar="NAME",
    check=_engine,
    help="Run models with it: xllamacpp, llama-cpp-python, llama-server, or the path of a llama-server.",
)
no_test_option = click.option(
    "--no-test", "--no-smoke", "no_test", cls=_Renamed, is_flag=True, help="Do not run the models."
)
twins_option = click.option("--twins", is_flag=True, help="Bring twins that are pinned, too (see `lmpm export`).")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
_connections = _kept(
    "connections",
    "--connections",
    type=click.IntRange(1, limits.MOST_CONNECTIONS),
    default=limits.CONNECTIONS,
    show_default=True,
    metavar="N",
    help="At once, at most.",
)
_limit_rate = _kept(
    "limit_rate", "--limit-rate", metavar="RATE", check=_rate, help="Bytes a second at most, like `5MB`."
)


def download_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--connections` and `--limit-rate`."""
    return _connections(_limit_rate(function))


def fetch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that download what the lock pins, or will pin."""
    for option in (json_option, global_option, download_options, offline_option, hardware_option, no_test_option):
        function = option(function)
    return dry_run_option(function)


class Size(click.ParamType[int]):
    """A size such as `8GB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes from what was typed."""
        try:
            return value if isinstance(value, int) else parse(value)
        except SpecError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)


class Tokens(click.ParamType[int]):
    """A number of tokens: `8192`, `8k` or `128K`, of which a k is 1,024."""

    name = "tokens"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number from what was typed."""
        found = value if isinstance(value, int) else tokens(value)
        if found is None or not 1 <= found <= MOST_TOKENS:
            self.fail(f"`{value}` is not a number of tokens such as `8192` or `8k`", param, ctx)
        return found


def constraint_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a choice to a command."""
    for option in reversed(
        (
            click.option("-c", "--context", type=Tokens(), metavar="N", help="Tokens to plan for, such as 8192 or 8k."),
            click.option("--quant", help="Only this quant, such as Q5_K_M."),
            click.option(
                "--prefer", type=click.Choice(["quality", "speed", "small"]), default="quality", show_default=True
            ),
            click.option("--license", "licenses", metavar="ID,...", help="Only these licences, such as mit."),
            click.option("--max-size", type=Size(), metavar="SIZE", help="Download at most this, such as 5GB."),
            click.option("--min-speed", type=click.FloatRange(0), help="Tokens a second that it must reach."),
            click.option(
                "--max-wait",
                type=click.FloatRange(0),
                metavar="SECONDS",
                help="To the first token that is seen, at most.",
            ),
            click.option("--task", shell_complete=complete.tasks, help="The task that a model is meant for."),
        )
    ):
        function = option(function)
    return function


def constraints_from(options: dict[str, Any]) -> Constraints:
    """The constraints that the options make. Raises SpecError for an unknown quant."""
    from lmpm import licenses
    from lmpm.resolver import Constraints, parse_quant

    named = options["licenses"]
    return Constraints(
        task=options["task"],
        context=options["context"],
        quant=parse_quant(options["quant"]) if options["quant"] else None,
        min_speed=options["min_speed"],
        max_wait=options["max_wait"],
        max_size=options["max_size"],
        licenses_allowed=frozenset(licenses.normalise(item) for item in named.split(",")) if named else None,
        prefer=options["prefer"],
    )
