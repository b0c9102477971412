"""One line that says how far something is: written over on a terminal, a whole line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from lmpm.cli.output.layout import clip, columns

if TYPE_CHECKING:
    from lmpm.cli.output.console import Console

PLAIN_INTERVAL_S: Final = 10.0  # between two lines where nothing can move
REDRAW_S: Final = 0.1
WIDTH: Final = 80  # columns where a terminal does not say


class MovingLine:
    """The line of a console; `verb` stands before it where it cannot move. A quiet console says nothing."""

    def __init__(self, console: Console, verb: str) -> None:
        self.console, self.verb = console, verb
        self.moves = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._spoke = 0.0 if self.moves else time.monotonic()

    def show(self, text: str) -> None:
        """Say this, unless something was said just now."""
        now = time.monotonic()
        if self.console.quiet or now - self._spoke < (REDRAW_S if self.moves else PLAIN_INTERVAL_S):
            return
        self._spoke = now
        if self.moves:
            sys.stderr.write(f"\r\x1b[2K{clip(text, (columns(sys.stderr) or WIDTH) - 1)}")
            sys.stderr.flush()
        else:
            self.console.say(self.verb, text)

    def clear(self) -> None:
        """Take the line away."""
        if self.moves and not self.console.quiet:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
