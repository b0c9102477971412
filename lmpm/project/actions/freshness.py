"""Whether the lock is what the manifest asks for, as an error; light, as `sync` and `lock --check` ask at every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import LockError
from lmpm.project.policy import require_all_permitted
from lmpm.project.staleness import stale_reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.project.workspace import Workspace


def require_current(workspace: Workspace) -> None:
    """Raise LockError unless the lock is what the manifest asks for, NotPermittedError for what the policy forbids."""
    project = workspace.project
    manifest, lock = project.require_manifest(), project.require_lock(must_exist=True)
    require_up_to_date(stale_reasons(manifest, lock, workspace.targets(manifest)))
    require_all_permitted(lock.models, manifest.policy)


def require_up_to_date(reasons: Sequence[str]) -> None:
    """Raise LockError with the reasons why a lock is stale, if there are any."""
    if reasons:
        raise LockError(
            "`lmpm.lock` is not up to date", details=reasons, hint="To update it, run `lmpm lock`", kind="lock-stale"
        )
