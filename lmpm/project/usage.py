"""Which files of the store the locks of known projects name, and what may therefore go."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import TYPE_CHECKING

from lmpm.errors import LockError
from lmpm.fs import printable
from lmpm.project.exported import Exports
from lmpm.store import Use, prune

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lmpm.project.lock.adapters import LockedAdapter
    from lmpm.project.lock.records import Lock, LockedCandidate
    from lmpm.project.lock.twins import Twin
    from lmpm.project.registry import Known
    from lmpm.store import PrunePlan, Store, Uses
    from lmpm.types import ModelFile, Source


def uses_of(store: Store, projects: Iterable[Known]) -> Uses:
    """Which locks and exports name which files: by digest, and by name for a cache without links."""
    found: defaultdict[tuple[str, str], set[Use]] = defaultdict(set)
    for project in projects:
        for model in project.lock.models if project.lock else ():
            use = Use(project.directory, model.name)
            adapters = (item for rung in model.candidates for item in rung.adapters)
            pins: tuple[LockedCandidate | LockedAdapter | Twin, ...] = (*model.candidates, *adapters, *model.twins)
            for pinned in pins:
                folder = store.folder(pinned.source)
                for file in pinned.files:
                    name = store.link(pinned.source, file).relative_to(folder).as_posix()
                    found[folder.name, file.sha256 or ""].add(use)
                    found[folder.name, name].add(use)
    for export in Exports(store.home / "exports").read():  # settings of other tools that name a file by its path
        for folder_name, digest in export.refers:
            found[folder_name, digest].add(Use(export.place, f"{export.name} in {export.target}"))
    return found


def plan_prune(store: Store, projects: list[Known], *, now: float | None = None) -> PrunePlan:
    """What `cache prune` would remove: files that lmpm brought and no known lock names.

    Raises LockError when a known lock cannot be read, since then nobody can say what it names.
    """
    broken = next((project for project in projects if project.error), None)
    if broken is not None:
        directory = printable(shlex.quote(str(broken.directory)))
        raise LockError(
            f"Cannot tell what `{printable(str(broken.directory))}` needs: {broken.error}",
            hint=f"Mend its `lmpm.lock`, or forget the project: `lmpm cache forget {directory}`",
        )
    return prune.plan(store, uses_of(store, projects), now=now)


def lacking(store: Store, locks: Iterable[Lock]) -> list[tuple[Source, ModelFile]]:
    """What locks name and the store does not have: every rung and twin, since a link costs nothing."""
    wanted: dict[Path, tuple[Source, ModelFile]] = {}
    for lock in locks:
        for model in lock.models:
            for source, files in (pin for pinned in model.pinned for pin in pinned.pins):
                for file in files:
                    if store.find(source, file) is None:
                        wanted[store.link(source, file)] = source, file
    return list(wanted.values())
