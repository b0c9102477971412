"""Prune: give back the disk that files of lmpm take which no known lock names.

Only names that lmpm made go. The bytes go with them where lmpm brought them and nobody else has a name for them.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import stat
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmpm.fs import disk
from lmpm.limits import PRUNE_QUIET_S
from lmpm.store import inventory
from lmpm.units import duration

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.store.cache import Store
    from lmpm.store.inventory import Stored, Unfinished, Uses


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """What would be removed. `too_new` are files that nothing names yet, but that were just brought."""

    files: tuple[Stored, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    too_new: tuple[Stored, ...] = ()
    foreign_bytes: int = 0  # unfinished downloads of other tools, which are left alone

    @property
    def freed(self) -> int:
        """Bytes that the disk would get back."""
        return sum(file.freed for file in self.files) + sum(part.size for part in self.unfinished)


def plan(store: Store, uses: Uses, *, now: float | None = None) -> PrunePlan:
    """What may go: names and parts that lmpm made, that nothing in `uses` names, and that are not just new.

    What other clients of the cache made is never among them.
    """
    now = time.time() if now is None else now
    found = inventory.take(store, uses)
    candidates = [file for file in found.files if file.removable and not file.used_by]
    parts = [part for part in found.unfinished if part.is_ours and not part.used_by]
    folders = {file.folder for file in candidates} | {part.folder for part in parts}
    busy = {folder for folder in folders if _is_busy(folder, now)}
    return PrunePlan(
        files=tuple(file for file in candidates if file.folder not in busy),
        unfinished=tuple(part for part in parts if part.folder not in busy),
        too_new=tuple(file for file in candidates if file.folder in busy),
        foreign_bytes=sum(part.size for part in found.unfinished if not part.is_ours),
    )


def _is_busy(folder: Path, now: float) -> bool:
    """Whether something arrived in a repository so recently that an install may still be on its way."""
    names = itertools.chain((folder / "blobs").glob("*"), (folder / "snapshots").rglob("*"))
    with contextlib.suppress(OSError):
        facts = (name.lstat() for name in names)
        return any(now - f.st_mtime < PRUNE_QUIET_S for f in facts if not stat.S_ISDIR(f.st_mode))
    return True


def carry_out(store: Store, wanted: PrunePlan) -> PrunePlan:
    """Remove what a plan lists, and return what was removed: not what somebody is fetching right now.

    Raises DiskError for a file that the system will not remove.
    """
    files = tuple(file for file in wanted.files if _removed(store, file))
    parts = tuple(part for part in wanted.unfinished if _discarded(store, part))
    return replace(wanted, files=files, unfinished=parts)


def _removed(store: Store, file: Stored) -> bool:
    with store.try_lock(file.folder.name, file.sha256 or "") as free:
        if not free:
            return False
        for path in file.removable:  # the names first: none may dangle
            store.stamps.forget(path, file.sha256 or "")
            _unlink(path)
            store.made.forget(path)
    for name in file.own_names:
        disk.remove_empty(name.parent, file.folder)
    _tidy(file.folder)
    return True


def _discarded(store: Store, part: Unfinished) -> bool:
    with store.try_lock(part.folder.name, part.sha256 or "") as free:
        if free:
            _unlink(part.path)
    if free:
        _tidy(part.folder)
    return free


def _unlink(path: Path) -> None:
    with disk.disk_errors(path, "remove"):
        path.unlink(missing_ok=True)


def _tidy(folder: Path) -> None:
    """Leave a repository as other clients of the cache expect it: no ref to a commit that is gone."""
    snapshots, blobs, refs = folder / "snapshots", folder / "blobs", folder / "refs"
    with contextlib.suppress(OSError):
        for snapshot in snapshots.iterdir() if snapshots.is_dir() else ():
            for path in sorted((path for path in snapshot.rglob("*") if path.is_dir()), reverse=True):
                disk.remove_empty(path, snapshots)
            disk.remove_empty(snapshot, snapshots)
        commits = {entry.name for entry in snapshots.iterdir()} if snapshots.is_dir() else set()
        for ref in [path for path in refs.rglob("*") if path.is_file()]:
            if ref.read_text("utf-8", "replace") not in commits:
                ref.unlink()
                disk.remove_empty(ref.parent, folder)
        if not commits and not (blobs.is_dir() and any(blobs.iterdir())) and not folder.is_symlink():
            shutil.rmtree(folder)  # nothing but notes about what was asked for


def waiting_time() -> str:
    """How long a new file is left alone, in words."""
    return duration(PRUNE_QUIET_S)
