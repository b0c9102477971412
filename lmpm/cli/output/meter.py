"""How far a download is, in one line as wide as the terminal allows."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lmpm.cli.output.layout import clip, padded
from lmpm.units import duration, human, out_of

if TYPE_CHECKING:
    from collections.abc import Callable

RATE_WINDOW_S: Final = 5.0  # over which a rate is measured: steady enough to read, quick enough to believe
_BAR_MOST: Final = 30  # cells
_BAR_LEAST: Final = 8
_NAME_LEAST: Final = 12
_NAME_SHARE: Final = 4  # part of a line that a name takes at most
_RATE_WIDTH: Final = 10  # of `48.1 MiB/s`
_LEFT_WIDTH: Final = 10  # of `1 min 12 s`


@dataclass(slots=True)
class Meter:
    """Bytes of one file, or of all of them, on their way."""

    name: str
    size: int
    done: int = 0
    kept: int = 0  # of them, what an earlier run had fetched
    clock: Callable[[], float] = time.monotonic
    _marks: deque[tuple[float, int]] = field(default_factory=deque)  # (when, how far)

    def __post_init__(self) -> None:
        self._marks.append((self.clock(), self.done))

    def advance(self, count: int) -> None:
        """Count bytes; fewer than none when some were thrown away."""
        self.done += count
        now = self.clock()
        if count < 0:
            self._marks.clear()
        self._marks.append((now, self.done))
        while len(self._marks) > 2 and now - self._marks[1][0] >= RATE_WINDOW_S:
            self._marks.popleft()

    @property
    def rate(self) -> float:
        """Bytes a second of late; 0 while nothing is known."""
        (then, before), now = self._marks[0], self.clock()
        return max(0.0, (self.done - before) / (now - then)) if now - then > 0.2 else 0.0

    @property
    def percent(self) -> int:
        """How much of it is there, rounded down: 100 means all."""
        return 100 * self.done // self.size if self.size else 100

    @property
    def left(self) -> str:
        """How long it will take, in words."""
        if self.done >= self.size:
            return "checking"
        return f"{duration((self.size - self.done) / self.rate)} left" if self.rate else "…"

    def figures(self, *, short: bool = False) -> list[str]:
        """Everything there is to say, the most important first; `short` ones keep their widths: nothing jumps."""
        rate = f"{human(self.rate)}/s" if self.rate else "…"
        resumed = [f"{human(self.kept)} resumed"] if self.kept else []
        percent = f"{self.percent:>3} %"
        if not short:
            return [percent, f"{human(self.done)} of {human(self.size)}", rate, self.left, *resumed]
        left = self.left.removesuffix(" left")
        return [percent, out_of(self.done, self.size), f"{rate:>{_RATE_WIDTH}}", f"{left:<{_LEFT_WIDTH}}", *resumed]

    def line(self, width: int, *, name_width: int, plain: bool = False) -> str:
        """One line of at most `width` cells. `plain` keeps to ASCII."""
        figures = self.figures(short=True)
        if plain:
            figures = [text.replace("…", "-") for text in figures]
        name_width = min(name_width, max(_NAME_LEAST, width // _NAME_SHARE))
        spare = width - name_width
        bar = _BAR_LEAST + 2 if spare > sum(2 + len(text) for text in figures[:4]) + _BAR_LEAST else 0
        while len(figures) > 1 and sum(2 + len(text) for text in figures) + bar > spare:
            figures.pop()
        tail = "".join(f"  {text}" for text in figures)
        bar = min(_BAR_MOST, width - name_width - len(tail) - 2)
        drawn = f"  {self._bar(bar, plain=plain)}" if bar >= _BAR_LEAST else ""
        return clip(padded(clip(self.name, name_width, plain=plain), name_width) + drawn + tail, width, plain=plain)

    def _bar(self, width: int, *, plain: bool) -> str:
        full = min(width, width * self.done // self.size) if self.size else width
        return ("#" * full + "." * (width - full)) if plain else ("━" * full + "─" * (width - full))
