"""One connection that fetches one piece of a file, in a thread of its own."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.errors import LmpmError
from lmpm.hub import StallWatch, explain, transient_errors
from lmpm.store.transfer.response import RetryableError, is_whole, surplus
from lmpm.units import human

if TYPE_CHECKING:
    from queue import SimpleQueue

    import requests

    from lmpm.store.transfer.download import Download
    from lmpm.store.transfer.pacing import RateLimit
    from lmpm.store.transfer.ranges import Piece


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection's first answer is one of the file: whether it shows that the server knows ranges."""

    download: Download
    knows_ranges: bool
    lost: bool = False  # what was there had to be thrown away


class Connection(threading.Thread):
    """Fetches `piece`, and then puts itself into `events`; `outcome` is what went wrong, if anything."""

    def __init__(
        self,
        download: Download,
        piece: Piece,
        *,
        limit: RateLimit,
        stall_window_s: float,
        events: SimpleQueue[Connection | Opened],
    ) -> None:
        super().__init__(name="download", daemon=True)
        self.download = download
        self.piece = piece
        self.outcome: BaseException | None = None
        self._limit = limit
        self._window_s = stall_window_s
        self._events = events
        self._descriptor = os.dup(download.part.descriptor)  # its own: a thread that is late must not meet another file
        self._ended = threading.Event()
        self._guard = threading.Lock()
        self._response: requests.Response | None = None
        self._stall: StallWatch | None = None
        self._seen = piece.at
        self._first, self._opened_at = piece.at, time.monotonic()
        self._verdict: RetryableError | None = None

    def run(self) -> None:
        """Fetch, and say how it went; nothing is raised."""
        try:
            self._receive()
        except transient_errors() as error:
            self.outcome = RetryableError(explain(error))
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.outcome = error
        finally:
            os.close(self._descriptor)
        if self._ended.is_set() and not isinstance(self.outcome, LmpmError):
            self.outcome = self._verdict  # the rest is how a cancelled connection ends
        self._events.put(self)

    def cancel(self, verdict: RetryableError | None = None) -> None:
        """End the connection soon, wherever it waits; with `verdict` as what went wrong."""
        with self._guard:
            self._verdict = verdict
            self._ended.set()
            if self._response is not None:
                # what is blocked in a read wakes up; a body that has just ended has no socket any more
                with contextlib.suppress(ValueError, RuntimeError, OSError, AttributeError):
                    self._response.raw.shutdown()

    def watch(self) -> None:
        """Cancel the connection if next to nothing arrives: called from outside, however its read may block."""
        if self._stall is None or self._ended.is_set():
            return
        at = self.piece.at
        try:
            self._stall.note(max(0, at - self._seen))
        except TimeoutError as error:
            self.cancel(RetryableError(str(error)))
        self._seen = at

    @property
    def left_s(self) -> float:
        """Seconds until its piece is done, if it goes on as since it was opened; 0 while that is not known."""
        took, came = time.monotonic() - self._opened_at, self.piece.at - self._first
        if self._stall is None or took < limits.SPLIT_WORTH_S:
            return 0.0
        return self.piece.left * took / max(came, 1)

    def _receive(self) -> None:
        remote, piece = self.download.remote, self.piece
        with remote.get(piece.at, piece.stop) as response:
            if not self._open(response):
                return
            if is_whole(response, remote, piece.at):
                self._take_all()
            else:
                self._events.put(Opened(self.download, knows_ranges=True))
            self._append(response)

    def _open(self, response: requests.Response) -> bool:
        """From here on the connection can be cancelled while it reads; False if it was before."""
        with self._guard:
            self._response = response
            self._stall = StallWatch(self._window_s)
            self._opened_at = time.monotonic()
            return not self._ended.is_set()

    def _take_all(self) -> None:
        """The body is the whole file. Use it as that, unless other connections have parts of the file."""
        piece, part = self.piece, self.download.part
        if (piece.at, piece.stop) == (0, self.download.file.size):
            return
        lost = part.plan.received > 0
        if not part.plan.begin_again(piece):
            raise RetryableError("the server ignored the range")
        self._seen = self._first = 0
        if lost:
            part.empty()
        self._events.put(Opened(self.download, knows_ranges=False, lost=lost))

    def _append(self, response: requests.Response) -> None:
        """Write what arrives, never past the promised size."""
        piece, size = self.piece, self.download.file.size
        most = self._limit.most_at_once
        while piece.left:
            # read1 returns on every arrival, so that a trickle is seen as one
            chunk = response.raw.read1(most if piece.stop == size else min(most, piece.left))
            if not chunk:
                raise RetryableError(f"the connection closed after {human(piece.at)}")
            if piece.at + len(chunk) > size:
                self._refuse_surplus()
            if self._ended.is_set() or not self.download.part.write(self._descriptor, piece, chunk):
                return
            self._limit.take(len(chunk), self._ended)
        if piece.stop == size:
            with contextlib.suppress(*transient_errors()):
                if response.raw.read1(1):
                    self._refuse_surplus()

    def _refuse_surplus(self) -> None:
        self.download.distrusted = True
        raise surplus(self.download.remote)
