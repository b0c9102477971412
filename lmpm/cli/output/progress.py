"""Progress for people: lines that move on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lmpm.cli.output.layout import cells, columns
from lmpm.cli.output.meter import Meter
from lmpm.fs import printable
from lmpm.reporter import Reporter
from lmpm.units import count, duration, human

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.cli.output.console import Console

PLAIN_INTERVAL_S: Final = 5.0  # between two lines where nothing can move
REDRAW_INTERVAL_S: Final = 0.1
WIDTH: Final = 80  # columns where a terminal does not say
MOST_LINES: Final = 8  # of files; further ones are in the total
HASH_WORTH_SAYING: Final = 256 * 1024 * 1024  # bytes; less is hashed before one could read the line


def reporter_for(console: Console) -> Reporter:
    """Moving lines on a terminal, plain lines elsewhere, nothing when quiet."""
    if console.quiet:
        return Reporter()
    moves = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return LiveReporter(console) if moves else PlainReporter(console)


class PlainReporter(Reporter):
    """Writes whole lines only: when a file begins, every few seconds, when it is verified, and at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.meters: dict[str, Meter] = {}  # of the files under way, in the order of their beginning
        self.planned(1, 0)

    def planned(self, files: int, size: int) -> None:
        """Begin to count."""
        self.files = files
        self.total = Meter("total", size)
        self.began = self.spoke = time.monotonic()
        self.downloaded = self.resumed = self.reused_count = self.verified_count = 0

    def started(self, name: str, size: int, kept: int) -> None:
        """Say which file, and what is there already."""
        self.meters[name] = Meter(printable(name), size, kept, kept)
        self.total.kept += kept
        self.total.advance(kept)
        self.resumed += kept
        resumed = f", resuming at {human(kept)}" if kept else ""
        self.console.say("Download", f"{name}  {human(size)}{resumed}")

    def advanced(self, name: str, count: int) -> None:
        """Say how far it is, not too often."""
        self.downloaded += max(0, count)
        self.total.advance(count)
        meter = self.meters.get(name)
        if meter is not None:
            meter.advance(count)
            self._show(meter)

    def _show(self, meter: Meter) -> None:
        now = time.monotonic()
        if now - self.spoke >= PLAIN_INTERVAL_S:
            self.spoke = now
            whole = self.total if self.files > 1 else meter
            of = f"  {self.verified_count + self.reused_count} of {self.files} files" if self.files > 1 else ""
            self.console.say("", "  ".join(whole.figures()).strip() + of)

    def waiting(self, name: str) -> None:
        """Say that another process is at it."""
        self.console.note(f"another process is downloading `{name}`: waiting for it")

    def retrying(self, name: str, why: str, wait_s: float, tries_left: int) -> None:
        """Say what failed and how often it will be tried again."""
        tries = count(tries_left, "try", "tries")
        self.console.note(f"{why}: trying again in {duration(wait_s)} ({tries} remaining)")

    def restarted(self, name: str, why: str) -> None:
        """Say that it begins again; what was there before is not resumed after all."""
        if meter := self.meters.get(name):
            self.resumed -= meter.kept
            self.total.kept -= meter.kept
            meter.kept = 0
        self.console.note(f"`{name}`: {why}, starting from the beginning")

    def hashing(self, name: str, size: int) -> None:
        """Say so when it will take a while."""
        if size >= HASH_WORTH_SAYING:
            self.console.say("Checking", f"{name}  {human(size)} is there already")

    def finished(self, name: str, size: int, sha256: str) -> None:
        """Say that the bytes are right."""
        self.meters.pop(name, None)
        self.verified_count += 1
        which = f"{name}  " if self.files > 1 else ""  # one file has just been named
        self.console.say("Verified", f"{which}sha256 {sha256[:8]}…{sha256[-4:]}  {size:,} bytes")

    def reused(self, name: str, size: int) -> None:
        """Say that nothing had to be fetched."""
        self.reused_count += 1
        self.total.size -= size  # what is left of the plan is what is fetched
        self.console.say("Present", f"{name}  {human(size)}, verified")

    def remarked(self, name: str, what: str) -> None:
        """Say what was found in a file."""
        self.console.note(f"`{name}`: {what}")

    def stopped(self) -> None:
        """Forget what was under way."""
        self.meters.clear()

    def concluded(self) -> None:
        """Sum up what was downloaded, reused and verified."""
        if not self.downloaded:
            return
        took = time.monotonic() - self.began
        parts = [f"{human(self.downloaded)} downloaded in {duration(took)}, {human(self.downloaded / took)}/s"]
        parts += [f"{human(self.resumed)} resumed"] if self.resumed else []
        parts += [f"{self.reused_count} of {self.files} files reused"] if self.reused_count else []
        parts += [f"all {self.files} verified"] if self.files > 1 else ["verified"]
        self.console.say("Fetched", "; ".join(parts))


class LiveReporter(PlainReporter):
    """Keeps a line for each file, and one for all of them, below everything that was said."""

    def __init__(self, console: Console) -> None:
        self._lines = 0  # on the screen now
        self._drawn = 0.0
        super().__init__(console)

    def started(self, name: str, size: int, kept: int) -> None:
        """Add a line."""
        self._above(lambda: super(LiveReporter, self).started(name, size, kept))

    def waiting(self, name: str) -> None:
        """Speak above the lines."""
        self._above(lambda: super(LiveReporter, self).waiting(name))

    def retrying(self, name: str, why: str, wait_s: float, tries_left: int) -> None:
        """Speak above the lines."""
        self._above(lambda: super(LiveReporter, self).retrying(name, why, wait_s, tries_left))

    def restarted(self, name: str, why: str) -> None:
        """Speak above the lines."""
        self._above(lambda: super(LiveReporter, self).restarted(name, why))

    def hashing(self, name: str, size: int) -> None:
        """Speak above the lines."""
        self._above(lambda: super(LiveReporter, self).hashing(name, size))

    def finished(self, name: str, size: int, sha256: str) -> None:
        """Replace a line by its result."""
        self._above(lambda: super(LiveReporter, self).finished(name, size, sha256))

    def reused(self, name: str, size: int) -> None:
        """Speak above the lines."""
        self._above(lambda: super(LiveReporter, self).reused(name, size))

    def remarked(self, name: str, what: str) -> None:
        """Speak above the lines."""
        self._above(lambda: super(LiveReporter, self).remarked(name, what))

    def stopped(self) -> None:
        """Take the lines away."""
        super().stopped()
        self._clear()

    def _show(self, meter: Meter) -> None:
        now = time.monotonic()
        if now - self._drawn >= REDRAW_INTERVAL_S:
            self._draw()

    def _above(self, speak: Callable[[], None]) -> None:
        self._clear()
        speak()
        self._draw()

    def _draw(self) -> None:
        """Write all lines over the ones before, in one go, so that nothing flickers."""
        self._drawn = time.monotonic()
        meters = [*self.meters.values()][:MOST_LINES]
        meters += [self.total] if meters and self.files > 1 else []
        width = (columns(sys.stderr) or WIDTH) - 1  # a full last column makes some terminals begin a new line
        names = max((cells(meter.name) for meter in meters), default=0)
        plain = not _can_draw()
        lines = [meter.line(width, name_width=names, plain=plain) for meter in meters]
        gone = max(0, self._lines - len(lines))
        up = f"\x1b[{self._lines}A" if self._lines else ""
        text = up + "".join(f"\r{line}\x1b[K\n" for line in lines) + "\r\x1b[K\n" * gone
        self._write(text + (f"\x1b[{gone}A" if gone else ""))
        self._lines = len(lines)

    def _clear(self) -> None:
        if self._lines:
            self._write(f"\x1b[{self._lines}A\r\x1b[J")
            self._lines = 0

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _can_draw() -> bool:
    try:
        "━─…".encode(sys.stderr.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
