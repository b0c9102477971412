"""All connections of all files that are being fetched: who starts, who is cancelled, and what failures mean."""

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

    from lmpm.hub import Patience
    from lmpm.reporter import Reporter
    from lmpm.store.transfer.download import Download
    from lmpm.store.transfer.pacing import RateLimit
    from lmpm.store.transfer.ranges import Piece


class Scheduler:
    """Runs in the thread that calls it, which alone talks to the reporter; only connections have threads of their own.

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
        self.downloads: list[Download] = []
        self.connections: set[Connection] = set()
        self.gauge = ConcurrencyGauge(connections)
        self._events: SimpleQueue[Connection | Opened] = SimpleQueue()
        self._not_before = 0.0  # on the monotonic clock: no new connection until then
        self._received = 0  # bytes from the network, of all files

    def run(self) -> None:
        """Fetch, check and publish until there is no more. Raises the LmpmError that ends it all."""
        while self.downloads or self._admit(wait=False) or self._admit(wait=True):
            self._start_connections()
            self._take_events()
            self._report()
            for connection in self.connections:
                connection.watch()
            self.gauge.observe(len(self.connections), self._received)
            for download in self.downloads[:]:
                is_settled = download.part.digest.is_settled or not self.connections
                if download.is_received and not self._of(download) and is_settled:
                    self._conclude(download)

    def stop(self) -> None:
        """End all connections and keep what has arrived. A second interrupt ends the waiting for them."""
        for connection in self.connections:
            connection.cancel()
        until = time.monotonic() + limits.CANCEL_PATIENCE_S
        with suppress(KeyboardInterrupt):  # whoever passes signals on to their children sends it twice
            for connection in self.connections:  # one that still waits for an answer finds later that nobody wants it
                connection.join(max(0.0, until - time.monotonic()))
        for download in self.downloads:
            with suppress(DiskError):  # there is a graver reason to stop
                download.leave()

    def _of(self, download: Download) -> list[Connection]:
        return [connection for connection in self.connections if connection.download is download]

    # -- connections that begin --------------------------------------------------

    def _start_connections(self) -> None:
        if time.monotonic() < self._not_before:
            return
        while len(self.connections) < self.gauge.target:
            if any(self._start(download, self._next_piece(download)) for download in self.downloads):
                continue
            if self._admit(wait=False):
                continue
            if not any(self._start(download, self._relief(download)) for download in self.downloads):
                return

    def _start(self, download: Download, piece: Piece | None) -> bool:
        if piece is None:
            return False
        window_s = self.patience.stall_window_s
        connection = Connection(download, piece, limit=self.limit, stall_window_s=window_s, events=self._events)
        self.connections.add(connection)
        connection.start()
        return True

    def _next_piece(self, download: Download) -> Piece | None:
        return download.next_piece(self.gauge.sharers, is_busy=bool(self._of(download)))

    def _relief(self, download: Download) -> Piece | None:
        """Half of what the slowest connection has still to do, where the others would have to wait for it."""
        slowest = max(self._of(download), key=lambda connection: connection.left_s, default=None)
        if slowest is None or not download.can_be_relieved or slowest.left_s < limits.SPLIT_WORTH_S:
            return None
        return download.part.plan.split(slowest.piece)

    def _admit(self, *, wait: bool) -> bool:
        """Open one more file, if there is one to be had."""
        download = self.more(wait)
        if download is None:
            return False
        self.downloads.append(download)
        self.reporter.started(download.file.path, download.file.size, download.part.kept)
        return True

    # -- connections that end ----------------------------------------------------

    def _take_events(self) -> None:
        """Wait a moment for something to happen, and see to everything that has."""
        if not self.connections:
            self.patience.sleep(max(0.0, self._not_before - time.monotonic()))
            return
        with suppress(Empty):
            self._see_to(self._events.get(timeout=limits.PROGRESS_INTERVAL_S))
            while True:
                self._see_to(self._events.get(block=False))

    def _see_to(self, event: Connection | Opened) -> None:
        download = event.download
        if isinstance(event, Opened):
            download.knows_ranges = download.knows_ranges or event.knows_ranges
            download.one_connection = download.one_connection or not event.knows_ranges
            if event.lost:
                self.reporter.restarted(download.file.path, "the server cannot resume")
            return
        self.connections.discard(event)
        download.part.plan.put_back(event.piece)
        if isinstance(event.outcome, RetryableError):
            self._failed(event, event.outcome)
        elif isinstance(event.outcome, WrongRangeError):
            self._doubt(download, str(event.outcome))
        elif event.outcome is not None:
            raise event.outcome
        if download.restart_due and not self._of(download):
            download.begin_again()

    def _failed(self, connection: Connection, failure: RetryableError) -> None:
        """A connection ended early. While others go on, that is a sign to do less; alone, it counts."""
        download, piece = connection.download, connection.piece
        download.remote.forget_link()
        self.gauge.fewer(overloaded=failure.overloaded)
        piece.failures += 1
        if self.connections:
            again = self.patience.pause(piece.failures - 1) if piece.failures > 1 else 0.0
            self._not_before = time.monotonic() + (again if failure.wait_s is None else failure.wait_s)
            return
        received = download.part.plan.received
        # farther than ever, since a server without ranges begins anew each time, and by more than a trickle, which
        # would otherwise be waited for without end
        least = limits.STALL_BYTES_PER_S * self.patience.stall_window_s
        download.failures = 1 if received - download.best >= least else download.failures + 1
        download.best = max(download.best, received)
        if download.failures >= self.patience.attempts:
            raise NetworkError(
                f"`{download.remote.host}` could not send `{download.remote.name}`: {failure}",
                hint="Run the same command again to resume",
            ) from failure
        wait = self.patience.pause(download.failures, failure.wait_s)
        self._report()
        self.reporter.retrying(download.file.path, str(failure), wait, self.patience.attempts - download.failures)
        self.patience.sleep(wait)

    def _doubt(self, download: Download, why: str) -> None:
        """The server's idea of the file differs from ours: begin again, but not for ever."""
        if download.restart_due:
            return
        if not download.restarts_left:
            raise NetworkError(f"`{download.remote.host}` answers range requests wrongly: {why}")
        download.restarts_left -= 1
        download.restart_due = why
        self.reporter.restarted(download.file.path, why)
        for connection in self._of(download):
            connection.cancel()

    # -- files that end ----------------------------------------------------------

    def _conclude(self, download: Download) -> None:
        """Compare the hash, and publish; a wrong one gets one clean second try."""
        try:
            download.check()
        except HashMismatchError:
            if download.is_second_try:
                download.distrusted = True
                raise
            download.is_second_try = True
            self.reporter.restarted(download.file.path, "the bytes do not have the promised sha256")
            download.begin_again()
            return
        download.publish()
        self.downloads.remove(download)
        self.reporter.finished(download.file.path, download.file.size, download.file.sha256 or "")

    def _report(self) -> None:
        """Say what has arrived since the last time."""
        for download in self.downloads:
            received = download.part.plan.received
            count, download.reported = received - download.reported, received
            self._received += max(0, count)
            if count:
                self.reporter.advanced(download.file.path, count)
