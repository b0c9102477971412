"""Sync: make this machine equal to the lock, which is never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import UnknownNameError
from lmpm.project.actions.freshness import require_up_to_date
from lmpm.project.actions.plan import ActionReporter, Plan, Result, locked_step, measured_remarks, twin_steps
from lmpm.project.actions.steps import bring_twins, each, fetch_and_test, require_checks, require_room
from lmpm.project.directory import find_models
from lmpm.project.lock.facts import require_agreement
from lmpm.project.policy import require_permitted
from lmpm.project.staleness import stale_reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.project.actions.plan import Installed, Step
    from lmpm.project.manifest import Manifest
    from lmpm.project.workspace import Workspace
    from lmpm.types import Machine


def plan(
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    target: str | None = None,
    smoke: bool = True,
    twins: bool = False,
) -> Plan:
    """What brings the models of these names, or all that the lock pins; for a declared `target`, what that one takes.

    With `twins` those that the lock pins of them come along.
    Raises LockError for a lock that is missing or stale, and NotPermittedError for what the policy forbids.
    """
    project = workspace.project
    lock, manifest = project.require_lock(), project.manifest()
    if project.manifest_path.exists():
        require_up_to_date(stale_reasons(manifest, lock, workspace.targets(manifest)))
    machine = _target(workspace, manifest, target) if target else workspace.machine
    steps = tuple(locked_step(workspace, model, machine=machine) for model in find_models(lock, names))
    for step in steps:  # all, before anything is fetched
        if step.rung:
            require_permitted(step.name, step.rung.candidate, manifest.policy)
    remarks = () if target else measured_remarks(workspace, steps)
    return Plan(
        action="sync",
        workspace=workspace,
        steps=steps,
        remarks=remarks,
        smoke=smoke and not target,
        twins=twin_steps(workspace, steps) if twins else (),
    )


def _target(workspace: Workspace, manifest: Manifest, name: str) -> Machine:
    machines = workspace.targets(manifest)
    if name not in machines:
        listing = "Declared: " + ", ".join(f"`{known}`" for known in machines) if machines else "None is declared"
        raise UnknownNameError("target of this project", name, listing=listing)
    return machines[name]


def apply(plan: Plan, reporter: ActionReporter | None = None) -> Result:
    """Fetch what is missing and test it. Raises the first error of a model once the others are done."""
    told = reporter or ActionReporter()
    require_room(plan)
    require_checks(plan)
    models = each(plan, told, lambda step: _bring(plan, step, told))
    bring_twins(plan, told)
    return Result(models=models)


def _bring(plan: Plan, step: Step, reporter: ActionReporter) -> Installed:
    done = fetch_and_test(plan, step, reporter)
    if step.locked is not None:
        require_agreement(step.locked, plan.workspace.store, plan.workspace.catalog)
    reporter.installed(done)
    return done
