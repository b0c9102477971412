"""Where the bytes are: the Hugging Face cache itself, with a rule more: a name lmpm wrote is verified.

```
<root>/models--org--name/blobs/<sha256>                     the bytes, read-only; or hf's link to those that
                                                            repositories share: see `shared_blobs`
<root>/models--org--name/blobs/<sha256>.lmpm.incomplete     a transfer that was interrupted
<root>/models--org--name/snapshots/<commit>/<path>          -> ../../blobs/<sha256>
<root>/.locks/models--org--name/<sha256>.lock               held during a transfer, by hf too
<home>/verified/                                            notes: what files looked like when they were hashed
<home>/made/                                                notes: which of these names lmpm made
```
A part is bound to its digest: only bytes fetched for that digest are ever appended to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from lmpm import limits
from lmpm.errors import DiskError, HashMismatchError, NoSpaceError
from lmpm.fs import Stamp, atomic, disk, disk_errors, file_lock, free_space, rules
from lmpm.store import shared_blobs
from lmpm.store.ownership import OwnNames
from lmpm.store.verified import VerifiedFiles
from lmpm.types import FileSource, HubSource, ModelFile, Source, StarterSource, UrlSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import IO

    from lmpm.fs import Hashed
    from lmpm.reporter import Reporter

PART_SUFFIX: Final = ".lmpm.incomplete"  # hf's own ending, so that `hf cache prune` knows what it is
STARTER_OWNER: Final = "lmpm"  # starters live beside Hub repositories, under a folder of their own


@dataclass(frozen=True, slots=True)
class Store:
    """The Hugging Face cache at `root`, and lmpm's notes about it below `home`."""

    root: Path
    home: Path

    # -- names ---------------------------------------------------------------

    def folder(self, source: Source) -> Path:
        """The folder of a repository."""
        if isinstance(source, HubSource):
            return self.root / ("models--" + rules.repo_id(source.repo).replace("/", "--"))
        if isinstance(source, StarterSource):
            return self.root / f"models--{STARTER_OWNER}--{rules.model_name(source.task)}-starter"
        kind = "address" if isinstance(source, UrlSource) else "file"
        return self.root / f"models--{STARTER_OWNER}--{kind}"

    def blob(self, source: Source, file: ModelFile) -> Path:
        """Where the bytes of a file lie, or will."""
        return self.folder(source) / "blobs" / _digest(file)

    def part(self, source: Source, file: ModelFile) -> Path:
        """Where an unfinished transfer of a file is kept."""
        return self.folder(source) / "blobs" / (_digest(file) + PART_SUFFIX)

    def link(self, source: Source, file: ModelFile) -> Path:
        """The name under which other tools and the engine open a file.

        Raises ValueError for a source that is not pinned and a path that leaves the snapshot: the last
        guard of several.
        """
        if isinstance(source, HubSource):
            revision = source.revision
        else:
            first = source.first if isinstance(source, FileSource) else ""
            revision = (first or _digest(file))[:40]
        snapshot = self.folder(source) / "snapshots" / rules.revision(revision)
        return snapshot / rules.repository_path(file.path)

    # -- questions -----------------------------------------------------------

    def places(self, source: Source, file: ModelFile) -> list[Path]:
        """Where a file of the right size lies: under the snapshot's name, under the blob's, or both.

        A name that leads to the blob of another digest is left out. Beyond that the size alone says nothing
        about the bytes: `confirm` does.
        """
        found: list[Path] = []
        link = self.link(source, file)
        names = [link] if digest_behind(link) in (None, file.sha256) else []
        for path in (*names, self.blob(source, file)):
            with contextlib.suppress(OSError):
                facts = path.stat()
                if stat.S_ISREG(facts.st_mode) and facts.st_size == file.size:
                    found += [path] if not found or not path.samefile(found[0]) else []
        return found

    def find(self, source: Source, file: ModelFile) -> Path | None:
        """The path of a file whose size is right, wherever a client of the cache put it, or None."""
        return next(iter(self.places(source, file)), None)

    def is_stamped(self, path: Path, sha256: str) -> bool:
        """True when these bytes were hashed before and the file has not been touched since."""
        return self.stamps.holds(path, sha256)

    def confirm(self, path: Path, file: ModelFile, *, reporter: Reporter | None = None) -> None:
        """Hash a file that is already there. Raises HashMismatchError or DiskError.

        A match is noted, so that an unchanged file need not be hashed again for a quick answer.
        """
        if reporter:
            reporter.hashing(file.path, file.size)
        from lmpm.fs import hash_one  # brings a pool of threads along

        self.accept(file, hash_one(path))

    def accept(self, file: ModelFile, hashed: Hashed) -> None:
        """Note that a file was hashed and is right. Raises HashMismatchError when it is not."""
        expected = _digest(file), file.size
        if (hashed.sha256, hashed.size) != expected:
            raise HashMismatchError(file.path, expected=expected, computed=(hashed.sha256, hashed.size))
        self._verified(hashed.stamp, hashed.sha256)

    def digest(self, path: Path) -> tuple[str, int]:
        """sha256 and size of a file that nobody has promised anything about. Raises DiskError."""
        with disk_errors(path, "read"):
            before = Stamp.of(path)
        computed, size = disk.hash_file(path)
        self.stamps.note(before, computed)
        return computed, size

    def _verified(self, stamp: Stamp, sha256: str) -> None:
        """Note that a file was hashed; what a server claimed of its header gives way to what it says itself."""
        self.stamps.note(stamp, sha256)
        from lmpm.hub import HeaderCache

        HeaderCache(self.home / "headers").confirm(sha256, Path(stamp.path))

    @contextlib.contextmanager
    def linking(self, path: Path, sha256: str) -> Iterator[None]:
        """Keep the note on a file that gets or loses another name meanwhile: that moves its ctime, not its bytes."""
        known, before = self.is_stamped(path, sha256), Stamp.of(path)
        yield
        now = Stamp.of(path)
        if known and (now.size, now.mtime_ns, now.inode) == (before.size, before.mtime_ns, before.inode):
            self.stamps.note(now, sha256)

    @property
    def stamps(self) -> VerifiedFiles:
        """What was hashed before."""
        return VerifiedFiles(self.home / "verified")

    @property
    def made(self) -> OwnNames:
        """The names that lmpm made here."""
        return OwnNames(self.home / "made")

    def commits(self, repo: str) -> list[str]:
        """Commits of which something is here, newest first."""
        try:
            entries = [entry for entry in (self.folder(HubSource(repo)) / "snapshots").iterdir() if _is_commit(entry)]
            return [entry.name for entry in sorted(entries, key=lambda entry: -entry.stat().st_mtime)]
        except (OSError, ValueError):
            return []

    def file_at(self, source: HubSource, path: str) -> ModelFile | None:
        """A file as the cache names it. One link is followed: a blob may itself be a link (hf's Xet store)."""
        try:
            link = self.link(source, ModelFile(path=path, size=0))
            digest = rules.sha256(link.readlink().name)
            facts = link.stat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(facts.st_mode) or not facts.st_size:
            return None
        return ModelFile(path=path, size=facts.st_size, sha256=digest)

    def require_space(self, wanted: int) -> None:
        """Refuse before the first byte what cannot end well. Raises DiskError."""
        free = free_space(self.root)
        if free < wanted + limits.FREE_SPACE_MARGIN_BYTES:
            raise NoSpaceError(
                f"Not enough space in `{self.root}`: {human(wanted)} to download and "
                f"{human(limits.FREE_SPACE_MARGIN_BYTES)} to leave, {human(free)} free",
                path=self.root,
                wanted=wanted,
                free=free,
            )

    def reserved(self, source: Source, file: ModelFile) -> int:
        """Bytes of the disk that an interrupted transfer of a file already takes, gaps left out."""
        try:
            facts = self.part(source, file).stat()
        except OSError:
            return 0
        return min(disk.occupied_by(facts), file.size)

    # -- changes -------------------------------------------------------------

    def transfer_lock(
        self, source: Source, file: ModelFile, reporter: Reporter, *, wait: bool = True
    ) -> AbstractContextManager[bool]:
        """Hold the lock that hf takes too, so that one process downloads and the others wait.

        Gives whether it is held, which it always is with `wait`.
        """
        waiting = partial(reporter.waiting, file.path) if wait else None
        return file_lock.hold_file_lock(self._lock(self.folder(source).name, _digest(file)), waiting=waiting)

    def try_lock(self, folder: str, sha256: str) -> AbstractContextManager[bool]:
        """Hold the lock of a transfer unless somebody else does; gives whether it is held."""
        return file_lock.hold_file_lock(self._lock(folder, sha256))

    def _lock(self, folder: str, sha256: str) -> Path:
        return self.root / ".locks" / folder / f"{sha256}.lock"

    def open_part(self, source: Source, file: ModelFile) -> BinaryIO:
        """The part of a file, opened for reading and writing, made if it is not there."""
        part = self.part(source, file)
        with disk_errors(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            # a repository without a snapshot counts as broken for hf
            self.link(source, file).parent.mkdir(parents=True, exist_ok=True)
            return disk.open_part(part)

    def discard_part(self, source: Source, file: ModelFile) -> None:
        """Remove a part that holds nothing, and the folders that were made for it."""
        part = self.part(source, file)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        disk.remove_empty(part.parent, self.root)
        disk.remove_empty(self.link(source, file).parent, self.root)

    def publish(self, source: Source, file: ModelFile, part: BinaryIO) -> Path:
        """Give a part whose size and sha256 were just checked its final name, safely across power cuts."""
        blob = self.blob(source, file)
        with disk_errors(blob):
            os.fsync(part.fileno())
            part.close()
            if blob.is_dir() and not blob.is_symlink():
                raise DiskError(f"`{blob}` is a directory, expected a file", path=blob, hint="Remove it")
            if not shared_blobs.mend(self.root, blob, self.part(source, file)):
                self.part(source, file).replace(blob)
                blob.chmod(0o444)  # after the rename: a crash in between must not leave a part that is read-only
                with contextlib.suppress(OSError):  # not every system lets directories be synced
                    atomic.sync_directory(blob.parent)
                self.made.note(blob, _digest(file))
            self._verified(Stamp.of(blob), _digest(file))
        return self.expose(source, file)

    def expose(self, source: Source, file: ModelFile) -> Path:
        """Link the snapshot's name to the verified blob, as hf does, in place of whatever stands there."""
        link, blob = self.link(source, file), self.blob(source, file)
        with disk_errors(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            if disk.is_same_file(link, blob):
                return link
            link.unlink(missing_ok=True)
            try:
                link.symlink_to(os.path.relpath(blob, link.parent))
            except FileExistsError:
                if not disk.is_same_file(link, blob):
                    raise
                return link  # another process was faster
            except (OSError, NotImplementedError):  # no symbolic links on this file system
                try:
                    link.hardlink_to(blob)
                except OSError:  # nor others: the name takes the bytes, as it does for hf
                    blob.replace(link)
            self.made.note(link, _digest(file))
        return link

    def opened(self, source: Source, file: ModelFile, path: Path) -> Path:
        """The name under which to open the verified file at `path`, one of its `places`."""
        return self.expose(source, file) if path == self.blob(source, file) else path

    def note_ref(self, source: Source, name: str = "main") -> None:
        """Remember which commit a branch was at, as hf does, so that other tools find it offline."""
        if not isinstance(source, HubSource) or not source.revision:
            return
        ref = self.folder(source) / "refs" / name
        with contextlib.suppress(OSError, DiskError):
            ref.parent.mkdir(parents=True, exist_ok=True)
            if not ref.exists() or ref.read_text("utf-8") != source.revision:
                atomic.write_text(ref, source.revision)
                self.made.note(ref)

    def adopt_file(self, source: Source, file: ModelFile, origin: Path, reporter: Reporter) -> Path:
        """Copy a file of lmpm's own into the store under its promised digest; the digest is checked on the way."""
        try:
            return self.take(source, file, partial(disk.open_regular, origin), reporter)
        except HashMismatchError as error:
            raise error.with_hint("The installation of lmpm is damaged: install it again") from error

    def take(self, source: Source, file: ModelFile, opened: Callable[[], IO[bytes]], reporter: Reporter) -> Path:
        """Copy what `opened` gives into the store under its promised digest, which is checked on the way.

        Raises HashMismatchError, and DiskError; nothing is left then.
        """
        with self.transfer_lock(source, file, reporter):
            present = self.find(source, file)
            if present and self.is_stamped(present, _digest(file)):
                return self.opened(source, file, present)
            with self.open_part(source, file) as part:
                try:
                    self._copy(opened, part, self.part(source, file), file)
                except BaseException:
                    self.discard_part(source, file)
                    raise
                return self.publish(source, file, part)

    def link_file(self, source: Source, file: ModelFile, origin: Path, reporter: Reporter) -> Path:
        """Point at a file of the user's own whose bytes are the promised ones; nothing is copied.

        The name leads straight there and not by way of a blob, which files with the same bytes would share:
        one that is moved away must not take the other along.
        """
        if not self.is_stamped(origin, _digest(file)):
            self.confirm(origin, file, reporter=reporter)
        link = self.link(source, file)
        with disk_errors(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(origin.resolve())
            self.made.note(link, _digest(file))
        return link

    def _copy(self, opened: Callable[[], IO[bytes]], part: BinaryIO, place: Path, file: ModelFile) -> None:
        """Copy a file into an emptied part. Raises HashMismatchError where other bytes come than promised."""
        digest = hashlib.sha256()
        with disk_errors(place):
            part.truncate(0)
            with opened() as data:
                while part.tell() <= file.size and (chunk := data.read(limits.CHUNK_BYTES)):
                    digest.update(chunk)
                    disk.write_all(part, chunk)
        if (digest.hexdigest(), part.tell()) != (_digest(file), file.size):
            computed = digest.hexdigest(), part.tell()
            raise HashMismatchError(file.path, expected=(_digest(file), file.size), computed=computed)


def digest_behind(link: Path) -> str | None:
    """The sha256 that a name of a snapshot leads to, None where it leads to no blob."""
    try:
        return rules.sha256(link.readlink().name)
    except (OSError, ValueError):
        return None


def _digest(file: ModelFile) -> str:
    if not file.sha256:
        raise ValueError(f"`{file.path}` has no sha256 yet, and without one nothing enters the store")
    return rules.sha256(file.sha256)


def _is_commit(entry: Path) -> bool:
    with contextlib.suppress(ValueError):
        return bool(rules.revision(entry.name))
    return False
