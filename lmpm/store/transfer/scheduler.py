"""All lines of all files that are being fetched: who starts, who is cancelled, and what failures mean."""

from __future__ import annotations

import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.errors import DiskError, HashMismatchError, NetworkError
from lmpm.store.transfer.connection import Connection, Opened
from lmpm.store.transfer.pacing import ConcurrencyGauge
from lmpm.store.transfer.response import RetryableError, WrongRangeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.reporter import Reporter
    from lmpm.store.transfer.download import Download
    from lmpm.store.transfer.pacing import Patience, RateLimit
    from lmpm.store.transfer.ranges import Piece


class Scheduler:
    """Runs in the thread that calls it, which alone talks to the reporter; only lines have threads of their own.

    `more` opens the next file, or gives None when there is none, or none that nobody else is fetching;
    with True it waits for one of those.
    """

    def __init__(
        self,
        *,
        connections: int,
        limit: RateLimit,
        patience: Patience,
        reporter: Reporter,
        more: Callable[[bool], Download | None],
    ) -> None:
        self.limit = limit
        self.patience = patience
        self.reporter = reporter
        self.more = more
        self.jobs: list[Download] = []
        self.gauge = ConcurrencyGauge(connections)
        self._events: SimpleQueue[Connection | Opened] = SimpleQueue()
        self._not_before = 0.0  # on the monotonic clock: no new line until then
        self._received = 0  # bytes from the network, of all files

    def run(self) -> None:
        """Fetch, check and publish until there is no more. Raises the LmpmError that ends it all."""
        while self.jobs or self._admit(wait=False) or self._admit(wait=True):
            self._start_lines()
            self._take_events()
            self._report()
            for line in self._lines():
                line.watch()
            self.gauge.observe(len(self._lines()), self._received)
            for job in [job for job in self.jobs if job.is_received]:
                if job.part.digest.is_settled or not self._lines():
                    self._conclude(job)

    def stop(self) -> None:
        """End all lines and keep what has arrived. A second interrupt ends the waiting for lines."""
        lines = self._lines()
        for line in lines:
            line.cancel()
        until = time.monotonic() + limits.CANCEL_PATIENCE_S
        with suppress(KeyboardInterrupt):  # whoever passes signals on to their children sends it twice
            for line in lines:  # one that still waits for an answer finds later that nobody wants it
                line.join(max(0.0, until - time.monotonic()))
        for job in self.jobs:
            with suppress(DiskError):  # there is a graver reason to stop
                job.leave()

    def _lines(self) -> list[Connection]:
        return [line for job in self.jobs for line in job.lines]

    # -- lines that begin --------------------------------------------------------

    def _start_lines(self) -> None:
        if time.monotonic() < self._not_before:
            return
        while len(self._lines()) < self.gauge.target:
            if any(self._start_line(job, job.next_piece(self.gauge.sharers)) for job in self.jobs):
                continue
            if not self._admit(wait=False) and not any(self._start_line(job, job.relief()) for job in self.jobs):
                return

    def _start_line(self, job: Download, piece: Piece | None) -> bool:
        if piece is None:
            return False
        line = Connection(
            job, piece, limit=self.limit, stall_window_s=self.patience.stall_window_s, events=self._events
        )
        job.lines.add(line)
        line.start()
        return True

    def _admit(self, *, wait: bool) -> bool:
        """Open one more file, if there is one to be had."""
        job = self.more(wait)
        if job is None:
            return False
        self.jobs.append(job)
        self.reporter.started(job.file.path, job.file.size, job.part.kept)
        return True

    # -- lines that end ----------------------------------------------------------

    def _take_events(self) -> None:
        """Wait a moment for something to happen, and see to everything that has."""
        if not self._lines():
            self.patience.sleep(max(0.0, self._not_before - time.monotonic()))
            return
        with suppress(Empty):
            self._see_to(self._events.get(timeout=limits.PROGRESS_INTERVAL_S))
            while True:
                self._see_to(self._events.get(block=False))

    def _see_to(self, event: Connection | Opened) -> None:
        job = event.job
        if isinstance(event, Opened):
            job.knows_ranges = job.knows_ranges or event.knows_ranges
            job.one_line = job.one_line or not event.knows_ranges
            if event.lost:
                self.reporter.restarted(job.file.path, "the server cannot resume")
            return
        job.lines.discard(event)
        job.part.plan.put_back(event.piece)
        if isinstance(event.outcome, RetryableError):
            self._failed(event, event.outcome)
        elif isinstance(event.outcome, WrongRangeError):
            self._doubt(job, str(event.outcome))
        elif event.outcome is not None:
            raise event.outcome
        if job.restart_due and not job.lines:
            job.begin_again()

    def _failed(self, line: Connection, failure: RetryableError) -> None:
        """A line ended early. While others go on, that is a sign to do less; alone, it counts."""
        job, piece = line.job, line.piece
        job.remote.forget_link()
        self.gauge.fewer(overloaded=failure.overloaded)
        piece.failures += 1
        if self._lines():
            again = self.patience.pause(piece.failures - 1) if piece.failures > 1 else 0.0
            self._not_before = time.monotonic() + (again if failure.wait_s is None else failure.wait_s)
            return
        received = job.part.plan.received
        # farther than ever, since a server without ranges begins anew each time, and by more than a trickle, which
        # would otherwise be waited for without end
        least = limits.STALL_BYTES_PER_S * self.patience.stall_window_s
        job.failures = 1 if received - job.best >= least else job.failures + 1
        job.best = max(job.best, received)
        if job.failures >= self.patience.attempts:
            raise NetworkError(
                f"`{job.remote.host}` could not send `{job.remote.name}`: {failure}",
                hint="Run the same command again to resume",
            ) from failure
        wait = self.patience.pause(job.failures) if failure.wait_s is None else failure.wait_s
        self._report()
        self.reporter.retrying(job.file.path, str(failure), wait, self.patience.attempts - job.failures)
        self.patience.sleep(wait)

    def _doubt(self, job: Download, why: str) -> None:
        """The server's idea of the file differs from ours: begin again, but not for ever."""
        if job.restart_due:
            return
        if not job.restarts_left:
            raise NetworkError(f"`{job.remote.host}` answers range requests wrongly: {why}")
        job.restarts_left -= 1
        job.restart_due = why
        self.reporter.restarted(job.file.path, why)
        for line in job.lines:
            line.cancel()

    # -- files that end ----------------------------------------------------------

    def _conclude(self, job: Download) -> None:
        """Compare the hash, and publish; a wrong one gets one clean second try."""
        try:
            job.check()
        except HashMismatchError:
            if job.is_second_try:
                job.distrusted = True
                raise
            job.is_second_try = True
            self.reporter.restarted(job.file.path, "the bytes do not have the promised sha256")
            job.begin_again()
            return
        job.publish()
        self.jobs.remove(job)
        self.reporter.finished(job.file.path, job.file.size, job.file.sha256 or "")

    def _report(self) -> None:
        """Say what has arrived since the last time."""
        for job in self.jobs:
            received = job.part.plan.received
            count, job.reported = received - job.reported, received
            self._received += max(0, count)
            if count:
                self.reporter.advanced(job.file.path, count)
