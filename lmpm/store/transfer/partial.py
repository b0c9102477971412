"""The part of one file: where its bytes are written, which of them are there, and their sha256 so far.

A small file is written from its front, and its length says what is there. A large one is as long as it will be from
the beginning, with a journal behind it, and written in several places at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lmpm import limits
from lmpm.fs import disk, disk_errors, reserve
from lmpm.store.transfer import journal
from lmpm.store.transfer.digest import GrowingDigest
from lmpm.store.transfer.journal import Journal
from lmpm.store.transfer.ranges import RangeMap

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.store.transfer.ranges import Interval, Piece
    from lmpm.types import ModelFile


class PartialFile:
    """An opened part. Takes up what an earlier run left; what is from nowhere is thrown away.

    `split` allows several pieces at once, for a file large enough to be worth it. Raises DiskError.
    """

    def __init__(self, file: ModelFile, path: Path, handle: BinaryIO, *, split: bool) -> None:
        self.file = file
        self.path = path
        self.handle = handle
        self.descriptor = handle.fileno()
        with disk_errors(path):
            there = os.fstat(self.descriptor).st_size
            record = journal.read(self.descriptor, file.sha256 or "", file.size) if there > file.size else None
            if there > file.size and record is None:
                handle.truncate(0)
                there = 0
        done: tuple[Interval, ...] = ((0, there),) if there else ()
        number, done = record or (0, done)
        self.plan = RangeMap(file.size, done)
        self.kept = self.plan.received
        self._journal: Journal | None = None
        if record or (split and file.size >= limits.SPLIT_BYTES and self.kept < file.size):
            self._journal = Journal(self.descriptor, path, file.sha256 or "", self.plan, number)
            if record is None:
                self._begin_journal()
        self.digest = GrowingDigest(path)
        self.digest.reach(self.plan.frontier)

    @property
    def is_split(self) -> bool:
        """Whether it may have gaps."""
        return self._journal is not None

    def write(self, descriptor: int, piece: Piece, data: bytes) -> bool:
        """Write the next bytes of a piece; False when nobody wants them any more. Raises DiskError."""
        count = self.plan.claim(piece, len(data))
        if not count:
            return False
        with disk_errors(self.path):
            disk.write_at(descriptor, memoryview(data)[:count], piece.at)
        self.plan.wrote(piece, count)
        self.digest.reach(self.plan.frontier)
        if self._journal is not None:
            self._journal.wrote(count)
        return True

    def begin_again(self) -> None:
        """Throw away what is there. Raises DiskError."""
        self.plan.forget()
        self.empty()

    def empty(self) -> None:
        """Throw away the bytes, which the range map has forgotten before. Raises DiskError."""
        with disk_errors(self.path):
            self.handle.truncate(0)
        if self._journal is not None:
            self._begin_journal()
        self.digest.close()
        self.digest = GrowingDigest(self.path)

    def complete(self) -> None:
        """Take the journal away from a file that is whole. Raises DiskError."""
        self.digest.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        with disk_errors(self.path):
            self.handle.truncate(self.file.size)

    def close(self) -> None:
        """Leave everything so that a later run can go on. Raises DiskError."""
        self.digest.close()
        try:
            if self._journal is not None:
                self._journal.close()
        finally:
            self.handle.close()

    def _begin_journal(self) -> None:
        if self._journal is not None:
            with disk_errors(self.path):
                reserve(self.descriptor, journal.length(self.file.size))
            self._journal.begin()
