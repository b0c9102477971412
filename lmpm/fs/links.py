"""One file under a second name without a second copy of its bytes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pathlib import Path

How = Literal["reflink", "hard link", "symlink"]

_FICLONE: Final = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)


def share(origin: Path, target: Path, *, symlink: bool = True) -> How:
    """Make `target`, which must not exist, hold the bytes of `origin`, and say how.

    A reflink comes first, since neither side can then change the other's bytes; then a hard link, which
    outlives the removal of the other name; a symlink, which does not, only where nothing else is possible
    and `symlink` allows it. Raises OSError when none is.
    """
    if _reflink(origin, target):
        return "reflink"
    try:
        target.hardlink_to(origin.resolve())
    except OSError:  # another disk, a file of somebody else, no such links
        if not symlink:
            raise
    else:
        return "hard link"
    target.symlink_to(origin.resolve())
    return "symlink"


def _reflink(origin: Path, target: Path) -> bool:
    """Clone a file where the file system shares extents: Btrfs, XFS, APFS."""
    if sys.platform == "linux":
        made = _clone_on_linux(origin, target)
    elif sys.platform == "darwin":
        made = _clone_on_mac(origin, target)
    else:
        return False
    if made:
        target.chmod(0o444)
    return made


def _clone_on_linux(origin: Path, target: Path) -> bool:
    import fcntl

    with origin.open("rb") as source, target.open("xb") as clone:
        try:
            fcntl.ioctl(clone.fileno(), _FICLONE, source.fileno())
        except OSError:  # another disk, or a file system that does not share extents
            target.unlink()
            return False
    return True


def _clone_on_mac(origin: Path, target: Path) -> bool:
    import ctypes

    clonefile = getattr(ctypes.CDLL(None), "clonefile", None)  # makes nothing where it fails
    return clonefile is not None and clonefile(os.fsencode(origin.resolve()), os.fsencode(target), 0) == 0
