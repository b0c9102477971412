"""An answer while it is written: words on stdout, thoughts and progress beside them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import click

from lmpm.cli.output.console import colour_wanted, flush, stdout_errors
from lmpm.fs import printable
from lmpm.units import duration

if TYPE_CHECKING:
    from lmpm.cli.output.console import Console

PROGRESS_AFTER_S: Final = 0.5  # of reading a prompt; less is over before one could read the line
CLEAR: Final = "\r\x1b[2K"


class Writer:
    """Writes the pieces of one answer. What goes to a terminal cannot command it; what goes to a program is whole."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self.tells = not console.quiet and sys.stderr is not None and sys.stderr.isatty()
        self.began = time.monotonic()
        self.text = ""  # of the answer, as far as it has come
        self._at_line_start = True
        self._has_progress = self._has_thought = False

    def read(self, done: int, total: int) -> None:
        """Say how far the prompt is read, where that takes its time."""
        if self.tells and time.monotonic() - self.began > PROGRESS_AFTER_S:
            share = f"{done / total:.0%}" if total else ""
            sys.stderr.write(f"{CLEAR}reading the prompt  {done:,} of {total:,} tokens  {share}")
            sys.stderr.flush()
            self._has_progress = True

    def think(self, piece: str) -> None:
        """A piece of what the model thinks: dim on a terminal, and nowhere else."""
        if not self.tells:
            return
        self._clear_progress()
        text = _harmless(piece)
        sys.stderr.write(click.style(text, dim=True) if colour_wanted(sys.stderr) else text)
        sys.stderr.flush()
        self._has_thought = True

    def write(self, piece: str) -> None:
        """A piece of the answer."""
        self._clear_progress()
        if self._has_thought:
            sys.stderr.write("\n\n")
            sys.stderr.flush()
            self._has_thought = False
        self.text += piece
        text = _harmless(piece) if self.is_terminal else piece
        if not text:
            return
        with stdout_errors():
            sys.stdout.write(text)
        flush()
        self._at_line_start = text.endswith("\n")

    def end(self) -> None:
        """End the line."""
        self._clear_progress()
        if self._has_thought:
            sys.stderr.write("\n")
            self._has_thought = False
        if not self._at_line_start:
            with stdout_errors():
                sys.stdout.write("\n")
            flush()
            self._at_line_start = True

    def _clear_progress(self) -> None:
        if self._has_progress:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()
            self._has_progress = False


def speed_words(first_token_s: float | None, decode: float | None) -> str:
    """How quick an answer was, in a few words."""
    parts = [f"{duration(first_token_s)} to first token"] if first_token_s is not None else []
    return " · ".join([*parts, *([f"{decode:,.0f} tok/s"] if decode else [])])


def _harmless(text: str) -> str:
    """The text without anything that a terminal would obey; lines and tabs stay."""
    return "".join(char if char in "\n\t" else printable(char) for char in text)
