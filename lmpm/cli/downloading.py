"""The options of commands that download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lmpm import limits, units
from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.cli.app import App


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--connections` and `--limit-rate`."""
    for option in (
        click.option("--limit-rate", metavar="RATE", callback=_rate, help="Bytes a second at most, like `5MB`."),
        click.option(
            "--connections",
            type=click.IntRange(1, limits.MOST_CONNECTIONS),
            default=limits.CONNECTIONS,
            show_default=True,
            metavar="N",
            help="At once, at most.",
        ),
    ):
        function = option(function)
    return function


def apply(app: App, values: dict[str, Any]) -> None:
    """Tell the app what the options say."""
    app.connections, app.rate_limit = values["connections"], values["limit_rate"]


def _rate(ctx: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    rate = units.parse(text.removesuffix("/s"))
    if rate < limits.LEAST_RATE_LIMIT:
        raise SpecError(
            f"`--limit-rate {text}` is too little: {units.human(limits.LEAST_RATE_LIMIT)} a second at least"
        )
    return rate
