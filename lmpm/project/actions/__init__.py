"""What is done with a project: each verb is a module with `plan`, which says what would happen, and `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.project.actions import (
        install as install,
        lock as lock,
        measuring as measuring,
        remove as remove,
        sync as sync,
        update as update,
        verify as verify,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {name: name for name in ("install", "lock", "measuring", "remove", "sync", "update", "verify")},
    )
