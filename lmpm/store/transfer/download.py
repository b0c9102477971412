"""One file on its way into the store: its part, its lines, and how often it was begun anew."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.errors import HashMismatchError
from lmpm.store.transfer.partial import PartialFile
from lmpm.store.transfer.remote import Remote

if TYPE_CHECKING:
    from lmpm.hub import Http
    from lmpm.store.cache import Store
    from lmpm.store.transfer.connection import Connection
    from lmpm.store.transfer.ranges import Piece
    from lmpm.types import HubSource, ModelFile, UrlSource


class Download:
    """A file whose lock is held; `held` gives it back. Raises DiskError when there is no room."""

    def __init__(
        self, store: Store, http: Http, source: HubSource | UrlSource, file: ModelFile, *, split: bool
    ) -> None:
        self.store = store
        self.source = source
        self.file = file
        self.held = ExitStack()
        self.remote = Remote(http, source, file)
        self.part = self._take_up(split=split)
        self.lines: set[Connection] = set()
        self.one_line = not self.part.is_split  # the file is small, or the server ignores ranges
        self.knows_ranges = False  # shown by the first line, which goes alone
        self.failures = 0  # in a row, without progress in between
        self.best = self.part.kept  # bytes, the most that were ever there
        self.reported = self.part.kept
        self.restarts_left = 1
        self.restart_due: str | None = None  # why it is to begin anew once its lines have ended
        self.is_second_try = False  # after the bytes of the first had a wrong hash
        self.distrusted = False  # what is there is of another file

    def _take_up(self, *, split: bool) -> PartialFile:
        handle = self.store.open_part(self.source, self.file)
        try:
            return PartialFile(self.file, self.store.part(self.source, self.file), handle, split=split)
        except BaseException:
            is_empty = not os.fstat(handle.fileno()).st_size
            handle.close()
            if is_empty:
                self.store.discard_part(self.source, self.file)
            raise

    def next_piece(self, connections: int) -> Piece | None:
        """What another line may fetch now."""
        alone = self.one_line or not self.knows_ranges
        if self.restart_due or (alone and self.lines):
            return None
        return self.part.plan.take(1 if self.one_line else connections)

    def relief(self) -> Piece | None:
        """Half of what the slowest line has still to do, where the others would have to wait for it."""
        if self.one_line or self.restart_due or not self.knows_ranges:
            return None
        slowest = max(self.lines, key=lambda line: line.left_s, default=None)
        if slowest is None or slowest.left_s < limits.SPLIT_WORTH_S:
            return None
        return self.part.plan.split(slowest.piece)

    @property
    def is_received(self) -> bool:
        """Whether every byte is there, right or wrong."""
        return not self.lines and not self.restart_due and self.part.plan.is_complete

    def begin_again(self) -> None:
        """Throw away what is there. Unless an earlier run may be to blame, one line is enough from now on.

        Raises DiskError.
        """
        self.one_line = self.one_line or self.restart_due is not None or not self.part.kept
        self.restart_due = None
        self.part.begin_again()

    def check(self) -> None:
        """Raise HashMismatchError unless the bytes have the promised sha256."""
        computed, expected = self.part.digest.hexdigest(), self.file.sha256 or ""
        if computed != expected:
            raise HashMismatchError(
                self.file.path,
                expected=(expected, self.file.size),
                computed=(computed, self.file.size),
                hint="The bytes were discarded. If it repeats, a proxy or mirror changes them, "
                "or the file was replaced upstream",
            )

    def publish(self) -> None:
        """Give the checked file its name, and let others have the lock. Raises DiskError."""
        self.part.complete()
        self.store.publish(self.source, self.file, self.part.handle)
        self.held.close()

    def leave(self) -> None:
        """Stop here; what has arrived is kept, and a part that holds nothing goes. Raises DiskError."""
        try:
            if self.distrusted:
                self.part.plan.forget()
            self.part.close()
            if not self.part.plan.received:
                self.store.discard_part(self.source, self.file)
        finally:
            self.held.close()
