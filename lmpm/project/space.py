"""Whether the disk holds what is to be downloaded, and what could go where it does not."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from lmpm.errors import DiskError, LockError, NoSpaceError
from lmpm.project.registry import KnownProjects
from lmpm.project.usage import plan_prune
from lmpm.store import fetch
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.store import Store
    from lmpm.types import ModelFile, Source

NAMED_AT_MOST: Final = 3  # files in an error, largest first


def require_space(store: Store, plan: Iterable[tuple[Source, Iterable[ModelFile]]]) -> None:
    """Refuse before the first byte what the disk cannot hold as a whole. Raises DiskError that says what could go."""
    try:
        fetch.require_space(store, plan)
    except NoSpaceError as error:
        raise explain_shortage(store, error) from error


def explain_shortage(store: Store, error: NoSpaceError) -> DiskError:
    """The error for a disk that is too small, with what could be freed on it."""
    details, hint = [], "Free some space, or move the store with `--store` or HF_HUB_CACHE"
    with contextlib.suppress(LockError, OSError):
        possible = plan_prune(store, KnownProjects(store.home / "projects").read())
        if possible.freed:
            details.append(f"{human(possible.freed)} can be freed: no known lock names it")
            largest = sorted(possible.files, key=lambda file: -file.freed)[:NAMED_AT_MOST]
            details += [f"  {human(file.freed):>9}  {file.repo}  {file.title}" for file in largest]
            hint = "Free it with `lmpm cache prune --yes`, or move the store with `--store` or HF_HUB_CACHE"
        if possible.foreign_bytes:
            size = human(possible.foreign_bytes)
            details.append(f"{size} are unfinished downloads of other tools: `hf cache prune` removes them")
    return NoSpaceError(
        error.message, path=store.root, wanted=error.wanted, free=error.free, details=details, hint=hint
    )
