"""What is written where: data on stdout, everything else on stderr, colour only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lmpm.validate import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LABEL_WIDTH = 10  # of the words before a line: `Machine`, `Chosen`, `Why`


def colour_wanted() -> bool:
    """Colour goes to a terminal that did not ask for none."""
    return (not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stderr.isatty()) or bool(
        os.environ.get("FORCE_COLOR")
    )


@dataclass(frozen=True, slots=True)
class Console:
    """Writes for people; `quiet` keeps only errors and data, `verbose` adds the details."""

    quiet: bool = False
    verbose: bool = False

    def say(self, label: str, text: str) -> None:
        """A line for people: a word in the margin, and what there is to say."""
        if not self.quiet:
            word = f"{label:<{LABEL_WIDTH}}"
            _write(f"{style(word, bold=True) if label else word}{printable(text)}")

    def note(self, text: str) -> None:
        """A remark that the user should not miss."""
        if not self.quiet:
            _write(f"{style('note:', fg='yellow')} {printable(text)}")

    def detail(self, text: str) -> None:
        """A line for `--verbose`."""
        if self.verbose and not self.quiet:
            _write(style(printable(text), dim=True))

    def blank(self) -> None:
        """An empty line between parts."""
        if not self.quiet:
            _write("")

    def done(self, text: str) -> None:
        """The most important line, last."""
        if not self.quiet:
            _write(style(printable(text), fg="green"))


def style(text: str, **looks: Any) -> str:
    """Coloured where colour is wanted."""
    return click.style(text, **looks) if colour_wanted() else text


def show_error(message: str, *, details: Sequence[str] = (), hint: str | None = None) -> None:
    """An error as uv writes it: what, then the figures, a blank line, and what to do."""
    _write(f"{style('error:', fg='red', bold=True)} {printable(message)}")
    for line in details:
        _write(f"  {printable(line)}")
    if hint:
        _write(f"\n{style('hint:', fg='cyan', bold=True)} {printable(hint)}")


def put(text: str) -> None:
    """A line of data on stdout."""
    sys.stdout.write(text + "\n")


def put_json(data: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    put(json.dumps({"schema": 1, **data}, indent=2, ensure_ascii=False))


def put_table(rows: Iterable[Sequence[str]], *, indent: str = "", right: frozenset[int] = frozenset()) -> None:
    """Rows in columns as wide as their widest cell; the columns of `right` are flush right."""
    table = [[printable(cell) for cell in row] for row in rows]
    if not table:
        return
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        put((indent + "  ".join(cells)).rstrip())


def _write(text: str) -> None:
    try:
        sys.stderr.write(text + "\n")
    except (BrokenPipeError, ValueError):  # nobody listens: nothing more can be said
        return
