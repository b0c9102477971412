"""Write the files of an export, look whether they still stand, and remove them."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lmpm.errors import HashMismatchError, LmpmError, NoSpaceError, SpecError
from lmpm.export.record import Link, Text
from lmpm.fs import atomic, disk_errors, free_space, hash_one, share
from lmpm.limits import FREE_SPACE_MARGIN_BYTES
from lmpm.project import Exported, ExportedFile
from lmpm.types import FileSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from lmpm.export.record import Export
    from lmpm.reporter import Reporter
    from lmpm.store import Store

PART_SUFFIX = ".lmpm.incomplete"


@dataclass(frozen=True, slots=True)
class Drift:
    """A file of an export that is not as it should be."""

    path: Path
    kind: Literal["missing", "changed", "outdated", "unfinished"]

    def __str__(self) -> str:
        words = {
            "missing": "is gone",
            "changed": "was changed",
            "outdated": "is not what the lock says now",
            "unfinished": "was not written to its end",
        }
        return f"{self.path} {words[self.kind]}"


def lacking(export: Export, own: Exported | None, others: Sequence[Exported], reporter: Reporter) -> list[Link | Text]:
    """What of an export is not there as it should be, in its order; `own` is the record of an earlier one.

    Raises SpecError where a file is in the way that is neither of `own` nor what it would become.
    """
    found: list[Link | Text] = []
    for item in export.items:
        target = export.place / item.path
        if _is_there(target):
            if isinstance(item, Link):
                reporter.hashing(target.name, item.size)
            if _is(target, _file(item)):
                continue
            _require_own(target, _known(own, item.path), [other for other in others if _known(other, item.path)])
        found.append(item)
    return found


def record_of(export: Export, project: Path, own: Exported | None = None) -> Exported:
    """The record of an export that is there; to be made before its files are, since it says which of them lmpm made."""
    files = []
    for item in export.items:
        known = _known(own, item.path)
        made = any(file.made for file in known) if _is_there(export.place / item.path) else True
        files.append(replace(_file(item), made=made))
    return Exported(
        target=export.target,
        name=export.name,
        project=project,
        place=export.place,
        files=tuple(files),
        refers=tuple((link.path, link.sha256) for link in export.refers),
        options=export.options,
        entry=export.texts[-1].path if export.texts else "",
    )


def sweep(record: Exported) -> None:
    """Remove what a write that was killed left under names of its own. Raises DiskError."""
    for file in record.begun:
        with disk_errors(record.place, "remove"):
            _remove_leftovers(record.place / file.path)


def begun(record: Exported, own: Exported | None) -> Exported:
    """The record while an export is on its way from what `own` says to what `record` does."""
    if own is None:
        return replace(record, files=(), begun=record.files)
    return replace(
        record,
        files=own.files,
        refers=tuple(dict.fromkeys((*own.refers, *record.refers))),
        begun=tuple(dict.fromkeys((*own.begun, *record.files))),
    )


def write(
    export: Export,
    items: Sequence[Link | Text],
    store: Store,
    *,
    own: Exported | None,
    copy: bool,
    reporter: Reporter,
) -> None:
    """Write what is lacking of an export. Bytes are hashed first, then shared, or with `copy` copied.

    Raises DiskError, and HashMismatchError where the store is damaged; what was not there before is removed then.
    """
    _require_space(export.place, [item for item in items if isinstance(item, Link)], copy=copy)
    try:
        for item in items:
            target = export.place / item.path
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                _remove_leftovers(target)
            if isinstance(item, Text):
                atomic.write_bytes(target, item.data)
            else:
                _place(store, target, item, copy=copy, reporter=reporter)
    except BaseException:
        for item in items:
            if not _known(own, item.path):
                _remove(export.place, item.path)
        raise


def _require_space(place: Path, links: Sequence[Link], *, copy: bool) -> None:
    """Refuse before the first byte what a disk cannot hold. Raises NoSpaceError."""
    with disk_errors(place):
        disk = next(folder for folder in (place, *place.parents) if folder.exists()).stat().st_dev
        wanted = sum(link.size for link in links if copy or link.origin.stat().st_dev != disk)
        free = free_space(place)
    if wanted and free < wanted + FREE_SPACE_MARGIN_BYTES:
        raise NoSpaceError(
            f"Not enough space for `{place}`: {human(wanted)} to copy, {human(free)} free",
            path=place, wanted=wanted, free=free, hint="Free some space, or export to another disk with `--to`",
        )  # fmt: skip


def _place(store: Store, target: Path, link: Link, *, copy: bool, reporter: Reporter) -> None:
    """Put bytes of the store under another name."""
    reporter.hashing(link.origin.name, link.size)
    found = hash_one(link.origin)
    if (found.sha256, found.size) != (link.sha256, link.size):
        raise HashMismatchError(
            link.origin.name, expected=(link.sha256, link.size), computed=(found.sha256, found.size),
            hint="The file in the store is damaged: `lmpm verify` says more, `lmpm install` brings it again",
        )  # fmt: skip
    part = _part(target)
    with disk_errors(target):
        try:
            if copy or not _shared(store, link, part):
                with part.open("xb") as made, link.origin.open("rb") as data:
                    shutil.copyfileobj(data, made, 2**20)
                    made.flush()
                    os.fsync(made.fileno())
                part.chmod(0o644)
            part.replace(target)
            atomic.sync_directory(target.parent)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)  # a rename onto the same file leaves both names


def _shared(store: Store, link: Link, target: Path) -> bool:
    try:
        with store.linking(link.origin, link.sha256):
            share(link.origin, target, symlink=False)
    except OSError:  # another disk
        return False
    return True


def _require_own(target: Path, known: Sequence[ExportedFile], others: Sequence[Exported]) -> None:
    """Refuse to replace what somebody else put there. Raises SpecError."""
    if any(file.made and _is(target, file) for file in known):
        return
    for other in others:
        raise SpecError(
            f"`{target}` is there already: `{other.name}` of `{other.project}` was exported to it",
            hint="Export under another name or to another place; the options are in `lmpm export --list`",
            kind="not-ours",
        )
    raise SpecError(
        f"`{target}` is there already, and is not as lmpm made it",
        hint="Move it away, or export to another place with `--to`",
        kind="not-ours",
    )


def _known(record: Exported | None, path: str) -> list[ExportedFile]:
    """What a record says of a path: more than one thing while it is being written anew."""
    return [file for file in record.all_files if file.path == path] if record else []


def _file(item: Link | Text) -> ExportedFile:
    size = item.size if isinstance(item, Link) else len(item.data)
    return ExportedFile(path=item.path, size=size, sha256=item.sha256)


def _part(target: Path) -> Path:
    return target.with_name(target.name + PART_SUFFIX)


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _remove_leftovers(target: Path) -> None:
    """Remove what killed writers of a file left beside it."""
    _part(target).unlink(missing_ok=True)
    atomic.remove_leftovers(target)


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
    if record.begun:
        return [Drift(record.place / record.entry, "unfinished")]
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
    for name in reversed(dict.fromkeys(file.path for file in record.all_files)):
        path, known = record.place / name, _known(record, name)
        if not any(file.made for file in known) or name in used:
            continue
        with disk_errors(path, "remove"):
            _remove_leftovers(path)
            if not _is_there(path):
                _remove_empty(record.place, path)
            elif any(_is(path, file) for file in known):
                _remove(record.place, name)
            else:
                left.append(path)
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
