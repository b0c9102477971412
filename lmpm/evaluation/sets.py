"""Which cases are asked: a file of the user's, the checks of the project, or lmpm's own set of the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.catalog import directory
from lmpm.errors import NotFoundError
from lmpm.proof import read_cases, wanted_for

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.project import Workspace
    from lmpm.proof import CaseSet
    from lmpm.recipe import Recipe


def cases_of(workspace: Workspace, name: str, recipe: Recipe, task: Task | None, file: str | None = None) -> CaseSet:
    """The cases of a file, else the checks that the manifest names for `name`, else the set that lmpm has of the task.

    Raises CasesError, DiskError, and NotFoundError where there is no set.
    """
    wanted = wanted_for(recipe, task.smoke_kind if task else None)
    if file is not None:
        return read_cases(workspace.current / file, wanted, name=file)
    line = workspace.project.manifest().models.get(name)
    if line is not None and line.checks is not None:
        return read_cases(workspace.directory / line.checks, wanted, name=line.checks)
    path = own_cases(task)
    if path is None:
        raise NotFoundError(
            f"There are no cases for `{task.name if task else name}`",
            hint="Write some and name them with `--cases FILE`: see docs/evaluation.md",
            kind="no-cases",
        )
    return read_cases(path, wanted, name=f"lmpm's set for {path.stem}")


def own_cases(task: Task | None) -> Path | None:
    """The set that comes with lmpm, None where a task has none."""
    if task is None:
        return None
    path = directory() / "evals" / f"{task.name}.jsonl"
    return path if path.is_file() else None
