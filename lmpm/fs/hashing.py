"""Many large files hashed at once, on every core; an interrupt ends it within a buffer's time."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from lmpm.errors import LmpmError
from lmpm.fs import disk
from lmpm.fs.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Hashed:
    """The bytes of a file, and what it looked like before they were read. Times are of the monotonic clock."""

    stamp: Stamp
    sha256: str
    size: int
    began_s: float
    ended_s: float


def usable_cores() -> int:
    """How many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hash_one(path: Path, stop: Event | None = None) -> Hashed:
    """Hash a file. Raises DiskError when it cannot be read, IntegrityError when it is not a regular file."""
    began = time.monotonic()
    with disk.disk_errors(path, "read"):
        stamp = Stamp.of(path)
    sha256, size = disk.hash_file(path, stop)
    return Hashed(stamp, sha256, size, began, time.monotonic())


def hash_all(paths: Iterable[Path], *, workers: int) -> dict[Path, Hashed | LmpmError]:
    """Hash files side by side, the largest first; what went wrong with one stands in its place.

    Hashing and reading release the interpreter's lock, so that threads are enough.
    """
    stop = Event()

    def attempt(path: Path) -> Hashed | LmpmError:
        try:
            return hash_one(path, stop)
        except LmpmError as error:
            return error

    ordered = sorted(set(paths), key=_size, reverse=True)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        try:
            return dict(zip(ordered, pool.map(attempt, ordered), strict=True))
        except BaseException:  # an interrupt: leaving the pool waits for the threads
            stop.set()
            raise


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
