"""Update: choose anew, download, test and pin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.project.actions import pinning
from lmpm.project.actions.choosing import choose_again, named_lines, remarks_on_lost, upgradable
from lmpm.project.actions.plan import ActionReporter, Plan, Result, lock_changes, locked_step
from lmpm.project.actions.steps import fetch_and_test, require_checks, require_room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.project.actions.plan import Installed, Step
    from lmpm.project.lock.records import LockedModel
    from lmpm.project.manifest import ManifestModel
    from lmpm.project.workspace import Workspace


def plan(workspace: Workspace, names: Sequence[str] = (), *, smoke: bool = True) -> Plan:
    """What choosing anew for these names, or for all, would change. Raises the errors of choosing."""
    project = workspace.project
    manifest, before = project.require_manifest(), project.lock()
    pinning.require_writable(before)
    lines, remarks = upgradable(workspace, before, named_lines(manifest, names))
    remarks += remarks_on_lost(workspace, before, lines)
    steps = []
    for line in lines:
        chosen = choose_again(workspace, manifest, before, line)
        if chosen.entry is not None:
            entry = pinning.keep_proofs(chosen.entry, before.get(line.name))
            steps.append(locked_step(workspace, entry, chosen=chosen))
    return Plan(
        action="update",
        workspace=workspace,
        steps=tuple(steps),
        changes=lock_changes(
            before,
            [step.locked for step in steps if step.locked],
            machine=lambda: workspace.machine,
            manifest=manifest,
        ),
        remarks=remarks,
        smoke=smoke,
        saves=True,
    )


def apply(plan: Plan, reporter: ActionReporter | None = None) -> Result:
    """Fetch and test all of it, and only then pin it: what cannot be had leaves the lock as it was."""
    told, workspace = reporter or ActionReporter(), plan.workspace
    pinning.require_savable(workspace)
    require_room(plan)
    require_checks(plan)
    models: list[Installed] = []
    pairs: list[tuple[ManifestModel, LockedModel]] = []
    for step in plan.steps:
        done = fetch_and_test(plan, step, told)
        models.append(done)
        if step.chosen is not None:
            pairs.append((step.chosen.line, _proved(workspace, step, done)))
        told.installed(done)
    with workspace.editing() as guarded:
        changed = pinning.pin_again(guarded, pairs)
    return Result(models=tuple(models), changed=changed)


def _proved(workspace: Workspace, step: Step, done: Installed) -> LockedModel:
    """The entry, with what the smoke test showed."""
    if step.locked is None:
        raise ValueError("an update pins an entry for each step")
    entry = pinning.as_files_say(workspace, step.locked)
    if done.smoke is None or not workspace.is_this_machine:
        return entry
    tested = pinning.proof(done.smoke, workspace.machine, workspace.targets(workspace.project.manifest()), done.checked)
    return pinning.with_proof(entry, step.files, tested)
