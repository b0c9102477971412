"""What is in the store: every GGUF file and all else that lmpm brought, with its size and the locks that name it."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import defaultdict
from collections.abc import Mapping, Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.fs import occupied_by
from lmpm.store.ownership import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.store.cache import Store
    from lmpm.store.ownership import Name

REPOSITORY_PREFIX: Final = "models--"
MODEL_SUFFIX: Final = ".gguf"
UNFINISHED_SUFFIXES: Final = (".incomplete", ".downloadInProgress")  # hf's and ours, llama.cpp's
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_OURS: Final = re.compile(r"([0-9a-f]{64})\.lmpm\..+")  # a part and what is noted beside it


@dataclass(frozen=True, slots=True)
class Use:
    """A lock that names a file."""

    project: Path
    model: str


Uses = Mapping[tuple[str, str], AbstractSet[Use]]  # by folder name, and digest or path below the folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A GGUF file of the store, or a file of a twin that lmpm brought.

    `names` are its names below `snapshots`, `own_names` those of them that lmpm made. `blob` is where the bytes lie,
    or the link to them; None in a cache without links, where the one name is the file. `brought` is True when lmpm
    put the bytes there. `freed` are the bytes that the disk gets back when lmpm's share of it goes: 0 where other
    names share them.
    """

    repo: str
    folder: Path
    sha256: str | None
    size: int
    freed: int
    names: tuple[Path, ...]
    own_names: tuple[Path, ...]
    blob: Path | None
    brought: bool
    used_by: tuple[Use, ...] = ()

    @property
    def removable(self) -> tuple[Path, ...]:
        """What lmpm may remove of it, in this order: its own names, then the bytes unless somebody else names them.

        Bytes that somebody else brought never go, and neither does the last name that leads to them.
        """
        if len(self.own_names) < len(self.names):
            return self.own_names
        return (*self.own_names, *([self.blob] if self.blob else [])) if self.brought else ()

    @property
    def title(self) -> str:
        """The path inside the repository, or the digest of a file that has no name."""
        if not self.names:
            return f"{(self.sha256 or '')[:12]}… (no name)"
        return self.names[0].relative_to(self.folder / "snapshots").as_posix().partition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What an interrupted transfer left."""

    repo: str
    folder: Path
    path: Path
    size: int  # bytes that it takes on the disk
    sha256: str | None  # of what it was to become; None for those of other tools
    used_by: tuple[Use, ...] = ()

    @property
    def is_ours(self) -> bool:
        """True when lmpm left it, and can go on from it."""
        return self.sha256 is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What the store holds; `other_bytes` are those of files of others that are not GGUF."""

    files: tuple[Stored, ...]
    unfinished: tuple[Unfinished, ...]
    other_bytes: int

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(file.size for file in self.files)


def take(store: Store, uses: Uses) -> Inventory:
    """Look at every repository of the store. Nothing is hashed, and nothing is changed."""
    made = store.made.read()
    files: list[Stored] = []
    unfinished: list[Unfinished] = []
    others = 0
    for folder in _repositories(store.root):
        look = _Folder(folder, uses, made)
        files += look.models
        unfinished += look.unfinished()
        others += look.other_bytes()
    files.sort(key=lambda file: (file.repo, file.title))
    return Inventory(files=tuple(files), unfinished=tuple(unfinished), other_bytes=others)


def _repositories(root: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(entry for entry in root.iterdir() if entry.name.startswith(REPOSITORY_PREFIX))


class _Folder:
    """One repository of the store, walked once."""

    def __init__(self, folder: Path, uses: Uses, made: Mapping[Name, str]) -> None:
        self.folder = folder
        self.uses = uses
        self.made = made
        self.wanted = frozenset(self._commits_of_others())
        self.repo = folder.name.removeprefix(REPOSITORY_PREFIX).replace("--", "/", 1)
        self.links: dict[str, list[Path]] = defaultdict(list)  # by digest
        self.plain: dict[int, list[Path]] = defaultdict(list)  # names that are the bytes themselves, by inode
        for path in _files_below(folder / "snapshots"):
            with contextlib.suppress(OSError):
                if path.is_symlink():
                    self.links[path.readlink().name].append(path)
                else:
                    self.plain[path.lstat().st_ino].append(path)
        self.blobs = list(_entries(folder / "blobs"))
        self.models = tuple(self._models())

    def _models(self) -> Iterator[Stored]:
        inodes = set()
        for blob in self.blobs:
            facts = _facts(blob)
            hard = self.plain.get(facts.st_ino, []) if facts else []
            inodes |= {facts.st_ino} if facts else set()
            names = [*self.links.get(blob.name, []), *hard]
            if _DIGEST.fullmatch(blob.name) and (not names or any(map(self._counts, names))):
                yield from self._stored(blob, names, blob, len(hard))
        for inode, names in self.plain.items():
            if inode not in inodes and any(map(self._counts, names)):
                yield from self._stored(names[0], names, None, len(names) - 1)

    def _stored(self, place: Path, names: list[Path], blob: Path | None, others: int) -> Iterator[Stored]:
        """The file at `place`, unless something else is there; `others` are its further hard links here."""
        facts, own = _facts(place), _facts(place, follow=False)
        if facts is None or own is None or not stat.S_ISREG(facts.st_mode):
            return
        digest = self._made(place)
        own_names = tuple(sorted(name for name in names if self._is_own(name)))
        is_shared = own.st_nlink > 1 + others or len(own_names) < len(names)
        sha256 = blob.name if blob else digest or None
        keys = {sha256 or "", *(name.relative_to(self.folder).as_posix() for name in names)}
        yield Stored(
            repo=self.repo,
            folder=self.folder,
            sha256=sha256,
            size=facts.st_size,
            freed=own.st_size if digest is not None and stat.S_ISREG(own.st_mode) and not is_shared else 0,
            names=tuple(sorted(names)),
            own_names=own_names,
            blob=blob,
            brought=digest is not None,
            used_by=self._used_by(*keys),
        )

    def _counts(self, name: Path) -> bool:
        """Whether a name is that of a model, or one that lmpm made."""
        return name.name.lower().endswith(MODEL_SUFFIX) or self._made(name) is not None

    def _made(self, path: Path) -> str | None:
        """The sha256 that lmpm noted for what it made at `path`; None where somebody else made it."""
        with contextlib.suppress(OSError):
            return self.made.get(name_of(path))
        return None

    def _is_own(self, name: Path) -> bool:
        """Whether lmpm made a name, and nobody else has a ref to the commit that it is of."""
        commit = name.relative_to(self.folder / "snapshots").parts[0]
        return commit not in self.wanted and self._made(name) is not None

    def _commits_of_others(self) -> Iterator[str]:
        """The commits that refs lead to which another client of the cache made."""
        for ref in _files_below(self.folder / "refs"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                if self._made(ref) is None and not ref.is_symlink():
                    yield ref.read_text("utf-8").strip()

    def unfinished(self) -> Iterator[Unfinished]:
        for path in self.blobs:
            ours = _OURS.fullmatch(path.name)
            facts = _facts(path, follow=False)
            if facts is not None and (ours or path.name.endswith(UNFINISHED_SUFFIXES)):
                yield Unfinished(
                    repo=self.repo,
                    folder=self.folder,
                    path=path,
                    size=occupied_by(facts),
                    sha256=ours[1] if ours else None,
                    used_by=self._used_by(ours[1]) if ours else (),
                )

    def other_bytes(self) -> int:
        """Bytes of the other finished files, wherever this client keeps them."""
        models = {file.blob or file.names[0] for file in self.models}
        blobs = [blob for blob in self.blobs if not blob.name.endswith(UNFINISHED_SUFFIXES)]
        inodes = {facts.st_ino for blob in self.blobs if (facts := _facts(blob))}
        plain = [names[0] for inode, names in self.plain.items() if inode not in inodes]
        found = (_facts(place) for place in blobs + plain if place not in models and not _OURS.fullmatch(place.name))
        return sum(facts.st_size for facts in found if facts and stat.S_ISREG(facts.st_mode))

    def _used_by(self, *keys: str) -> tuple[Use, ...]:
        found = {use for key in keys for use in self.uses.get((self.folder.name, key), ())}
        return tuple(sorted(found, key=lambda use: (use.project, use.model)))


def _facts(path: Path, *, follow: bool = True) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        return path.stat(follow_symlinks=follow)
    return None


def _entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(folder.iterdir())


def _files_below(folder: Path) -> Iterator[Path]:
    """Every name below a folder that is not itself a folder; links are named and not followed."""
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in names)
        yield from (path for name in folders if (path := Path(place, name)).is_symlink())
