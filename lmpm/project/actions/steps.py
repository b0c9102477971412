"""The part that actions share: fetching the files of a step, and testing what came."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lmpm.errors import EngineError, IntegrityError, NotFoundError, NotPermittedError, SmokeTestError
from lmpm.project.actions.plan import ActionReporter, Installed
from lmpm.project.actions.twins import bring_twin
from lmpm.project.adapted import fetch_adapters, require_belonging
from lmpm.project.checks import Subject, check, read_checks, replace_smoke
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
    from lmpm.project.lock.records import LockedCandidate
    from lmpm.project.workspace import Workspace
    from lmpm.proof import Checked, SmokeResult
    from lmpm.recipe import Recipe


def require_room(plan: Plan) -> None:
    """Refuse before the first byte what the disk cannot hold as a whole. Raises DiskError."""
    coming = [pin for step in plan.steps if not step.is_here for pin in step.pins]
    coming += [(step.twin.source, step.downloads) for step in plan.twins if step.downloads]
    if coming:
        from lmpm.project.space import require_space

        require_space(plan.workspace.store, coming)


def bring_twins(plan: Plan, reporter: ActionReporter) -> None:
    """Bring the twins that were asked for. Raises the errors of a transfer."""
    for step in plan.twins:
        bring_twin(plan.workspace, step.name, step.twin, reporter.transfers)


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


def require_checks(plan: Plan) -> None:
    """Read the cases of what will be tested, before anything is fetched for it. Raises CasesError."""
    for step in plan.steps:
        if plan.smoke and not step.is_here and "checks" in step.requested:
            task = _task(plan.workspace, step)
            recipe = _recipe(plan.workspace, step, task)
            if recipe is not None:
                read_checks(plan.workspace.directory, step.requested, recipe, task)


def fetch_and_test(plan: Plan, step: Step, reporter: ActionReporter) -> Installed:
    """Make the files of a step present and verified, and test the model where the plan says so.

    What is here already, as the lock has it, is left as it is. Raises the errors of a transfer, and SmokeTestError.
    """
    began = time.monotonic()
    if step.is_here and (paths := verified_paths(plan.workspace.store, step.source, step.files)):
        return Installed(step=step, paths=paths, adapters=step.adapter_paths)
    if step.chosen is None:
        require_public(step.source, plan.workspace.project.manifest())
    ref = step.chosen.line.ref if step.chosen else step.locked.requested.get("ref") if step.locked else None
    said = step.chosen.remarks if step.chosen else ()
    fetcher = plan.workspace.fetcher(reporter.transfers, said)
    paths = fetcher.fetch(step.source, step.files, ref=ref)
    adapters = fetch_adapters(fetcher, step.adapters, step.requested)
    if adapters and (rung := _rung(step)) is not None:
        require_belonging(rung, paths, adapters)
    smoke = checked = None
    if plan.smoke:
        smoke, checked = _test(plan, step, paths, adapters, reporter)
    took_s = time.monotonic() - began
    return Installed(step=step, paths=paths, adapters=adapters, smoke=smoke, checked=checked, took_s=took_s)


def _test(
    plan: Plan, step: Step, paths: Sequence[Path], adapters: tuple[Path, ...], reporter: ActionReporter
) -> tuple[SmokeResult | None, Checked | None]:
    """Run the smoke test and the project's checks, and note the figures.

    Raises SmokeTestError when the answers are wrong, or too few of the checks right.
    """
    workspace = plan.workspace
    task = _task(workspace, step)
    if step.rung is not None and step.locked is not None:
        context, need = context_of(step.locked), step.rung.candidate.memory
    elif step.chosen is not None:
        memory = step.chosen.candidate.memory
        context, need = memory.context, memory.total + sum(item.size for item in step.adapters)
    else:
        raise ValueError("a step takes something from the lock, or a choice")
    models = [path for path, file in zip(paths, step.files, strict=True) if file.role == "model"]
    mmproj = next((path for path, file in zip(paths, step.files, strict=True) if file.role == "mmproj"), None)
    recipe = _recipe(workspace, step, task)
    training = step.rung.candidate.training if step.rung is not None else None
    smoke = None
    if not replace_smoke(training, step.requested):
        smoke = prove(
            models, task, recipe, context=context, need=need, mmproj=mmproj, adapters=adapters,
            local_engine=workspace.engine,
        )  # fmt: skip
    reporter.tested(step, smoke)
    if smoke is not None and not smoke.passed:
        raise SmokeTestError(f"`{paths[0].name}` does not do its task: {smoke.detail}", hint=_hint(plan, step))
    if smoke is not None and workspace.is_this_machine:
        workspace.history.note(step.files[0], smoke, workspace.machine)
    if recipe is None:
        return smoke, None
    subject = Subject(
        paths=models, mmproj=mmproj, adapters=adapters, recipe=recipe, task=task, context=context, need=need
    )
    return smoke, _check(plan, step, subject, reporter)


def _check(plan: Plan, step: Step, subject: Subject, reporter: ActionReporter) -> Checked | None:
    """Ask the project's own cases, where it has any. Raises SmokeTestError when too few are right."""
    cases = read_checks(plan.workspace.directory, step.requested, subject.recipe, subject.task)
    if cases is None:
        return None
    checked = check(subject, cases, step.requested, local_engine=plan.workspace.engine)
    reporter.asked(step, checked)
    if not checked.passed:
        raise SmokeTestError(
            f"`{step.name}` does not pass the checks of this project: {checked.detail}",
            details=checked.details,
            hint="Take another model, or lower `pass`; to pin it all the same, use `--no-test`",
            kind="checks",
        )
    return checked


def _task(workspace: Workspace, step: Step) -> Task | None:
    if step.rung is not None and step.locked is not None:
        return task_of(step.locked, workspace.catalog)
    return step.chosen.resolution.task if step.chosen else None


def _recipe(workspace: Workspace, step: Step, task: Task | None) -> Recipe | None:
    """How the model of a step is asked."""
    if (rung := _rung(step)) is not None:
        return recipe_of(rung, task, workspace.catalog)
    if step.chosen is None or task is None:
        return None
    return pinned_recipe(step.chosen.candidate.variant, task, workspace.catalog, step.chosen.line)


def _rung(step: Step) -> LockedCandidate | None:
    """The candidate of the lock that a step takes; None where nothing is pinned for it."""
    entry = step.chosen.entry if step.chosen else None
    rungs = entry.candidates if entry else ()
    return next((rung for rung in rungs if rung.files == step.files), step.rung.candidate if step.rung else None)


def _hint(plan: Plan, step: Step) -> str:
    if step.chosen is None:
        return "Take another with `lmpm update`, or ask it again with `lmpm test NAME`"
    if step.rung is None and is_task_assumed(step.chosen.line.requested(), plan.workspace.catalog):
        return f"{TASK_HINT}. To pin it all the same, use `--no-test`"
    return "The file is kept. To pin it all the same, use `--no-test`"
