"""The children of a process, each shared by the sessions that want the same, and gone at its end."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmpm.engine.server_process import ServerProcess, forget_spawner

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


@dataclass(slots=True)
class _Shared:
    """One child and how many sessions use it."""

    users: int = 0
    process: ServerProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_shared: dict[Hashable, _Shared] = {}
_guard = threading.Lock()


def acquire(key: Hashable, start: Callable[[], ServerProcess]) -> ServerProcess:
    """The living child of this key, started if there is none; others who ask for it meanwhile wait for it."""
    with _guard:
        entry = _shared.setdefault(key, _Shared())
        entry.users += 1
    try:
        with entry.lock:
            if entry.process is None or not entry.process.is_alive:
                entry.process = start()
            return entry.process
    except BaseException:
        release(key)
        raise


def release(key: Hashable) -> None:
    """End the child when nobody uses it any more."""
    with _guard:
        entry = _shared.get(key)
        if entry is None:
            return
        entry.users -= 1
        if entry.users > 0:
            return
        del _shared[key]
    if entry.process is not None:
        entry.process.close()


def _after_fork() -> None:
    """Leave the parent's children alone: this process starts its own when it needs them."""
    global _guard
    for entry in _shared.values():
        if entry.process is not None:
            entry.process.let_go()
    _shared.clear()
    _guard = threading.Lock()
    forget_spawner()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
