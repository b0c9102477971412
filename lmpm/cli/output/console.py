"""What is written where: data on stdout, everything else on stderr, colour only on a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from lmpm.cli.output.layout import Fit, columns, fit_table, wrap
from lmpm.errors import DiskError
from lmpm.fs import printable
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lmpm.errors import LmpmError

WHOLE: Final = Fit()
PLAIN_SIGNS: Final = str.maketrans("✓✗›", "+x>")
COLOURS: Final = {"✓": "green", "✗": "red", "›": "green", "+": "green", "x": "red", ">": "green"}
_SIGNED: Final = r"(?:^|(?<=\s))[✓✗›+x>] (?:installed|verified|ok|chosen|missing|failed|fail|does not fit)\b"
LABEL_WIDTH: Final = 10  # of the words before a line: `Machine`, `Chosen`, `Why`


def colour_wanted(stream: TextIO | None) -> bool:
    """Colour goes to a terminal that did not ask for none, or where it is asked for."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream is not None and stream.isatty()


def is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


@dataclass(frozen=True, slots=True)
class Console:
    """Writes for people; `quiet` keeps only errors and data, `verbose` adds the details."""

    quiet: bool = False
    verbose: bool = False

    def say(self, label: str, text: str) -> None:
        """A line for people: a word in the margin, and what there is to say."""
        if not self.quiet:
            word = f"{label:<{LABEL_WIDTH}}"
            _write_wrapped(style(word, bold=True) if label else word, LABEL_WIDTH, printable(text))

    def note(self, text: str) -> None:
        """A remark that the user should not miss."""
        if not self.quiet:
            _write_wrapped(style("note: ", fg="yellow"), 6, printable(text))

    def detail(self, text: str) -> None:
        """A line for `--verbose`."""
        if self.verbose and not self.quiet:
            for line in wrap(printable(text), columns(sys.stderr), hang=LABEL_WIDTH):
                _write(style(line, dim=True))

    def aside(self, text: str) -> None:
        """What stands beside an answer, dim: how quick it was, what it is of."""
        if not self.quiet:
            for line in wrap(printable(text), columns(sys.stderr)):
                _write(style(line, dim=True))

    def blank(self) -> None:
        """An empty line between parts."""
        if not self.quiet:
            _write("")

    def done(self, text: str) -> None:
        """The most important line, last."""
        if not self.quiet:
            for line in wrap(printable(text), columns(sys.stderr)):
                _write(style(line, fg="green"))


def listen() -> Callable[[], None]:
    """Show the requests that the core logs, as details, until the returned function is called."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # a bar may stand on the line
            clear = "\r\x1b[2K" if sys.stderr is not None and sys.stderr.isatty() else ""
            _write(clear + style(printable(record.getMessage()), dim=True))

    logger, handler = logging.getLogger("lmpm"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    return lambda: logger.removeHandler(handler)


def style(text: str, **looks: Any) -> str:
    """Coloured where colour is wanted."""
    return click.style(text, **looks) if colour_wanted(sys.stderr) else text


def show_error(message: str, *, details: Sequence[str] = (), hint: str | None = None) -> None:
    """An error as uv writes it: what, then the figures, a blank line, and what to do."""
    _write_wrapped(style("error: ", fg="red", bold=True), 7, printable(message))
    for line in details:
        _write_wrapped("  ", 4, printable(line), first=2)
    if hint:
        _write("")
        _write_wrapped(style("hint: ", fg="cyan", bold=True), 6, printable(hint))


class ReaderGoneError(Exception):
    """Whoever read our output has read enough, as `head` does; click would make a failure of it."""


class AnsweredError(Exception):
    """An error of a command that has an answer all the same: `data` is what it says as JSON."""

    def __init__(self, error: LmpmError, data: dict[str, Any]) -> None:
        super().__init__(error.message)
        self.error = error
        self.data = data


def put(text: str, *, hang: int | None = None) -> None:
    """A line for people on stdout, which nothing from outside can turn into commands for the terminal.

    On a terminal it goes on in further lines, `hang` columns in: two more than the first one unless said.
    """
    text = printable(text)
    if hang is None:
        hang = len(text) - len(text.lstrip()) + 2
    for line in wrap(text, columns(sys.stdout), hang=hang):
        put_raw(_signed(line))


def put_raw(text: str) -> None:
    """Data on stdout as it is. Raises DiskError when it cannot be written, ReaderGoneError without a reader."""
    with stdout_errors():
        sys.stdout.write(text + "\n")


def flush() -> None:
    """Hand everything on stdout over. Raises like `put`."""
    if sys.stdout is not None:
        with stdout_errors():
            sys.stdout.flush()


@contextmanager
def stdout_errors() -> Iterator[None]:
    """Turn a stdout that takes nothing into a DiskError, or into a ReaderGoneError when nobody reads on."""
    if sys.stdout is None:
        raise DiskError("Cannot write the output: stdout is closed")
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except OSError as error:
        raise DiskError(f"Cannot write the output: {(error.strerror or str(error)).lower()}") from error


def put_json(data: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    put_raw(json.dumps({"schema": 1, **data}, indent=2, ensure_ascii=False))


def put_table(
    rows: Iterable[Sequence[str]],
    *,
    heads: Sequence[str] = (),
    indent: str = "",
    right: frozenset[int] = frozenset(),
    fit: Fit = WHOLE,
) -> None:
    """Rows in columns as wide as their widest cell; those of `right` are flush right.

    `heads` stand above them, `fit` says what gives way first where a terminal is too narrow.
    """
    table = [[printable(cell) for cell in row] for row in rows]
    if not table:
        return
    if heads:
        columns_ = zip(*table, strict=True)
        table.insert(0, [head if any(cells) else "" for head, cells in zip(heads, columns_, strict=True)])
    for line in fit_table(table, columns(sys.stdout), indent=len(indent), right=right, fit=fit, has_heads=bool(heads)):
        put_raw(_signed(line))


def _signed(line: str) -> str:
    """A line whose status words have their colour; the sign before them says the same where there is none."""
    if not re.search(_SIGNED, line):
        return line
    try:
        "✓✗›".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        line = line.translate(PLAIN_SIGNS)
    if not colour_wanted(sys.stdout):
        return line
    return re.sub(_SIGNED, lambda found: click.style(found[0], fg=COLOURS[found[0][0]]), line)


def put_rest(number: int, noun: str, *, indent: str = "") -> None:
    """How many more there are of what was listed, and how to see them."""
    if number:
        put(f"{indent}{count(number, f'more {noun}')}: `--all`")


def _write_wrapped(prefix: str, hang: int, text: str, *, first: int | None = None) -> None:
    """A text behind a prefix, whose later lines begin below it."""
    line, *rest = wrap(text, columns(sys.stderr), hang=hang, first=hang if first is None else first)
    _write(prefix + line)
    for more in rest:
        _write(more)


def _write(text: str) -> None:
    if sys.stderr is not None:  # closed: nobody listens, and nothing more can be said
        with suppress(OSError, ValueError):
            sys.stderr.write(text + "\n")
