"""Carry out an export, look whether it still stands, and take it back."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lmpm.errors import HashMismatchError, LmpmError, SpecError
from lmpm.fs import atomic, disk_errors, hash_one, share
from lmpm.project import Exported, ExportedFile
from lmpm.types import FileSource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lmpm.export.record import Export, Link, Text
    from lmpm.reporter import Reporter
    from lmpm.store import Store

PART_SUFFIX = ".lmpm.incomplete"


@dataclass(frozen=True, slots=True)
class Drift:
    """A file of an export that is not as it should be."""

    path: Path
    kind: Literal["missing", "changed", "outdated"]

    def __str__(self) -> str:
        words = {"missing": "is gone", "changed": "was changed", "outdated": "is not what the lock says now"}
        return f"{self.path} {words[self.kind]}"


def write(
    export: Export, store: Store, *, project: Path, earlier: Exported | None, copy: bool, reporter: Reporter
) -> Exported:
    """Write an export and return its record. Bytes are hashed first, then shared, or with `copy` copied.

    A file that is there and is neither of an `earlier` export nor what it would become is left alone: SpecError. Raises
    DiskError, and HashMismatchError where the store is damaged; what this call made is removed then.
    """
    own = {file.path: file for file in earlier.files} if earlier else {}
    done: list[ExportedFile] = []
    try:
        for link in export.links:
            done.append(_place(store, export.place, link, own.get(link.path), copy=copy, reporter=reporter))  # noqa: PERF401 what is done is undone when the next fails
        for text in export.texts:
            done.append(_write(export.place, text, own.get(text.path)))  # noqa: PERF401
    except BaseException:
        for file in done:
            if file.made and file.path not in own:
                _remove(export.place, file.path)
        for path in (*(link.path for link in export.links), *(text.path for text in export.texts)):
            _remove_empty(export.place, export.place / path)
        raise
    kept = {file.path for file in done}
    for path, file in own.items():
        if path not in kept and file.made and _is(export.place / path, file):
            _remove(export.place, path)
    return Exported(
        target=export.target,
        name=export.name,
        project=project,
        place=export.place,
        files=tuple(done),
        refers=tuple((link.path, link.sha256) for link in export.refers),
        options=export.options,
    )


def _place(
    store: Store, place: Path, link: Link, own: ExportedFile | None, *, copy: bool, reporter: Reporter
) -> ExportedFile:
    """Put the bytes of the store under their name."""
    target = place / link.path
    wanted = ExportedFile(path=link.path, size=link.size, sha256=link.sha256)
    if target.exists() or target.is_symlink():
        reporter.hashing(target.name, link.size)
        if _is(target, wanted):
            return (
                wanted
                if own and own.made
                else ExportedFile(path=link.path, size=link.size, sha256=link.sha256, made=False)
            )
        _require_own(target, own)
    reporter.hashing(link.origin.name, link.size)
    found = hash_one(link.origin)
    if (found.sha256, found.size) != (link.sha256, link.size):
        raise HashMismatchError(
            link.origin.name, expected=(link.sha256, link.size), computed=(found.sha256, found.size),
            hint="The file in the store is damaged: `lmpm verify` says more, `lmpm install` brings it again",
        )  # fmt: skip
    part = target.with_name(target.name + PART_SUFFIX)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            if copy or not _shared(store, link, part):
                with part.open("xb") as made, link.origin.open("rb") as data:
                    shutil.copyfileobj(data, made, 2**20)
                    made.flush()
                    os.fsync(made.fileno())
                part.chmod(0o644)
            part.replace(target)
            part.unlink(missing_ok=True)  # a rename onto the same file leaves both names
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    return wanted


def _shared(store: Store, link: Link, target: Path) -> bool:
    try:
        with store.linking(link.origin, link.sha256):
            share(link.origin, target, symlink=False)
    except OSError:  # another disk
        return False
    return True


def _write(place: Path, text: Text, own: ExportedFile | None) -> ExportedFile:
    target = place / text.path
    wanted = ExportedFile(path=text.path, size=len(text.data), sha256=text.sha256)
    if target.exists() or target.is_symlink():
        if _is(target, wanted):
            made = own.made if own else False
            return ExportedFile(path=text.path, size=len(text.data), sha256=text.sha256, made=made)
        _require_own(target, own)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(target, text.data)
    return wanted


def _require_own(target: Path, own: ExportedFile | None) -> None:
    """Refuse to replace what somebody else put there. Raises SpecError."""
    if own is None or not own.made or not _is(target, own):
        raise SpecError(
            f"`{target}` is there already, and is not as lmpm made it",
            hint="Move it away, or export to another place with `--to`",
            kind="not-ours",
        )


def _is(path: Path, file: ExportedFile) -> bool:
    """Whether a file has these bytes."""
    try:
        if path.is_symlink() or path.stat().st_size != file.size:
            return False
        return hash_one(path).sha256 == file.sha256
    except (OSError, LmpmError):
        return False


def drifts_of(record: Exported) -> list[Drift]:
    """What of an export is not as it was made."""
    found = []
    for file in record.files:
        path = record.place / file.path
        if not path.is_file():
            found.append(Drift(path, "missing"))
        elif not _is(path, file):
            found.append(Drift(path, "changed"))
    return found


def drifts_in_store(record: Exported, store: Store) -> Iterator[Drift]:
    """What of the files in the store that an export names is not as it was; files of the user's own lie elsewhere."""
    for folder, digest in record.refers:
        blob = store.root / folder / "blobs" / digest
        if folder == store.folder(FileSource("")).name or store.is_stamped(blob, digest):
            continue
        if not blob.is_file():
            yield Drift(blob, "missing")
        elif hash_one(blob).sha256 != digest:
            yield Drift(blob, "changed")


def check(record: Exported, wanted: Export | None) -> list[Drift]:
    """What of an export is not as it was made, or not what the lock asks for now; `wanted` None: only the former."""
    found = drifts_of(record)
    if wanted is not None and not found:
        made = {file.path: file.sha256 for file in record.files}
        asked = {link.path: link.sha256 for link in wanted.links} | {text.path: text.sha256 for text in wanted.texts}
        found += [
            Drift(record.place / path, "outdated")
            for path in sorted({*made, *asked})
            if made.get(path) != asked.get(path)
        ]
    return found


def undo(record: Exported, *, used: Collection[str] = ()) -> list[Path]:
    """Remove what the export made and is still as it made it; returns what was left because it is not.

    `used` are paths that something else there needs. Raises DiskError.
    """
    left = []
    for file in reversed(record.files):
        path = record.place / file.path
        if not file.made or file.path in used or not (path.exists() or path.is_symlink()):
            continue
        if not _is(path, file):
            left.append(path)
            continue
        with disk_errors(path, "remove"):
            _remove(record.place, file.path)
    return left


def _remove(place: Path, path: str) -> None:
    """Remove a file, and the folders that it leaves empty, up to the place itself."""
    target = place / path
    target.unlink(missing_ok=True)
    _remove_empty(place, target)


def _remove_empty(place: Path, target: Path) -> None:
    """Remove the folders above a file that is not there, as far as they are empty, and the place itself."""
    for folder in target.parents:
        if folder == place or not folder.is_relative_to(place):
            break
        with suppress(OSError):
            folder.rmdir()
            continue
        break
    with suppress(OSError):
        place.rmdir()
