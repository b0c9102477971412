"""Files read and written with care: errors that name the place, whole writes, nothing opened that could block."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from lmpm.errors import IntegrityError
from lmpm.fs.atomic import disk_error
from lmpm.fs.rules import printable
from lmpm.limits import HASH_BUFFER_BYTES

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from threading import Event

# without O_NONBLOCK, opening a FIFO waits for a writer that may never come; Windows has no such flag
_NEVER_BLOCK: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextlib.contextmanager
def disk_errors(path: Path, verb: str = "write") -> Iterator[None]:
    """Turn what the operating system says about the disk into a DiskError that names the place."""
    try:
        yield
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else path
        raise disk_error(error, place, verb) from error


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file for reading; a FIFO, device or directory is refused without waiting for it.

    Raises IntegrityError for what is not a regular file, OSError for the rest.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise IntegrityError(f"`{printable(str(path))}` is not a regular file")
    return open(os.open(path, os.O_RDONLY | _NEVER_BLOCK), "rb")  # noqa: PTH123 - a descriptor is not a path


def open_part(path: Path) -> BinaryIO:
    """Open a file of ours for reading and writing, made if it is not there; raises OSError.

    Only a regular file is taken up: a link or a FIFO in its place is removed, never written through.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | _NEVER_BLOCK
    return os.fdopen(os.open(path, flags, 0o644), "r+b", 0)


def hash_file(path: Path, stop: Event | None = None) -> tuple[str, int]:
    """sha256 and size of a file's bytes; given up, with what there is so far, when `stop` is set.

    Raises DiskError when they cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with disk_errors(path, "read"), open_regular(path) as file:
        if hasattr(os, "posix_fadvise"):  # the system then reads farther ahead of the hash
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        view = memoryview(bytearray(HASH_BUFFER_BYTES))
        while (count := file.readinto(view)) and not (stop and stop.is_set()):
            digest.update(view[:count])
            size += count
    return digest.hexdigest(), size


def is_all_zero(path: Path) -> bool:
    """Whether a file holds zeros only, as after a power cut; reads no farther than the first other byte."""
    with disk_errors(path, "read"), open_regular(path) as file:
        zeros = bytes(HASH_BUFFER_BYTES)
        while chunk := file.read(HASH_BUFFER_BYTES):
            if chunk != zeros[: len(chunk)]:
                return False
    return True


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write every byte: an unbuffered file may take fewer."""
    view = memoryview(data)
    while view:
        written = file.write(view)
        view = view[written or 0 :]


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte at its place, whatever else is being written to the file. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]


def sync_data(descriptor: int) -> None:
    """Wait until the bytes of a file are on the disk. Raises OSError."""
    getattr(os, "fdatasync", os.fsync)(descriptor)  # macOS has only the latter


def reserve(descriptor: int, size: int) -> bool:
    """Take the room for the first `size` bytes of a file now, its length kept; False where the system cannot.

    `os.posix_fallocate` is of no use here: where a file system cannot do it, the C library writes into every
    block instead, which for a model takes minutes. Raises OSError when the disk is too full.
    """
    import ctypes

    try:
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate64
    except (OSError, AttributeError):  # not Linux
        return False
    keep_size = 1  # FALLOC_FL_KEEP_SIZE of linux/falloc.h
    if fallocate(descriptor, keep_size, ctypes.c_int64(0), ctypes.c_int64(size)) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise OSError(number, os.strerror(number))
    return False


def free_space(path: Path) -> int:
    """Bytes free on the disk that `path` is or will be on. Raises DiskError."""
    import shutil  # it brings what packs and unpacks archives

    with disk_errors(path, "read"):
        while not path.exists() and path != path.parent:
            path = path.parent
        return shutil.disk_usage(path).free


def occupied_by(facts: os.stat_result) -> int:
    """Bytes of the disk that a file takes; its length where the system does not say, as on Windows."""
    return facts.st_blocks * 512 if hasattr(facts, "st_blocks") else facts.st_size  # POSIX's unit in practice


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to the same bytes; False where one of them leads nowhere."""
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder below `root` and those around it, as far as they are empty."""
    with contextlib.suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent
