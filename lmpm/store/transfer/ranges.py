"""Which bytes of a file are there, which are being fetched, and which piece is fetched next.

Pieces are handed out from the front, so that the beginning of the file, which is hashed meanwhile, is never far
behind what has arrived. They become smaller towards the end, so that all connections finish at about the same
moment; one that is much slower than the others gives half of its rest away.
"""

from __future__ import annotations

import threading
from bisect import insort
from dataclasses import dataclass

from lmpm import limits

Interval = tuple[int, int]  # first byte, byte after the last


@dataclass(slots=True, eq=False)
class Piece:
    """Bytes of a file that one connection fetches: those before `at` are written, those before `reach` soon will be."""

    at: int
    stop: int
    failures: int = 0  # connections that ended within it
    reach: int = 0

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return self.stop - self.at


class RangeMap:
    """The bytes of one file of `size` bytes; safe to use from several threads.

    `done` are intervals that are there already, in order and apart from each other.
    """

    def __init__(self, size: int, done: tuple[Interval, ...] = ()) -> None:
        self.size = size
        self._lock = threading.RLock()
        self._missing: list[Piece] = []  # in order
        self._active: list[Piece] = []
        self._reset(done)

    def _reset(self, done: tuple[Interval, ...]) -> None:
        self._active = []
        self._missing = []
        at = 0
        for first, stop in (*done, (self.size, self.size)):
            if first > at:
                self._missing.append(Piece(at, first))
            at = stop

    def take(self, connections: int) -> Piece | None:
        """The next piece for one of so many connections, or None while nothing is left to hand out."""
        with self._lock:
            if not self._missing:
                return None
            hole = self._missing[0]
            length = hole.left if connections == 1 else self._share(connections)
            if hole.left - length < limits.PIECE_LEAST_BYTES // 2:  # no crumbs
                length = hole.left
            piece = Piece(hole.at, hole.at + length, hole.failures)
            hole.at = piece.stop
            if not hole.left:
                del self._missing[0]
            self._active.append(piece)
            return piece

    def _share(self, connections: int) -> int:
        """What each connection would still have to do: guided self-scheduling, as OpenMP calls it."""
        rest = sum(hole.left for hole in self._missing)
        return max(limits.PIECE_LEAST_BYTES, min(limits.PIECE_MOST_BYTES, rest // connections))

    def split(self, piece: Piece) -> Piece | None:
        """The second half of what is left of a piece under way, as one of its own; None where it is too small."""
        with self._lock:
            middle = (max(piece.at, piece.reach) + piece.stop) // 2
            if piece not in self._active or piece.stop - middle < limits.PIECE_LEAST_BYTES:
                return None
            half = Piece(middle, piece.stop)
            piece.stop = middle
            self._active.append(half)
            return half

    def put_back(self, piece: Piece) -> None:
        """End a piece; what is left of it is handed out again."""
        with self._lock:
            if piece not in self._active:  # the plan was begun anew meanwhile
                return
            self._active.remove(piece)
            if piece.left:
                insort(self._missing, piece, key=lambda hole: hole.at)

    def begin_again(self, piece: Piece) -> bool:
        """Forget everything and make `piece` the whole file, if it is the only one under way."""
        with self._lock:
            if self._active != [piece]:
                return False
            self._missing = []
            piece.at, piece.reach, piece.stop = 0, 0, self.size
            return True

    def forget(self) -> None:
        """Forget everything that is there."""
        with self._lock:
            self._reset(())

    def claim(self, piece: Piece, count: int) -> int:
        """How many of the next `count` bytes of a piece are to be written; nobody else gets those. 0: none any more."""
        with self._lock:
            if piece not in self._active:
                return 0
            count = min(count, piece.left)
            piece.reach = piece.at + count
            return count

    def wrote(self, piece: Piece, count: int) -> None:
        """Note that the next bytes of a piece, which were claimed, are written."""
        with self._lock:
            piece.at += count

    @property
    def done(self) -> tuple[Interval, ...]:
        """What is written, in order."""
        with self._lock:
            found: list[Interval] = []
            at = 0
            for hole in (*self._holes(), Piece(self.size, self.size)):
                if hole.at > at:
                    found.append((at, hole.at))
                at = hole.stop
            return tuple(found)

    @property
    def received(self) -> int:
        """How many bytes are written."""
        with self._lock:
            return self.size - sum(hole.left for hole in self._holes())

    @property
    def frontier(self) -> int:
        """How many bytes are there without a gap from the first."""
        with self._lock:
            return next((hole.at for hole in self._holes()), self.size)

    @property
    def is_complete(self) -> bool:
        """Whether every byte is written."""
        with self._lock:
            return not self._missing and not any(piece.left for piece in self._active)

    def _holes(self) -> list[Piece]:
        return sorted((hole for hole in (*self._missing, *self._active) if hole.left), key=lambda hole: hole.at)
