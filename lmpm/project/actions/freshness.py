"""Whether the lock is what the manifest asks for, as an error; light, as `sync` and `lock --check` ask at every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import LockError

if TYPE_CHECKING:
    from collections.abc import Sequence


def require_up_to_date(reasons: Sequence[str]) -> None:
    """Raise LockError with the reasons why a lock is stale, if there are any."""
    if reasons:
        raise LockError(
            "`lmpm.lock` is not up to date", details=reasons, hint="To update it, run `lmpm lock`", kind="lock-stale"
        )
