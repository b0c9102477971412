"""The options by which a user narrows a choice, and the constraints that they make."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lmpm.resolver import Constraints

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.project import ManifestModel
    from lmpm.resolver import Resolution


class Size(click.ParamType[int]):
    """A size such as `8GB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes from what was typed."""
        from lmpm.errors import SpecError
        from lmpm.units import parse

        try:
            return value if isinstance(value, int) else parse(value)
        except SpecError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)


def constraint_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a choice to a command."""
    for option in reversed(
        (
            click.option("-c", "--context", type=click.IntRange(1, 2**24), help="Tokens to plan for."),
            click.option("--quant", help="Only this quant, such as Q5_K_M."),
            click.option(
                "--prefer", type=click.Choice(["quality", "speed", "small"]), default="quality", show_default=True
            ),
            click.option("--license", "licenses", metavar="ID,...", help="Only these licences, such as mit."),
            click.option("--max-size", type=Size(), metavar="SIZE", help="Download at most this, such as 5GB."),
            click.option("--min-speed", type=click.FloatRange(0), help="Tokens a second that it must reach."),
            click.option("--task", help="The task that a model is meant for."),
        )
    ):
        function = option(function)
    return function


def constraints_from(options: dict[str, Any]) -> Constraints:
    """The constraints that the options make. Raises SpecError for an unknown quant."""
    from lmpm import licenses
    from lmpm.resolver import parse_quant

    named = options["licenses"]
    return Constraints(
        task=options["task"],
        context=options["context"],
        quant=parse_quant(options["quant"]) if options["quant"] else None,
        min_speed=options["min_speed"],
        max_size=options["max_size"],
        licenses_allowed=frozenset(licenses.normalise(item) for item in named.split(",")) if named else None,
        prefer=options["prefer"],
    )


def overlay(constraints: Constraints, options: dict[str, Any]) -> Constraints:
    """A constraints with what the options say in place of what it says itself."""
    said = constraints_from(options)
    names = ("task", "context", "quant", "min_speed", "max_size", "licenses_allowed")
    changes: dict[str, Any] = {name: getattr(said, name) for name in names if getattr(said, name) is not None}
    return replace(constraints, **changes, prefer=said.prefer if said.prefer != "quality" else constraints.prefer)


def constraints_again(line: ManifestModel, ref: str, options: dict[str, Any]) -> Constraints:
    """The constraints of a line of the manifest, overridden by the options."""
    from lmpm.project import Policy, constraints_of
    from lmpm.resolver import FileReference, UrlReference, parse_reference

    constraints = overlay(constraints_of(line, Policy()), options)
    reference = parse_reference(ref)
    named = None if isinstance(reference, FileReference | UrlReference) else reference.quant
    return replace(constraints, quant=constraints_from(options).quant) if named else constraints


def choosing_model(
    resolve: Callable[[Constraints], Resolution], constraints: Constraints, *, may_ask: bool
) -> Resolution:
    """What `resolve` gives for the constraints. Where words may mean several models, a terminal is asked which.

    Raises AmbiguousNameError, with the list, for a script.
    """
    from lmpm.cli.output.console import is_terminal
    from lmpm.errors import AmbiguousNameError

    try:
        return resolve(constraints)
    except AmbiguousNameError as error:
        if not may_ask or not is_terminal():
            raise
        click.echo(error.message, err=True)
        for number, line in enumerate(error.details, start=1):
            click.echo(f"  {number}  {line}", err=True)
        number = click.prompt("Which one", type=click.IntRange(1, len(error.choices)), err=True)
        return resolve(replace(constraints, model=error.choices[number - 1][0]))
