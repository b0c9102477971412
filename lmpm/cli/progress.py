"""Progress for people: a bar on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from lmpm.progress import Reporter
from lmpm.size import duration, human
from lmpm.validate import printable

if TYPE_CHECKING:
    from lmpm.cli.console import Console

PLAIN_INTERVAL_S = 5.0  # between two lines where nothing can move
HASH_WORTH_SAYING = 256 * 1024 * 1024  # bytes; less is hashed before one could read the line


def reporter_for(console: Console) -> Reporter:
    """A bar on a terminal, plain lines elsewhere, nothing when quiet."""
    if console.quiet:
        return Reporter()
    return BarReporter(console) if sys.stderr.isatty() else PlainReporter(console)


class PlainReporter(Reporter):
    """Writes whole lines only: when a file begins, every few seconds, and when it is verified."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.name = ""
        self.size = self.done = self.kept = 0
        self.began = self.spoke = time.monotonic()

    def started(self, name: str, size: int, kept: int) -> None:
        """Say which file, and what is there already."""
        self.name, self.size, self.done, self.kept = name, size, kept, kept
        self.began = self.spoke = time.monotonic()
        resumed = f", resuming at {human(kept)}" if kept else ""
        self.console.say("Download", f"{name}  {human(size)}{resumed}")

    def advanced(self, count: int) -> None:
        """Say how far it is, not too often."""
        self.done += count
        now = time.monotonic()
        if now - self.spoke >= PLAIN_INTERVAL_S:
            self.spoke = now
            rate = (self.done - self.kept) / max(now - self.began, 1e-9)
            left = duration((self.size - self.done) / rate) if rate > 0 else "unknown time"
            percent = 100 * self.done // max(self.size, 1)
            self.console.say("", f"{percent} %  {human(self.done)} of {human(self.size)}  {human(rate)}/s  {left} left")

    def waiting(self, name: str) -> None:
        """Say that another process is at it."""
        self.console.note(f"another process is downloading `{name}`: waiting for it")

    def retrying(self, name: str, why: str, wait_s: float, tries_left: int) -> None:
        """Say what failed and how often it will be tried again."""
        tries = "1 try" if tries_left == 1 else f"{tries_left} tries"
        self.console.note(f"{why}: trying again in {duration(wait_s)} ({tries} remaining)")

    def restarted(self, name: str, why: str) -> None:
        """Say that it begins again."""
        self.console.note(f"`{name}`: {why}, starting from the beginning")

    def hashing(self, name: str, size: int) -> None:
        """Say so when it will take a while."""
        if size >= HASH_WORTH_SAYING:
            self.console.say("Checking", f"{name}  {human(size)} is there already")

    def finished(self, name: str, size: int, sha256: str) -> None:
        """Say that the bytes are right."""
        self.console.say("Verified", f"sha256 {sha256[:8]}…{sha256[-4:]}  {size:,} bytes")

    def reused(self, name: str, size: int) -> None:
        """Say that nothing had to be fetched."""
        self.console.say("Present", f"{name}  {human(size)}, verified")


class BarReporter(PlainReporter):
    """Moves a bar of tqdm."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar: Any = None

    def started(self, name: str, size: int, kept: int) -> None:
        """Show the bar, filled as far as the bytes are there."""
        from tqdm import tqdm

        self._close()
        self._bar = tqdm(
            total=size,
            initial=kept,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            desc=printable(name),
            leave=False,
            dynamic_ncols=True,
            mininterval=0.1,
            file=sys.stderr,
        )

    def advanced(self, count: int) -> None:
        """Move it."""
        if self._bar is not None:
            self._bar.update(count)

    def waiting(self, name: str) -> None:
        """Speak above the bar."""
        self._close()
        super().waiting(name)

    def retrying(self, name: str, why: str, wait_s: float, tries_left: int) -> None:
        """Speak above the bar."""
        with self._paused():
            super().retrying(name, why, wait_s, tries_left)

    def restarted(self, name: str, why: str) -> None:
        """Speak above the bar."""
        with self._paused():
            super().restarted(name, why)

    def finished(self, name: str, size: int, sha256: str) -> None:
        """Replace the bar by its result."""
        self._close()
        super().finished(name, size, sha256)

    def stopped(self) -> None:
        """Take the bar away."""
        self._close()

    def _paused(self) -> Any:
        from tqdm import tqdm

        return tqdm.external_write_mode(file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
