"""What of an unfinished file is there: a record behind its last byte, in the same file.

A file that is fetched in several pieces has gaps, so that its length says nothing. Behind the place of its last
byte, on blocks of their own, lie three slots; each holds one record with a sha256 of itself, bound to the digest
and size of the file:

- two slots are written in turn, only after fdatasync: they hold after a power cut, and a record that is torn
  leaves the one before it;
- the third is written every megabyte without any sync. A killed process loses nothing that it gave to the
  system, so this one holds as long as the machine has not been started anew, which the boot's own id shows.

A record claims nothing more than is written, and the sha256 of the whole file decides in any case.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import threading
from functools import cache
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from lmpm import limits
from lmpm.errors import DiskError
from lmpm.fs import disk, disk_errors

if TYPE_CHECKING:
    from lmpm.store.transfer.ranges import Interval, RangeMap

SLOT_BYTES: Final = 4096  # one block of the disk
SYNCED_SLOTS: Final = (0, 1)
LATEST_SLOT: Final = 2
_MAGIC: Final = b"lmpmpart"
_HEAD: Final = struct.Struct("<8s16s32sQQI")  # magic, boot (zeros: holds for ever), digest, size, number, intervals
_INTERVAL: Final = struct.Struct("<QQ")
_SEAL_BYTES: Final = 32
MOST_INTERVALS: Final = (SLOT_BYTES - _HEAD.size - _SEAL_BYTES) // _INTERVAL.size
_ANY_BOOT: Final = bytes(16)


def place(size: int) -> int:
    """Where the record of a file of `size` bytes begins."""
    return -(-size // SLOT_BYTES) * SLOT_BYTES


def length(size: int) -> int:
    """How long an unfinished file of `size` bytes is, with its record."""
    return place(size) + 3 * SLOT_BYTES


@cache
def boot_id() -> bytes:
    """What distinguishes one start of this machine from the next; empty where the system does not say."""
    try:
        return UUID(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()).bytes
    except (OSError, ValueError):
        return b""


def read(descriptor: int, sha256: str, size: int) -> tuple[int, tuple[Interval, ...]] | None:
    """The newest record of a file that holds: its number, and what it says is there. Raises OSError."""
    found = None
    for slot in (*SYNCED_SLOTS, LATEST_SLOT):
        record = _parse(os.pread(descriptor, SLOT_BYTES, place(size) + slot * SLOT_BYTES), sha256, size)
        if record and (found is None or record[0] > found[0]):
            found = record
    return found


def _parse(data: bytes, sha256: str, size: int) -> tuple[int, tuple[Interval, ...]] | None:
    if len(data) < SLOT_BYTES:
        return None
    magic, boot, digest, its_size, number, count = _HEAD.unpack_from(data)
    if (magic, digest.hex(), its_size) != (_MAGIC, sha256, size) or count > MOST_INTERVALS:
        return None
    if boot not in (_ANY_BOOT, boot_id()):
        return None
    end = _HEAD.size + count * _INTERVAL.size
    if hashlib.sha256(data[:end]).digest() != data[end : end + _SEAL_BYTES]:
        return None
    done = tuple(_INTERVAL.iter_unpack(data[_HEAD.size : end]))
    edges = [edge for interval in done for edge in interval]
    in_order = all(one < other for one, other in pairwise(edges))
    return (number, done) if in_order and (not edges or edges[-1] <= size) else None


class Journal:
    """Keeps the record of one unfinished file while pieces of it arrive."""

    def __init__(self, descriptor: int, path: Path, sha256: str, plan: RangeMap, number: int = 0) -> None:
        self.descriptor = descriptor
        self.path = path
        self.sha256 = sha256
        self.plan = plan
        self._number = number
        self._slots = cycle(SYNCED_SLOTS)
        self._lock = threading.Lock()
        self._unnoted = 0  # bytes since the last record
        self._unsynced = 0  # bytes since the last sync
        self._closed = False
        self._wanted = threading.Condition()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Write the first record, which also makes the file as long as it is to be. Raises DiskError."""
        if boot_id():
            self.note()
        else:
            self._write(SYNCED_SLOTS[0], _ANY_BOOT, (self._next_number(), ()))

    def wrote(self, count: int) -> None:
        """Count bytes that were written, and note them now and then. Raises DiskError."""
        with self._lock:
            self._unnoted += count
            self._unsynced += count
            due, sync = self._unnoted >= limits.JOURNAL_STEP_BYTES, self._unsynced >= limits.SYNC_STEP_BYTES
            self._unnoted = 0 if due else self._unnoted
        if due:
            self.note()
        if sync:
            self._ask_for_sync()

    def note(self) -> None:
        """Record what is written, to hold until the machine goes down. Raises DiskError."""
        if boot_id():
            with self._lock:
                self._write(LATEST_SLOT, boot_id(), self._snapshot())

    def sync(self) -> None:
        """Bring what is written to the disk, then the record that says so, to hold for ever. Raises DiskError."""
        with self._lock:
            record, self._unsynced = self._snapshot(), 0
        with disk_errors(self.path):
            disk.sync_data(self.descriptor)
        self._write(next(self._slots), _ANY_BOOT, record)

    def close(self) -> None:
        """Note the last state and end the thread. Raises DiskError."""
        with self._wanted:
            self._closed = True
            self._wanted.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.note()

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _snapshot(self) -> tuple[int, tuple[Interval, ...]]:
        """What is written now; its number orders it among the others, whenever it gets to the disk."""
        return self._next_number(), self.plan.done[:MOST_INTERVALS]  # what is left out is fetched once more

    def _write(self, slot: int, boot: bytes, record: tuple[int, tuple[Interval, ...]]) -> None:
        number, done = record
        head = _HEAD.pack(_MAGIC, boot, bytes.fromhex(self.sha256), self.plan.size, number, len(done))
        data = head + b"".join(_INTERVAL.pack(*interval) for interval in done)
        data += hashlib.sha256(data).digest()
        with disk_errors(self.path):
            disk.write_at(self.descriptor, data.ljust(SLOT_BYTES, b"\0"), place(self.plan.size) + slot * SLOT_BYTES)

    def _ask_for_sync(self) -> None:
        with self._wanted:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._keep_synced, name="journal", daemon=True)
                self._thread.start()
            self._wanted.notify_all()

    def _keep_synced(self) -> None:
        """Bring the bytes to the disk, then the record that says so, as often as it takes."""
        with contextlib.suppress(DiskError):  # then a power cut costs more; the end of it all syncs again
            while self._wait_for_work():
                self.sync()

    def _wait_for_work(self) -> bool:
        with self._wanted:
            while self._unsynced < limits.SYNC_STEP_BYTES and not self._closed:
                self._wanted.wait()
            return not self._closed
