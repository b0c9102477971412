"""What can be wrong with a file of the store, each kind with its name."""

from __future__ import annotations

import contextlib
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lmpm.errors import LmpmError
from lmpm.fs import disk
from lmpm.store.cache import digest_behind

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.fs import Hashed
    from lmpm.store.cache import Store
    from lmpm.types import ModelFile, Source

Kind = Literal[
    "dangling", "misnamed", "directory", "special", "empty", "truncated", "extended", "zeros", "changed", "unreadable"
]

_SPECIAL: Final = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True, slots=True)
class Corruption:
    """What is wrong with one file: the kind for programs, the detail for people."""

    path: str  # inside the repository
    kind: Kind
    detail: str
    computed: str | None = None  # the sha256 of what is there, where its bytes were read


def of_place(store: Store, source: Source, file: ModelFile) -> Corruption | None:
    """What is wrong with the thing under a file's name, found without reading or opening it; or None.

    A name that is not there at all is a missing file, which is not damage.
    """
    link, blob = store.link(source, file), store.blob(source, file)
    place = link if link.is_symlink() or link.exists() else blob

    def damage(kind: Kind, detail: str) -> Corruption:
        return Corruption(file.path, kind, detail)

    target = digest_behind(link)
    if target is not None and target != file.sha256:
        return damage("misnamed", f"its name leads to another file, {target[:12]}…")
    try:
        facts = place.stat()
    except PermissionError:
        return damage("unreadable", "it may not be read")
    except OSError:
        return damage("dangling", "a link to nothing") if place.is_symlink() else None
    if stat.S_ISDIR(facts.st_mode):
        return damage("directory", "a directory, expected a file")
    if not stat.S_ISREG(facts.st_mode):
        what = next((name for test, name in _SPECIAL if test(facts.st_mode)), "something else")
        return damage("special", f"{what}, expected a file")
    if facts.st_size == file.size:
        return None
    kind: Kind = "empty" if not facts.st_size else "truncated" if facts.st_size < file.size else "extended"
    return damage(kind, f"{facts.st_size:,} bytes instead of {file.size:,}")


def of_bytes(path: Path, file: ModelFile, hashed: Hashed, names: dict[str, str]) -> Corruption | None:
    """What is wrong with the bytes of a file that was hashed, or None.

    `names` are the other files that are known, by sha256: bytes of one of them are called by its name.
    """
    if (hashed.sha256, hashed.size) == (file.sha256, file.size):
        return None
    if other := names.get(hashed.sha256):
        return Corruption(file.path, "misnamed", f"it holds the bytes of `{other}`", hashed.sha256)
    with contextlib.suppress(LmpmError):
        if hashed.size and disk.is_all_zero(path):
            return Corruption(file.path, "zeros", "nothing but zeros, as after a power cut", hashed.sha256)
    return Corruption(file.path, "changed", "its bytes are not those of the lock", hashed.sha256)
