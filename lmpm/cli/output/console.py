"""What is written where: data on stdout, everything else on stderr, colour only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lmpm.errors import DiskError
from lmpm.fs import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lmpm.errors import LmpmError

LABEL_WIDTH = 10  # of the words before a line: `Machine`, `Chosen`, `Why`


def colour_wanted() -> bool:
    """Colour goes to a terminal that did not ask for none, or where it is asked for."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and sys.stderr is not None and sys.stderr.isatty()


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
    return click.style(text, **looks) if colour_wanted() else text


def show_error(message: str, *, details: Sequence[str] = (), hint: str | None = None) -> None:
    """An error as uv writes it: what, then the figures, a blank line, and what to do."""
    _write(f"{style('error:', fg='red', bold=True)} {printable(message)}")
    for line in details:
        _write(f"  {printable(line)}")
    if hint:
        _write(f"\n{style('hint:', fg='cyan', bold=True)} {printable(hint)}")


class ReaderGoneError(Exception):
    """Whoever read our output has read enough, as `head` does; click would make a failure of it."""


class AnsweredError(Exception):
    """An error of a command that has an answer all the same: `data` is what it says as JSON."""

    def __init__(self, error: LmpmError, data: dict[str, Any]) -> None:
        super().__init__(error.message)
        self.error = error
        self.data = data


def put(text: str) -> None:
    """A line for people on stdout, which nothing from outside can turn into commands for the terminal."""
    put_raw(printable(text))


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
    if sys.stderr is not None:  # closed: nobody listens, and nothing more can be said
        with suppress(OSError, ValueError):
            sys.stderr.write(text + "\n")
