"""Into the project: the file and its card beside the manifest, and the pin. The last step, after the gate."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmpm.errors import NoSpaceError
from lmpm.fs import atomic, disk_errors, free_space
from lmpm.project import actions
from lmpm.resolver import Constraints
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.project import Installed, Step, Training, Workspace
    from lmpm.proof import Tested


@contextmanager
def placed(files: Mapping[Path, Path]) -> Iterator[None]:
    """Put copies of files at their targets, sources by target; what follows must succeed, else all is as it was before.

    Raises DiskError.
    """
    kept: dict[Path, Path | None] = {}
    try:
        for target, source in files.items():
            before = target.with_name(f".{target.name}.before") if target.exists() else None
            with disk_errors(target):
                if before is not None:
                    target.replace(before)
                kept[target] = before
            _copy(source, target)
        yield
    except BaseException:
        for target, before in kept.items():
            with suppress(OSError):
                before.replace(target) if before is not None else target.unlink()
        raise
    for before in kept.values():
        if before is not None:
            with suppress(OSError):
                before.unlink()


def _copy(source: Path, target: Path) -> None:
    """Put a copy of a file at `target`, whole or not at all. Raises DiskError."""
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    size, free = source.stat().st_size, free_space(target.parent)
    if free < size:
        problem = f"Not enough space in `{target.parent}`: {human(size)} to write, {human(free)} are free"
        raise NoSpaceError(problem, path=target, wanted=size, free=free, hint="Free some space; the training is kept")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is pinned with a file: how it was made, how its gate went, and the cases that `verify` asks from now on."""

    training: Training
    tested: Tested
    checks: str  # in the project
    least: float | None


def pin(
    workspace: Workspace,
    name: str,
    file: Path,
    task: Task | None,
    *,
    context: int,
    record: Record,
    adapters: Sequence[str] = (),
) -> Installed:
    """Pin a file of the project under a name, with adapters on it and its record. Its gate was its test.

    Raises LockError, DiskError, NothingFitsError.
    """
    constraints = Constraints(task=task.name if task else None, context=context)
    plan = actions.install.plan(
        workspace, [str(file)], constraints, name=name, smoke=False, adapters=adapters, anew=True
    )
    steps = tuple(_with_record(step, record) for step in plan.steps)
    (done,) = actions.install.apply(replace(plan, steps=steps)).models
    return done


def _with_record(step: Step, record: Record) -> Step:
    if step.chosen is None or step.chosen.entry is None:
        return step
    line = replace(step.chosen.line, checks=record.checks, pass_share=record.least)
    rungs = [replace(rung, training=record.training, tested=record.tested) for rung in step.chosen.entry.candidates]
    entry = replace(step.chosen.entry, requested=line.requested(), candidates=tuple(rungs))
    return replace(step, chosen=replace(step.chosen, line=line, entry=entry))
