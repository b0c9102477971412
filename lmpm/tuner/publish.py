"""Into the project: the file and its card beside the manifest, and the pin. The last step, after the gate."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from lmpm.errors import NoSpaceError
from lmpm.fs import atomic, disk_errors, free_space
from lmpm.project import actions
from lmpm.resolver import Constraints
from lmpm.units import human

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.project import ActionReporter, Installed, Workspace


def place(source: Path, target: Path) -> None:
    """Put a copy of a file at `target`, whole or not at all. Raises DiskError."""
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    size = source.stat().st_size
    if free_space(target.parent) < size:
        raise NoSpaceError(
            f"Not enough space in `{target.parent}` for {human(size)}",
            path=target,
            wanted=size,
            free=free_space(target.parent),
        )
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(target)
            atomic.sync_directory(target.parent)
    finally:
        with suppress(OSError):
            part.unlink()


def pin(
    workspace: Workspace, name: str, file: Path, task: Task | None, *, context: int, reporter: ActionReporter | None = None
) -> Installed:
    """Pin a file of the project under a name. Its gate was its test: it is asked nothing more.

    Raises LockError, DiskError, NothingFitsError.
    """
    constraints = Constraints(task=task.name if task else None, context=context)
    plan = actions.install.plan(workspace, [str(file)], constraints, name=name, smoke=False)
    (done,) = actions.install.apply(plan, reporter).models
    return done
