"""Where the bytes are: the Hugging Face cache itself, with a rule more: a name lmpm wrote is verified.

```
<root>/models--org--name/blobs/<sha256>                     the bytes, read-only
<root>/models--org--name/blobs/<sha256>.lmpm.incomplete     a transfer that was interrupted
<root>/models--org--name/snapshots/<commit>/<path>          -> ../../blobs/<sha256>
<root>/.locks/models--org--name/<sha256>.lock               held during a transfer, by hf too
<home>/verified/<sha256>                                    what was hashed: path, size, mtime, inode
```
A part is bound to its digest: only bytes fetched for that digest are ever appended to it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from lmpm import limits
from lmpm.errors import DiskError, HashMismatchError, IntegrityError
from lmpm.size import human
from lmpm.types import HubSource, ModelFile, Source, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.hub import Repository
    from lmpm.progress import Reporter

PART_SUFFIX: Final = ".lmpm.incomplete"
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
STARTER_OWNER: Final = "lmpm"  # starters live beside Hub repositories, under a folder of their own


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file looked like when its bytes were hashed."""

    path: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Store:
    """The Hugging Face cache at `root`, and lmpm's notes about it below `home`."""

    root: Path
    home: Path

    # -- names ---------------------------------------------------------------

    def folder(self, source: Source) -> Path:
        """The folder of a repository."""
        if isinstance(source, HubSource):
            return self.root / ("models--" + source.repo.replace("/", "--"))
        return self.root / f"models--{STARTER_OWNER}--{source.task}-starter"

    def blob(self, source: Source, file: ModelFile) -> Path:
        """Where the bytes of a file lie, or will."""
        return self.folder(source) / "blobs" / _digest(file)

    def part(self, source: Source, file: ModelFile) -> Path:
        """Where an unfinished transfer of a file is kept."""
        return self.folder(source) / "blobs" / (_digest(file) + PART_SUFFIX)

    def link(self, source: Source, file: ModelFile) -> Path:
        """The name under which other tools and the engine open a file."""
        revision = source.revision if isinstance(source, HubSource) else _digest(file)[:40]
        if not revision:
            raise ValueError("a source without a revision has no place in the store")
        return self.folder(source) / "snapshots" / revision / file.path

    # -- questions -----------------------------------------------------------

    def find(self, source: Source, file: ModelFile) -> Path | None:
        """The path of a file whose size is right, wherever a client of the cache put it, or None.

        The size alone says nothing about the bytes: `confirm` does.
        """
        for path in (self.link(source, file), self.blob(source, file)):
            with contextlib.suppress(OSError):
                facts = path.stat()
                if stat.S_ISREG(facts.st_mode) and facts.st_size == file.size:
                    return path
        return None

    def kept(self, source: Source, file: ModelFile) -> int:
        """Bytes of a file that an interrupted transfer left."""
        try:
            size = self.part(source, file).stat().st_size
        except OSError:
            return 0
        return size if size <= file.size else 0

    def is_stamped(self, path: Path, sha256: str) -> bool:
        """True when these bytes were hashed before and the file has not been touched since."""
        try:
            noted = Stamp(**json.loads((self.home / "verified" / sha256).read_text("utf-8")))
            return noted == _stamp(path)
        except (OSError, ValueError, TypeError):
            return False

    def confirm(self, path: Path, file: ModelFile, *, reporter: Reporter | None = None) -> None:
        """Hash a file that is already there. Raises HashMismatchError or DiskError.

        A match is noted, so that an unchanged file need not be hashed again for a quick answer.
        """
        expected = _digest(file)
        if reporter:
            reporter.hashing(file.path, file.size)
        computed, size = hash_file(path)
        if (computed, size) != (expected, file.size):
            raise HashMismatchError(file.path, expected=(expected, file.size), computed=(computed, size))
        self.stamp(path, expected)

    def stamp(self, path: Path, sha256: str) -> None:
        """Note that the bytes at `path` hash to `sha256`; a note that cannot be written is no loss."""
        with contextlib.suppress(OSError):
            folder = self.home / "verified"
            folder.mkdir(parents=True, exist_ok=True)
            facts = _stamp(path)
            temporary = folder / f"{sha256}.{os.getpid()}"
            temporary.write_text(json.dumps({name: getattr(facts, name) for name in facts.__slots__}), "utf-8")
            temporary.replace(folder / sha256)

    def repository(self, repo: str, revision: str | None = None) -> Repository | None:
        """What the store holds of a repository at a commit, or at its newest one here, or None.

        Digests are the names of the blobs; sizes are those on disk.
        """
        from lmpm.hub import Repository

        for commit in self._commits(repo):
            if revision in (None, commit):
                source = HubSource(repo, commit)
                root = self.folder(source) / "snapshots" / commit
                paths = (path.relative_to(root).as_posix() for path in root.rglob("*.gguf"))
                files = tuple(file for path in sorted(paths) if (file := self._file(source, path)))
                return Repository(id=repo, revision=commit, files=files, license="unknown", gated=False, private=False)
        return None

    def held(self, variant: Variant) -> Variant | None:
        """The variant pinned to what is on this machine, or None unless every file of it is."""
        if not isinstance(variant.source, HubSource):
            return None
        for commit in self._commits(variant.source.repo):
            if variant.source.revision in (None, commit):
                source = HubSource(variant.source.repo, commit)
                files = [self._file(source, file.path) for file in variant.files]
                if all(
                    there is not None and wanted.sha256 in (None, there.sha256)
                    for wanted, there in zip(variant.files, files, strict=True)
                ):
                    pinned = tuple(
                        replace(there, role=wanted.role)
                        for wanted, there in zip(variant.files, files, strict=True)
                        if there
                    )
                    return replace(variant, source=source, files=pinned)
        return None

    def _commits(self, repo: str) -> list[str]:
        """Commits of which something is here, newest first."""
        root = self.folder(HubSource(repo)) / "snapshots"
        try:
            entries = [entry for entry in root.iterdir() if COMMIT.fullmatch(entry.name)]
            return [entry.name for entry in sorted(entries, key=lambda entry: -entry.stat().st_mtime)]
        except OSError:
            return []

    def _file(self, source: HubSource, path: str) -> ModelFile | None:
        """A file as the cache names it. One link is followed: a blob may itself be a link (hf's Xet store)."""
        link = self.link(source, ModelFile(path=path, size=0))
        try:
            digest = Path(os.readlink(link)).name  # noqa: PTH115
            facts = link.stat()
        except OSError:
            return None
        if not DIGEST.fullmatch(digest) or not stat.S_ISREG(facts.st_mode):
            return None
        return ModelFile(path=path, size=facts.st_size, sha256=digest)

    def require_space(self, wanted: int) -> None:
        """Refuse before the first byte what cannot end well. Raises DiskError."""
        free = free_space(self.root)
        if free < wanted + limits.FREE_SPACE_MARGIN_BYTES:
            raise DiskError(
                f"Not enough space in `{self.root}`: {human(wanted)} to download, {human(free)} free",
                path=self.root,
                hint="Free some space, or move the store with HF_HUB_CACHE",
            )

    # -- changes -------------------------------------------------------------

    @contextlib.contextmanager
    def transfer_lock(self, source: Source, file: ModelFile, reporter: Reporter) -> Iterator[None]:
        """Hold the lock that hf takes too, so that one process downloads and the others wait."""
        from filelock import FileLock, Timeout

        place = self.root / ".locks" / self.folder(source).name / f"{_digest(file)}.lock"
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(place)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                reporter.waiting(file.path)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def open_part(self, source: Source, file: ModelFile) -> BinaryIO:
        """The part of a file, opened for reading and writing, made if it is not there."""
        part = self.part(source, file)
        with disk_errors(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            return os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), "r+b", 0)

    def discard_part(self, source: Source, file: ModelFile) -> None:
        """Remove a part that holds nothing, and the folders that were made for it."""
        part = self.part(source, file)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            part.parent.rmdir()  # only if empty
            part.parent.parent.rmdir()

    def publish(self, source: Source, file: ModelFile, part: BinaryIO) -> Path:
        """Give a part whose size and sha256 were just checked its final name, safely across power cuts."""
        blob = self.blob(source, file)
        with disk_errors(blob):
            os.fsync(part.fileno())
            part.close()
            own = self.part(source, file)
            own.chmod(0o444)
            if blob.is_dir() and not blob.is_symlink():
                raise DiskError(f"`{blob}` is a directory; remove it", path=blob)
            own.replace(blob)
            _sync_directory(blob.parent)
            self.stamp(blob, _digest(file))
            return self.expose(source, file)

    def expose(self, source: Source, file: ModelFile) -> Path:
        """Link the snapshot's name to the blob, as hf does; copy where links are not possible."""
        link, blob = self.link(source, file), self.blob(source, file)
        with disk_errors(link):
            if link.exists() and not link.is_symlink() and link.is_file():
                return link  # a cache without symlinks keeps the file itself here
            link.parent.mkdir(parents=True, exist_ok=True)
            target = os.path.relpath(blob, link.parent)
            if link.is_symlink() and os.readlink(link) == target:  # noqa: PTH115
                return link
            temporary = link.with_name(f".{link.name[:200]}.{os.getpid()}")
            try:
                temporary.symlink_to(target)
            except (OSError, NotImplementedError):
                temporary.hardlink_to(blob)
            temporary.replace(link)
            return link

    def note_ref(self, source: Source, name: str = "main") -> None:
        """Remember which commit a branch was at, as hf does, so that other tools find it offline."""
        if not isinstance(source, HubSource) or not source.revision:
            return
        with contextlib.suppress(OSError):
            ref = self.folder(source) / "refs" / name
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(source.revision, "utf-8")

    def adopt_file(self, source: Source, file: ModelFile, origin: Path, reporter: Reporter) -> Path:
        """Copy a local file into the store under its promised digest; the digest is checked on the way."""
        with self.transfer_lock(source, file, reporter):
            present = self.find(source, file)
            if present and self.is_stamped(present, _digest(file)):
                return self.expose(source, file)
            with self.open_part(source, file) as part, disk_errors(self.part(source, file)):
                part.truncate(0)
                digest = hashlib.sha256()
                with origin.open("rb") as data:
                    while chunk := data.read(limits.CHUNK_BYTES):
                        digest.update(chunk)
                        write_all(part, chunk)
                size = part.tell()
                if (digest.hexdigest(), size) != (_digest(file), file.size):
                    self.part(source, file).unlink()
                    raise HashMismatchError(
                        file.path,
                        expected=(_digest(file), file.size),
                        computed=(digest.hexdigest(), size),
                        hint="The installation of lmpm is damaged: install it again",
                    )
                return self.publish(source, file, part)


def free_space(path: Path) -> int:
    """Bytes free on the disk that `path` is or will be on."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def hash_file(path: Path) -> tuple[str, int]:
    """sha256 and size of a file's bytes. Raises DiskError when they cannot be read."""
    with disk_errors(path), path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise IntegrityError(f"`{path}` is not a regular file")
        digest = hashlib.file_digest(file, "sha256")
        return digest.hexdigest(), file.tell()


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write every byte: an unbuffered file may take fewer."""
    view = memoryview(data)
    while view:
        written = file.write(view)
        view = view[written or 0 :]


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about the disk into a DiskError that names the place."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        raise DiskError(*_explain(error, path)) from error


def _explain(error: OSError, path: Path) -> tuple[str]:
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    where = error.filename or path
    if error.errno in full:
        return (f"The disk is full or a limit is reached: `{where}`",)
    if error.errno == errno.EROFS:
        return (f"`{where}` is on a read-only file system",)
    if error.errno in (errno.EACCES, errno.EPERM):
        return (f"No permission to write or read `{where}`",)
    return (f"`{where}`: {error.strerror or error}",)


def _digest(file: ModelFile) -> str:
    if not file.sha256:
        raise ValueError(f"`{file.path}` has no sha256 yet, and without one nothing enters the store")
    return file.sha256


def _stamp(path: Path) -> Stamp:
    real = path.resolve()
    facts = real.stat()
    return Stamp(str(real), facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _sync_directory(path: Path) -> None:
    """Make a rename survive a power cut, where the system lets directories be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
