"""One file on its way into the store: its part, where it comes from, and how often it was begun anew."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lmpm.errors import HashMismatchError
from lmpm.store.transfer.partial import PartialFile
from lmpm.store.transfer.remote import Remote

if TYPE_CHECKING:
    from lmpm.hub import Http
    from lmpm.store.cache import Store
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
        self.one_connection = not self.part.is_split  # the file is small, or the server ignores ranges
        self.knows_ranges = False  # shown by the first connection, which goes alone
        self.failures = 0  # in a row, without progress in between
        self.best = self.part.kept  # bytes, the most that were ever there
        self.reported = self.part.kept
        self.restarts_left = 1
        self.restart_due: str | None = None  # why it is to begin anew once its connections have ended
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

    def next_piece(self, connections: int, *, is_busy: bool) -> Piece | None:
        """What another of so many connections may fetch now; `is_busy` says that one is at work already."""
        alone = self.one_connection or not self.knows_ranges
        if self.restart_due or (alone and is_busy):
            return None
        return self.part.plan.take(1 if self.one_connection else connections)

    @property
    def can_be_relieved(self) -> bool:
        """Whether a slow connection may give half of its piece to another."""
        return not self.one_connection and not self.restart_due and self.knows_ranges

    @property
    def is_received(self) -> bool:
        """Whether every byte is there, right or wrong."""
        return not self.restart_due and self.part.plan.is_complete

    def begin_again(self) -> None:
        """Throw away what is there. Unless an earlier run may be to blame, one connection is enough from now on.

        Raises DiskError.
        """
        self.one_connection = self.one_connection or self.restart_due is not None or not self.part.kept
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
