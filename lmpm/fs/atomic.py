"""Replaces small files whole or not at all: a crash or a full disk leaves the old one as it was."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.errors import DiskError
from lmpm.fs.rules import printable

if TYPE_CHECKING:
    from collections.abc import Callable

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def write_text(path: Path, text: str, *, check: Callable[[Path], None] | None = None) -> None:
    """Replace `path` by `text` in UTF-8, line ends as they are. See `write_bytes`."""
    write_bytes(path, text.encode(), check=check)


def write_bytes(path: Path, data: bytes, *, check: Callable[[Path], None] | None = None) -> None:
    """Replace `path` by `data`: temporary file beside it, fsync, rename, fsync of the directory.

    `check` is called with the complete temporary file and prevents the rename by raising. The mode of an
    existing file is kept. A symbolic link is replaced, never written through. Raises DiskError.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        if path.is_dir():
            raise DiskError(f"`{printable(str(path))}` is a directory, expected a file", path=path)
        try:
            _write_new(temporary, data, mode=_mode(path))
            if check is not None:
                check(temporary)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise disk_error(error, path, "write") from error


def disk_error(error: OSError, path: Path, verb: str) -> DiskError:
    """The DiskError for a failure of the system to read or write `path`, with what helps."""
    hint = None
    if error.errno in _FULL:
        hint = "Free some space and run the command again"
    elif error.errno in _REFUSED:
        place = next((folder for folder in path.parents if folder.exists()), path.parent)
        hint = f"Check the permissions of `{printable(str(place))}`"
    reason = (error.strerror or type(error).__name__).lower()
    return DiskError(f"Cannot {verb} `{printable(str(path))}`: {reason}", path=path, hint=hint)


def _mode(path: Path) -> int | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None


def _write_new(path: Path, data: bytes, *, mode: int | None) -> None:
    # O_EXCL follows no link that somebody laid in the way; 0o666 leaves the mode of a new file to the umask
    binary = getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | binary, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        # before the rename: otherwise a crash may leave the new name with no content
        os.fsync(file.fileno())
    if mode is not None:
        path.chmod(mode)


def sync_directory(directory: Path) -> None:
    """Make a rename survive a power cut, where the system lets directories be synced. Raises OSError."""
    if os.name == "nt":
        return  # a directory cannot be opened there
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise
    finally:
        os.close(descriptor)


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of `path` left beside it. Only while nobody else can be writing it."""
    with suppress(OSError):
        for leftover in path.parent.glob(f".{path.name}.{'[0-9a-f]' * 8}.tmp"):
            leftover.unlink()
