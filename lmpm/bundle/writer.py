"""Write a bundle, as a directory or as a tar: whole or, where it was interrupted, to be gone on with."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.bundle import standalone
from lmpm.bundle.standalone import FOLDER, FORMAT, INDEX, LOCK
from lmpm.errors import DiskError, HashMismatchError, NoSpaceError, SpecError
from lmpm.fs import atomic, disk_errors, free_space, hash_one, open_regular, share
from lmpm.limits import CHUNK_BYTES, FREE_SPACE_MARGIN_BYTES
from lmpm.project import Exports
from lmpm.types import FileSource, HubSource, StarterSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from lmpm.bundle.contents import BundlePlan
    from lmpm.reporter import Reporter
    from lmpm.store import Store
    from lmpm.types import ModelFile, Source

MAX_FAT32_BYTES: Final = 2**32 - 1  # of one file: its size is a field of 32 bits
PART_SUFFIX: Final = ".incomplete"
README: Final = """\
Models for use without a network, made by `lmpm bundle create`.

Check:   python verify.py            (Python 3.9 or newer, nothing else)
Import:  lmpm bundle import FOLDER   (in the project whose lmpm.lock this is, or in an empty directory)

BUNDLE.json lists every file with its sha256. Compare the sha256 of BUNDLE.json itself with the one that its maker gave.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that was written. `sha256` is that of BUNDLE.json, and with it of everything."""

    path: Path
    sha256: str
    files: int
    size: int
    beyond_fat32: tuple[str, ...]  # files too large for the file system of most sticks


def write(plan: BundlePlan, target: Path, reporter: Reporter) -> Bundle:
    """Write what is planned to `target`, a directory, or a tar where its name ends so.

    The same plan gives the same bytes. What an interrupted call has written of a directory is kept, checked, and gone
    on with. Raises MissingFilesError where files are not here, DiskError, HashMismatchError where a file of the store
    is not what the lock says, SpecError where something else stands at `target`.
    """
    plan.require_files()
    texts = {LOCK: plan.lock, "README.txt": README.encode(), "verify.py": _script(), **plan.texts}
    index = _index(plan, texts)
    done = _write_tar if target.suffix == ".tar" else _write_directory
    with Exports(plan.workspace.home / "exports").held(target, reporter), disk_errors(target):
        done(plan, target, texts, index, reporter)
    sizes = {_blob(digest): file.size for digest, (file, _) in plan.blobs.items()}
    sizes |= {path: len(text) for path, text in texts.items()}
    whole = {target.name: target.stat().st_size} if target.suffix == ".tar" else sizes
    return Bundle(
        path=target,
        sha256=hashlib.sha256(index).hexdigest(),
        files=len(sizes),
        size=sum(sizes.values()),
        beyond_fat32=tuple(path for path, size in whole.items() if size > MAX_FAT32_BYTES),
    )


def _script() -> bytes:
    return Path(standalone.__file__).read_bytes()


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _index(plan: BundlePlan, texts: dict[str, bytes]) -> bytes:
    """BUNDLE.json: what is in the bundle, from where, and what is not."""
    files = [
        {"path": path, "size": len(text), "sha256": hashlib.sha256(text).hexdigest()} for path, text in texts.items()
    ]
    files += [{"path": _blob(digest), "size": file.size, "sha256": digest} for digest, (file, _) in plan.blobs.items()]
    index = {
        "bundle": FORMAT,
        "lock": hashlib.sha256(plan.lock).hexdigest(),
        "machines": sorted({machine for item in plan.packed for machine in item.machines}),
        "size": sum(file["size"] for file in files if isinstance(file["size"], int)),
        "models": [
            {
                "name": item.name,
                "model": item.candidate.model,
                "quant": item.candidate.quant,
                "license": item.candidate.license,
                "source": _source(item.candidate.source),
                "machines": list(item.machines),
                "files": [
                    {"path": file.path, "size": file.size, "sha256": file.sha256, "role": file.role}
                    for file in item.candidate.files
                ],
                "twins": [
                    {
                        "form": twin.form,
                        "of": twin.of,
                        "license": twin.license,
                        "source": _source(twin.source),
                        "files": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in twin.files],
                    }
                    for twin in item.twins
                ],
                "adapters": [
                    {"source": _source(adapter.source), "path": file.path, "size": file.size, "sha256": file.sha256}
                    for adapter in item.candidate.adapters
                    for file in adapter.files
                ],
            }
            for item in plan.packed
        ],
        "left_out": [
            {"name": item.name, "model": item.model, "quant": item.quant, "why": item.why} for item in plan.left_out
        ],
        "files": sorted(files, key=lambda file: str(file["path"])),
    }
    return (json.dumps(index, indent=1, ensure_ascii=False) + "\n").encode()


def _source(source: Source) -> dict[str, Any]:
    """Where files are from, by the names of the lock."""
    if isinstance(source, HubSource):
        return {"hf": source.repo, "revision": source.revision}
    if isinstance(source, StarterSource):
        return {"starter": source.task}
    return {"file": source.path} if isinstance(source, FileSource) else {"url": source.url}


def _write_directory(plan: BundlePlan, target: Path, texts: dict[str, bytes], index: bytes, reporter: Reporter) -> None:
    """The index comes last: without it a directory is not a bundle yet."""
    _require_own(target, index)
    files = [(file, path) for file, path in plan.blobs.values() if path is not None]
    kept = {file.sha256 for file, _ in files if _is_whole(target / _blob(file.sha256 or ""), file, reporter)}
    coming = [(file, path) for file, path in files if file.sha256 not in kept]
    _require_space(target, sum(file.size for file, path in coming if not _is_same_disk(path, target)))
    for path, text in texts.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(target / path, text)
    (target / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    for file, origin in coming:
        _place(plan.workspace.store, origin, target / _blob(file.sha256 or ""), file, reporter)
    atomic.write_bytes(target / INDEX, index)


def _require_own(target: Path, index: bytes) -> None:
    """Refuse to write among other things. Raises SpecError."""
    if not target.exists():
        return
    if not target.is_dir():
        raise SpecError(f"`{target}` is a file, expected a directory or a name that ends in `.tar`")
    names = {entry.name for entry in target.iterdir()}
    ours = {LOCK, INDEX, "lmpm.toml", "README.txt", "verify.py", "sbom.cdx.json", "licenses", "blobs"}
    if names - ours:
        raise SpecError(
            f"`{target}` holds other things: {', '.join(sorted(names - ours)[:3])}", hint="Name a new directory"
        )
    if INDEX in names and (target / INDEX).read_bytes() != index:
        raise SpecError(f"`{target}` is another bundle already", hint="Remove it, or name a new directory")


def _is_whole(blob: Path, file: ModelFile, reporter: Reporter) -> bool:
    """Whether a file is there from an earlier call; what is there and wrong is removed."""
    if not blob.is_file() or blob.is_symlink():
        blob.unlink(missing_ok=True)
        return False
    reporter.hashing(file.path, file.size)
    found = hash_one(blob)
    if (found.sha256, found.size) == (file.sha256, file.size):
        return True
    blob.unlink()
    return False


def _is_same_disk(origin: Path, target: Path) -> bool:
    existing = next(folder for folder in (target, *target.parents) if folder.exists())
    return origin.resolve().stat().st_dev == existing.stat().st_dev


def _require_space(target: Path, wanted: int) -> None:
    free = free_space(target)
    if wanted and free < wanted + FREE_SPACE_MARGIN_BYTES:
        raise NoSpaceError(
            f"Not enough space for `{target}`: {human(wanted)} to copy, {human(free)} free",
            path=target, wanted=wanted, free=free, hint="Free some space, or write the bundle to another disk",
        )  # fmt: skip


def _place(store: Store, origin: Path, blob: Path, file: ModelFile, reporter: Reporter) -> None:
    """Put a file under its name in the bundle, its bytes shared with the store where both are on one disk."""
    with _becoming(blob, reporter) as part:
        if _is_same_disk(origin, blob):
            reporter.hashing(file.path, file.size)
            found = hash_one(origin)
            _require_right(file, found.sha256, found.size)
            with store.linking(origin, found.sha256):
                share(origin, part, symlink=False)
        else:
            with open_regular(origin) as data, part.open("xb") as copy:
                _require_right(file, *_copy(data, copy, file, reporter))
                copy.flush()
                os.fsync(copy.fileno())


@contextmanager
def _becoming(target: Path, reporter: Reporter) -> Iterator[Path]:
    """A file that takes the name of `target` once it is whole; what goes wrong before leaves nothing."""
    part = target.with_name(target.name + PART_SUFFIX)
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    finally:
        reporter.stopped()


def _copy(data: BinaryIO, copy: BinaryIO, file: ModelFile, reporter: Reporter) -> tuple[str, int]:
    reporter.started(file.path, file.size, 0)
    digest, size = hashlib.sha256(), 0
    while chunk := data.read(CHUNK_BYTES):
        digest.update(chunk)
        copy.write(chunk)
        size += len(chunk)
        reporter.advanced(file.path, len(chunk))
    return digest.hexdigest(), size


def _require_right(file: ModelFile, sha256: str, size: int) -> None:
    if (sha256, size) != (file.sha256, file.size):
        raise HashMismatchError(
            file.path,
            expected=(file.sha256 or "", file.size),
            computed=(sha256, size),
            hint="The file in the store is damaged: `lmpm verify` says which, `lmpm install` brings it again",
        )


class _Hashing(io.RawIOBase):
    """What is read through it is hashed and counted."""

    def __init__(self, data: BinaryIO, file: ModelFile, reporter: Reporter) -> None:
        self.data, self.file, self.reporter = data, file, reporter
        self.digest, self.count = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        chunk = self.data.read(size)
        self.digest.update(chunk)
        self.count += len(chunk)
        self.reporter.advanced(self.file.path, len(chunk))
        return chunk


def _write_tar(plan: BundlePlan, target: Path, texts: dict[str, bytes], index: bytes, reporter: Reporter) -> None:
    """One tar with the index first, so that it can be checked while it is read; sorted, without times or owners."""
    if target.is_dir():
        raise SpecError(f"`{target}` is a directory, expected the name of a tar")
    if not target.parent.is_dir():
        raise DiskError(f"There is no directory `{target.parent}` to write `{target.name}` to")
    _require_space(target.parent, sum(file.size for file, _ in plan.blobs.values()))
    with (
        _becoming(target, reporter) as part,
        part.open("wb") as opened,
        tarfile.open(fileobj=opened, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, text in ((INDEX, index), *sorted(texts.items())):
            archive.addfile(_member(path, len(text)), io.BytesIO(text))
        for digest, (file, origin) in plan.blobs.items():
            if origin is not None:
                _add(archive, _member(_blob(digest), file.size), file, origin, reporter)
        archive.close()
        opened.flush()
        os.fsync(opened.fileno())


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, file: ModelFile, origin: Path, reporter: Reporter) -> None:
    reporter.started(file.path, file.size, 0)
    with open_regular(origin) as data:
        if os.fstat(data.fileno()).st_size != file.size:
            _require_right(file, "", os.fstat(data.fileno()).st_size)
        hashing = _Hashing(data, file, reporter)
        archive.addfile(member, hashing)
    _require_right(file, hashing.digest.hexdigest(), hashing.count)


def _member(path: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"{FOLDER}/{path}")
    member.size, member.mode = size, 0o644
    return member
