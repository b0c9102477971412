"""Import a bundle: check it, put its files into the store, and make a project of its lock where there is none."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from lmpm.bundle import standalone
from lmpm.bundle.standalone import LOCK, BundleError
from lmpm.errors import DiskError, HashMismatchError, IntegrityError, LockError, NoSpaceError
from lmpm.fs import atomic, disk_errors
from lmpm.project import (
    Twin,
    explain_shortage,
    parse_lock,
    parse_manifest,
    require_permitted,
    require_twin_permitted,
)
from lmpm.store import link_into
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.bundle.standalone import Checked, Entry
    from lmpm.project import Lock, LockedCandidate, Workspace
    from lmpm.reporter import Reporter
    from lmpm.store import Store
    from lmpm.types import ModelFile, Source

MANIFEST: Final = "lmpm.toml"
MAX_SHOWN_PROBLEMS: Final = 10
COPY_AGAIN: Final = "Copy the bundle again from where it was made"

Names = dict[str, list["tuple[Source, ModelFile]"]]  # by sha256: a file may belong to several repositories


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of a bundle. `kept` files were in the store already; `created` are the project's files it brought."""

    sha256: str
    files: int
    kept: int
    size: int
    models: tuple[str, ...]
    created: tuple[str, ...]


def check_bundle(place: Path, *, expected: str = "", reporter: Reporter, blobs: bool = True) -> Checked:
    """Check a bundle, a directory or a tar, against its own index. Raises IntegrityError naming what is wrong.

    `expected` is the sha256 that BUNDLE.json must have. Without `blobs` the models' bytes are left to who reads them
    next. Raises DiskError where the bundle cannot be read.
    """
    if not place.exists():
        raise DiskError(f"There is no bundle at `{place}`", path=place)
    try:
        with disk_errors(place, "read"):
            found = standalone.check(place, expected, reporter.hashing, blobs=blobs)
    except BundleError as error:
        raise IntegrityError(f"`{place.name}` is not a bundle that can be used: {error}") from error
    if found.problems:
        shown = [str(problem) for problem in found.problems[:MAX_SHOWN_PROBLEMS]]
        if len(found.problems) > MAX_SHOWN_PROBLEMS:
            shown.append(f"{len(found.problems) - MAX_SHOWN_PROBLEMS} more")
        wrong = count(len(found.problems), "file")
        raise IntegrityError(f"`{place.name}` is not as it was made: {wrong} wrong", details=shown, hint=COPY_AGAIN)
    return found


def import_bundle(workspace: Workspace, place: Path, *, expected: str = "", reporter: Reporter) -> Imported:
    """Put the files of a bundle into the store, and its lock into the project where that has none.

    Every byte is hashed on its way; on one disk the store shares it with the bundle. What an interrupted call brought
    is kept. Raises IntegrityError for a bundle that is not as it was made, LockError where the project's lock is
    another, NotPermittedError for what its policy forbids, and DiskError.
    """
    found = check_bundle(place, expected=expected, reporter=reporter, blobs=False)
    with _opened(place) as entries:
        texts = {entry.path: _read(entry) for entry in entries() if entry.path in {LOCK, MANIFEST}}
        _require_same_lock(workspace, texts[LOCK])
        lock = parse_lock(texts[LOCK].decode("utf-8", "replace"))
        packed = list(_packed(lock, found))
        _require_policy(workspace, packed, texts.get(MANIFEST, b""))
        names = _names(pin for _, pin in packed)
        try:
            disk = place.stat().st_dev if place.is_dir() else None
            brought = _bring(workspace.store, names, entries, reporter, disk=disk)
        except NoSpaceError as error:
            raise explain_shortage(workspace.store, error) from error
        finally:
            reporter.stopped()
    return Imported(
        sha256=found.sha256,
        files=brought,
        kept=sum(map(len, names.values())) - brought,
        size=found.size,
        models=tuple(sorted({name for name, _ in packed})),
        created=_create_project(workspace, texts),
    )


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[Callable[[], Iterable[Entry]]]:
    """The entries of a bundle, which can be gone through again and again."""
    if place.is_dir():
        yield partial(standalone.in_directory, place)
    else:
        with disk_errors(place, "read"), standalone.open_tar(place) as archive:
            yield partial(standalone.in_tar, archive)


def _read(entry: Entry) -> bytes:
    with _file(entry) as opened:
        return opened.read()


def _file(entry: Entry) -> IO[bytes]:
    if entry.open is None:
        raise IntegrityError(f"`{entry.path}` of the bundle is not a file", hint=COPY_AGAIN)
    return entry.open()


def _require_same_lock(workspace: Workspace, text: bytes) -> None:
    """Raise LockError where the project has a lock, and it is not this one."""
    path = workspace.project.lock_path
    if not path.exists():
        return
    with disk_errors(path, "read"):
        here = path.read_bytes()
    if here.replace(b"\r\n", b"\n") != text.replace(b"\r\n", b"\n"):  # as git may check it out
        raise LockError(
            f"The bundle was made for another `{LOCK}` than that of `{workspace.directory}`",
            hint="Make a bundle of the present lock, or check out the lock that this one was made for",
            kind="other-lock",
        )


def _packed(lock: Lock, found: Checked) -> Iterator[tuple[str, LockedCandidate | Twin]]:
    """The candidates and twins of the lock whose files are all in the bundle, with the name of their model."""
    listed = {digest for _, digest in found.files.values()}
    for model in lock.models:
        for pin in model.pinned:
            if all(file.sha256 in listed for _, files in pin.pins for file in files):
                yield model.name, pin


def _require_policy(
    workspace: Workspace, packed: Sequence[tuple[str, LockedCandidate | Twin]], manifest_text: bytes
) -> None:
    """Hold to the policy of the project, or of the bundle's manifest where there is no project yet."""
    project = workspace.project
    has_own = project.manifest_path.exists()
    manifest = project.manifest() if has_own else parse_manifest(manifest_text.decode("utf-8", "replace"))
    for name, pin in packed:
        if isinstance(pin, Twin):
            require_twin_permitted(name, pin, manifest.policy)
        else:
            require_permitted(name, pin, manifest.policy)


def _names(pins: Iterable[LockedCandidate | Twin]) -> Names:
    names: Names = defaultdict(list)
    for source, files in (pin for pinned in pins for pin in pinned.pins):
        for file in files:
            if (source, file) not in names[file.sha256 or ""]:
                names[file.sha256 or ""].append((source, file))
    return names


def _bring(
    store: Store, names: Names, entries: Callable[[], Iterable[Entry]], reporter: Reporter, *, disk: int | None
) -> int:
    """Give the bytes of the bundle their names in the store; how many names were new.

    `disk` is that of a directory, whose bytes the store can share if it is there too; None for a tar.
    """
    lacking = {
        digest: missing
        for digest, wanted in names.items()
        if (missing := [pair for pair in wanted if not _is_here(store, *pair, reporter)])
    }
    root = next(folder for folder in (store.root, *store.root.parents) if folder.exists())
    shares = root.stat().st_dev == disk
    if not shares:
        store.require_space(sum(file.size for missing in lacking.values() for _, file in missing))
    for entry in entries():
        digest = entry.path.removeprefix("blobs/sha256/")
        for source, file in lacking.get(digest, ()):
            if not (shares and _share(store, source, file, entry, reporter)):
                _copy(store, source, file, entry, reporter)
            reporter.finished(file.path, file.size, digest)
    return sum(map(len, lacking.values()))


def _is_here(store: Store, source: Source, file: ModelFile, reporter: Reporter) -> bool:
    """Whether the store has a file, which is hashed where it has changed since it last was."""
    present = store.find(source, file)
    if present is None:
        return False
    if not store.is_stamped(present, file.sha256 or ""):
        try:
            store.confirm(present, file, reporter=reporter)
        except HashMismatchError:
            return False
    store.opened(source, file, present)
    return True


def _share(store: Store, source: Source, file: ModelFile, entry: Entry, reporter: Reporter) -> bool:
    """Link a file of the bundle into the store; False where that is not possible. Raises IntegrityError."""
    if entry.place is None:
        return False
    try:
        how = link_into(store, source, file, entry.place, reporter, symlink=False)
    except DiskError:
        return False
    if how is None:
        raise IntegrityError(f"`{entry.path}` of the bundle is not as it was made", hint=COPY_AGAIN)
    return True


def _copy(store: Store, source: Source, file: ModelFile, entry: Entry, reporter: Reporter) -> None:
    reporter.hashing(file.path, file.size)
    try:
        store.take(source, file, partial(_file, entry), reporter)
    except HashMismatchError as error:
        raise error.with_hint(COPY_AGAIN) from error


def _create_project(workspace: Workspace, texts: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write the lock, and with it the manifest, where the project has none; the names of what was written."""
    with workspace.editing() as project:
        created = []
        if not project.manifest_path.exists() and MANIFEST in texts:
            atomic.write_bytes(project.directory / MANIFEST, texts[MANIFEST])
            created.append(MANIFEST)
        if not project.lock_path.exists():
            atomic.write_bytes(project.lock_path, texts[LOCK])
            created.append(LOCK)
    return tuple(created)
