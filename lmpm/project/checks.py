"""The checks of a project: the file of cases that a line of the manifest names, and a model that is asked them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.errors import CasesError
from lmpm.fs import rules
from lmpm.project.lock.entry import WORKING_MEMORY_SHARE, run_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.engine import LocalEngine
    from lmpm.fs import Scalar
    from lmpm.project.lock.training import Training
    from lmpm.proof import CaseSet, Checked
    from lmpm.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model whose files are here, and how it is asked. `need` is its memory in bytes."""

    paths: Sequence[Path]
    recipe: Recipe
    task: Task | None
    context: int
    need: int
    mmproj: Path | None = None
    adapters: tuple[Path, ...] = ()


def replace_smoke(training: Training | None, requested: Mapping[str, Scalar]) -> bool:
    """Whether a model is asked the project's checks alone: one that the team trained does what its cases ask.

    The questions of its task are for models that do the whole of it.
    """
    return training is not None and "checks" in requested


def read_checks(directory: Path, requested: Mapping[str, Scalar], recipe: Recipe, task: Task | None) -> CaseSet | None:
    """The cases that a line asks for; None where it names none. Raises CasesError and DiskError."""
    name = requested.get("checks")
    if not isinstance(name, str):
        return None
    from lmpm.proof import read_cases, wanted_for

    try:
        rules.project_path(name)
    except ValueError as error:  # of a lock that somebody edited: the manifest allows none
        raise CasesError(f"`checks` of a lock: {error}") from error
    return read_cases(directory / name, wanted_for(recipe, task.smoke_kind if task else None), name=name)


def check(
    subject: Subject,
    cases: CaseSet,
    requested: Mapping[str, Scalar],
    *,
    local_engine: LocalEngine | None = None,
    full: bool = False,
) -> Checked:
    """Ask a model cases: ten of them within a minute, or all if `full`. Raises EngineError."""
    from lmpm.engine import EngineLimits, Files
    from lmpm.proof import run_checks

    needed = requested.get("pass")
    silent = not subject.recipe.writes
    _, settings, _ = run_settings(subject.paths, subject.context, silent=silent, local_engine=local_engine)
    allowed = int(subject.need * WORKING_MEMORY_SHARE) + limits.ENGINE_EXTRA_MEMORY_BYTES
    return run_checks(
        Files(subject.paths[0], subject.mmproj, adapters=subject.adapters),
        sum(path.stat().st_size for path in subject.paths),
        cases,
        subject.recipe,
        plan=settings,
        limits=EngineLimits(memory_bytes=allowed),
        engine=local_engine.chosen.engine if local_engine else None,
        needed=float(needed) if isinstance(needed, int | float) else None,
        full=full,
    )
