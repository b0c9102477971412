"""sha256 of a file while it grows: hashed in a thread of its own, so that receiving and writing go on meanwhile."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.errors import DiskError
from lmpm.fs import disk_errors, open_regular

if TYPE_CHECKING:
    import io
    from pathlib import Path


class GrowingDigest:
    """Hashes what is in a file, from its first byte up to where the writer says that it is written.

    The bytes are read back from the file, out of the page cache: what is hashed is what the disk was given,
    and however far hashing falls behind, no memory is held for it. hashlib lets other threads run meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._hashed = 0  # bytes, always the first ones of the file
        self._written = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def reach(self, written: int) -> None:
        """Say that the first `written` bytes of the file are there."""
        with self._changed:
            if written > self._written:
                self._written = written
                self._changed.notify_all()
            if self._thread is None and written:
                self._thread = threading.Thread(target=self._follow, name="sha256", daemon=True)
                self._thread.start()

    def hexdigest(self) -> str:
        """The sha256 of everything that was said to be there. Raises DiskError when it cannot be read back."""
        with self._changed:
            # not without a timeout: an interrupt must get through everywhere
            while self._hashed < self._written and self._error is None:
                self._changed.wait(timeout=1.0)
            if self._error is not None:
                raise self._error
            return self._digest.hexdigest()

    @property
    def is_settled(self) -> bool:
        """Whether `hexdigest` would answer at once."""
        return self._hashed >= self._written or self._error is not None

    def close(self) -> None:
        """End the thread; afterwards it does not touch the file any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        buffer = memoryview(bytearray(limits.HASH_BLOCK_BYTES))
        try:
            with disk_errors(self.path, "read"), open_regular(self.path) as file:
                while wanted := self._next(len(buffer)):
                    count = self._read(file, buffer[:wanted])
                    self._digest.update(buffer[:count])
                    self._note(count, None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is for the thread that asks
            self._note(0, error)

    def _read(self, file: io.BufferedReader, buffer: memoryview) -> int:
        count = file.raw.readinto(buffer)  # a buffer would read ahead, bytes that are not written yet
        if not count:
            raise DiskError(f"`{self.path}` became shorter while it was written", path=self.path)
        return count

    def _next(self, most: int) -> int:
        """How many bytes can be hashed next; waits for some, 0 at the end."""
        with self._changed:
            while self._hashed >= self._written and not self._closed:
                self._changed.wait()
            return 0 if self._closed else min(most, self._written - self._hashed)

    def _note(self, count: int, error: BaseException | None) -> None:
        with self._changed:
            self._hashed += count
            self._error = error
            if error is not None or self._hashed >= self._written:
                self._changed.notify_all()
