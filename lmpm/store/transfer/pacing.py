"""How fast bytes may come, and over how many connections at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from lmpm import limits

if TYPE_CHECKING:
    from collections.abc import Callable


class RateLimit:
    """A cap on the bytes a second of all connections together; without a rate it holds nobody up."""

    def __init__(self, bytes_per_second: int | None = None) -> None:
        self.bytes_per_second = bytes_per_second
        self._due = time.monotonic()
        self._lock = threading.Lock()

    @property
    def most_at_once(self) -> int:
        """Bytes to read in one go, so that the flow is even."""
        if self.bytes_per_second is None:
            return limits.CHUNK_BYTES
        return max(1, min(limits.CHUNK_BYTES, self.bytes_per_second // 20))

    def connections(self, most: int) -> int:
        """How many connections of `most` are worth sharing the rate."""
        if self.bytes_per_second is None:
            return most
        return max(1, min(most, self.bytes_per_second // limits.RATE_PER_CONNECTION))

    def take(self, count: int, stopped: threading.Event) -> None:
        """Wait until so many bytes were due, or until everything stops."""
        if self.bytes_per_second is None:
            return
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now) + count / self.bytes_per_second
            wait = self._due - now
        stopped.wait(wait)


class ConcurrencyGauge:
    """How many connections are worth having: more while the rate grows with them, fewer when the server complains.

    The first goes alone for a moment. Where it is as fast as bytes can be hashed it stays alone; else there are
    `CONNECTIONS` at once, and then twice as many each time that this brought more. What brought nothing is halved.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.target = 1
        self._clock = clock
        self._is_first = True
        self._best = 0.0  # bytes a second, before there were more
        self._before = 1
        self._growing = True
        self._began, self._bytes = clock(), 0
        self._held_since = clock()

    @property
    def sharers(self) -> int:
        """Among how many the rest of a file is to be divided: those there are, or those there may soon be."""
        return self.most if self._growing else self.target

    def observe(self, active: int, received: int) -> None:
        """Look at the bytes that all connections have received so far, and think again now and then."""
        now = self._clock()
        # not at full strength, so that the rate says nothing; the first may well go from one small file to the next
        if not received or (active < self.target and not self._is_first):
            self._began, self._bytes = now, received
            return
        if now - self._began < (limits.GAUGE_ALONE_S if self._is_first else limits.GAUGE_WINDOW_S):
            return
        rate = (received - self._bytes) / (now - self._began)
        self._began, self._bytes = now, received
        if self._is_first:
            self._think_of_others(rate, now)
        elif self._growing:
            self._judge(rate, now)
        elif now - self._held_since > limits.GAUGE_HOLD_S and self.target < self.most:
            self._grow(rate, 2 * self.target)

    def _think_of_others(self, rate: float, now: float) -> None:
        self._is_first = False
        if rate >= limits.ENOUGH_BYTES_PER_S:
            self._hold(now)
        else:
            self._grow(rate, limits.CONNECTIONS)

    def _judge(self, rate: float, now: float) -> None:
        if rate <= self._best * limits.GROWTH_WORTH_IT:
            self.target = max(self._before, self.target // 2)
            self._hold(now)
        elif self.target < self.most:
            self._grow(rate, 2 * self.target)
        else:
            self._hold(now)

    def _grow(self, rate: float, target: int) -> None:
        self._best, self._before, self._growing = rate, self.target, True
        self.target = min(self.most, target)

    def _hold(self, now: float) -> None:
        self._growing, self._held_since = False, now

    def fewer(self, *, overloaded: bool) -> None:
        """A connection failed: one less, or half of them when the server has too much to do."""
        self.target = max(1, self.target // 2 if overloaded else self.target - 1)
        self._before = self.target
        self._is_first = False
        self._hold(self._clock())
