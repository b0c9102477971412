"""The part that actions share: fetching the files of a step, and testing what came."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lmpm.errors import EngineError, IntegrityError, NotFoundError, NotPermittedError, SmokeTestError
from lmpm.project.actions.plan import ActionReporter, Installed
from lmpm.project.lock.entry import TASK_HINT, context_of, is_task_assumed, prove, task_of
from lmpm.project.lock.facts import verified_paths
from lmpm.project.lock.recipes import pinned_recipe, recipe_of
from lmpm.project.origin import require_public

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lmpm.catalog import Task
    from lmpm.errors import LmpmError
    from lmpm.project.actions.plan import Plan, Step
    from lmpm.project.workspace import Workspace
    from lmpm.proof import SmokeResult
    from lmpm.recipe import Recipe


def require_room(plan: Plan) -> None:
    """Refuse before the first byte what the disk cannot hold as a whole. Raises DiskError."""
    coming = [(step.source, step.files) for step in plan.steps if not step.is_here]
    if coming:
        from lmpm.project.space import require_space

        require_space(plan.workspace.store, coming)


def each(plan: Plan, reporter: ActionReporter, carry_out: Callable[[Step], Installed]) -> tuple[Installed, ...]:
    """Carry out each step: what is wrong with one model does not keep the others from coming.

    Raises the first of their errors once all are done; the reporter is told of further ones.
    """
    done: list[Installed] = []
    errors: list[tuple[Step, LmpmError]] = []
    for step in plan.steps:
        try:
            done.append(carry_out(step))
        except (IntegrityError, NotFoundError, NotPermittedError, EngineError) as error:
            errors.append((step, error))
    for step, later in errors[1:]:
        reporter.failed(step, later)
    if errors:
        raise errors[0][1]
    return tuple(done)


def fetch_and_test(plan: Plan, step: Step, reporter: ActionReporter) -> Installed:
    """Make the files of a step present and verified, and test the model where the plan says so.

    What is here already, as the lock has it, is left as it is. Raises the errors of a transfer, and SmokeTestError.
    """
    began = time.monotonic()
    if step.is_here and (paths := verified_paths(plan.workspace.store, step.source, step.files)):
        return Installed(step=step, paths=paths)
    if step.chosen is None:
        require_public(step.source, plan.workspace.project.manifest())
    ref = step.chosen.line.ref if step.chosen else step.locked.requested.get("ref") if step.locked else None
    said = step.chosen.remarks if step.chosen else ()
    paths = plan.workspace.fetcher(reporter.transfers, said).fetch(step.source, step.files, ref=ref)
    smoke = _test(plan, step, paths, reporter) if plan.smoke else None
    return Installed(step=step, paths=paths, smoke=smoke, took_s=time.monotonic() - began)


def _test(plan: Plan, step: Step, paths: Sequence[Path], reporter: ActionReporter) -> SmokeResult | None:
    """Run the smoke test, and note its figures. Raises SmokeTestError when the answers are wrong."""
    workspace = plan.workspace
    if step.rung is not None and step.locked is not None:
        task, context = task_of(step.locked, workspace.catalog), context_of(step.locked)
        need = step.rung.candidate.memory
    elif step.chosen is not None:
        memory = step.chosen.candidate.memory
        task, context, need = step.chosen.resolution.task, memory.context, memory.total
    else:
        raise ValueError("a step takes something from the lock, or a choice")
    models = [path for path, file in zip(paths, step.files, strict=True) if file.role == "model"]
    mmproj = next((path for path, file in zip(paths, step.files, strict=True) if file.role == "mmproj"), None)
    recipe = _recipe(workspace, step, task)
    smoke = prove(models, task, recipe, context=context, need=need, mmproj=mmproj, local_engine=workspace.engine)
    reporter.tested(step, smoke)
    if smoke is not None and not smoke.passed:
        raise SmokeTestError(f"`{paths[0].name}` does not do its task: {smoke.detail}", hint=_hint(plan, step))
    if smoke is not None and workspace.is_this_machine:
        workspace.history.note(step.files[0], smoke, workspace.machine)
    return smoke


def _recipe(workspace: Workspace, step: Step, task: Task | None) -> Recipe | None:
    """How the model of a step is asked."""
    entry = step.chosen.entry if step.chosen else None
    rungs = entry.candidates if entry else ()
    rung = next((rung for rung in rungs if rung.files == step.files), step.rung.candidate if step.rung else None)
    if rung is not None:
        return recipe_of(rung, task, workspace.catalog)
    if step.chosen is None or task is None:
        return None
    return pinned_recipe(step.chosen.candidate.variant, task, workspace.catalog, step.chosen.line)


def _hint(plan: Plan, step: Step) -> str:
    if step.chosen is None:
        return "Take another with `lmpm update`, or ask it again with `lmpm test NAME`"
    if step.rung is None and is_task_assumed(step.chosen.line.requested(), plan.workspace.catalog):
        return f"{TASK_HINT}. To pin it all the same, use `--no-test`"
    return "The file is kept. To pin it all the same, use `--no-test`"
