"""A lock between processes, as a file: one of them works on something, and the others wait or do something else."""

from __future__ import annotations

import contextlib
import errno
import warnings
from typing import TYPE_CHECKING, Final

from lmpm.fs.disk import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from filelock import BaseFileLock

# what network file systems say that have no locks; filelock itself knows ENOSYS, and falls back
_NO_LOCKS: Final = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK})


@contextlib.contextmanager
def hold_file_lock(place: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock file at `place`, which the kernel frees when the process dies; gives whether it is held.

    With `waiting` it always is: that is called once before somebody else is waited for. Where the file system
    has no locks, a file that names the process stands for one; that of a process that is gone counts for nothing.
    Raises DiskError.
    """
    with disk_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquire(place, waiting)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def _acquire(place: Path, waiting: Callable[[], None] | None) -> BaseFileLock:
    from filelock import FileLock, SoftFileLock

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="flock not supported")  # nothing that the user could change
        try:
            return _tried(FileLock(place), waiting)
        except NotImplementedError:
            pass
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    # under a name of its own: the first one may have left its empty file
    return _tried(SoftFileLock(place.with_suffix(".soft.lock")), waiting)


def _tried(lock: BaseFileLock, waiting: Callable[[], None] | None) -> BaseFileLock:
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting:
            waiting()
            lock.acquire()
    return lock
