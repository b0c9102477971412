"""Lock: make `lmpm.lock` what `lmpm.toml` asks for; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import ManifestError, SpecError
from lmpm.project.actions.freshness import require_up_to_date
from lmpm.project.actions.plan import ActionReporter, Plan, Result, chosen_step, lock_changes
from lmpm.project.policy import require_all_permitted
from lmpm.project.staleness import stale_models, stale_reasons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.project.actions.choosing import Chosen
    from lmpm.project.lock.records import LockedModel
    from lmpm.project.manifest import Manifest, ManifestModel
    from lmpm.project.workspace import Workspace


def check(workspace: Workspace) -> list[str]:
    """Why the lock is not what the manifest asks for, a line for each reason. Raises LockError when there is none."""
    project = workspace.project
    manifest = project.require_manifest()
    return stale_reasons(manifest, project.require_lock(must_exist=True), workspace.targets(manifest))


def require_current(workspace: Workspace) -> None:
    """Raise LockError unless the lock is what the manifest asks for, NotPermittedError for what the policy forbids."""
    require_up_to_date(check(workspace))
    project = workspace.project
    require_all_permitted(project.lock().models, project.manifest().policy)


def plan(workspace: Workspace, names: Sequence[str] = (), *, upgrade: bool = False) -> Plan:
    """What has to be chosen for the lock to answer the manifest; with `upgrade` anew for these names, or for all.

    Raises the errors of choosing, and SpecError for names without `upgrade`.
    """
    from lmpm.project.actions import pinning

    project = workspace.project
    manifest = project.require_manifest()
    if names and not upgrade:
        raise SpecError("A name goes with `--upgrade`", hint=f"`lmpm lock --upgrade {names[0]}`")
    require_bridges(workspace, manifest)
    before = project.lock()
    remarks: tuple[str, ...] = ()
    asked: tuple[tuple[ManifestModel, LockedModel], ...] = ()
    chosen: list[Chosen] = []
    if upgrade:
        from lmpm.project.actions.choosing import named_lines, remarks_on_lost, upgradable

        lines, remarks = upgradable(workspace, before, named_lines(manifest, names))
        remarks += remarks_on_lost(workspace, before, lines)
    else:
        lines = stale_models(manifest, before, workspace.targets(manifest))
        asked = pinning.asked_otherwise(workspace, manifest, before, lines)
        lines = [line for line in lines if line not in [known for known, _ in asked]]
    if lines or asked:
        pinning.require_writable(before)
    if lines:
        from lmpm.project.actions.choosing import choose_again

        chosen = [choose_again(workspace, manifest, before, line) for line in lines]  # all, before anything is written
    unpinned = pinning.unasked(before, manifest)
    entries = [pinning.keep_proofs(item.entry, before.get(item.line.name)) for item in chosen if item.entry]
    entries += [entry for _, entry in asked]
    return Plan(
        action="lock",
        workspace=workspace,
        steps=tuple(chosen_step(workspace, item) for item in chosen),
        changes=lock_changes(before, entries, unpinned, machine=lambda: workspace.machine, manifest=manifest),
        unpinned=unpinned,
        remarks=remarks,
        saves=True,
        is_first=not chosen and not project.lock_path.exists(),
        asked=asked,
    )


def require_bridges(workspace: Workspace, manifest: Manifest) -> None:
    """Raise ManifestError for a bridge of a route that does another task."""
    if not any(route.bridge for route in manifest.routes.values()):
        return
    from lmpm.cloud import check_bridges
    from lmpm.fs import DocumentError, toml
    from lmpm.project.lock.entry import task_asked

    tasks = {name: task_asked(line.requested(), workspace.catalog) for name, line in manifest.models.items()}
    try:
        check_bridges(manifest.routes, {name: task.name if task else None for name, task in tasks.items()})
    except DocumentError as error:
        raise ManifestError(toml.describe(error, manifest.file)) from error


def apply(plan: Plan, reporter: ActionReporter | None = None) -> Result:
    """Write the lock. A line that somebody changed or took out of the manifest in the meantime is left to them."""
    from lmpm.project.actions import pinning

    told, workspace = reporter or ActionReporter(), plan.workspace
    pairs = [(step.chosen.line, step.chosen.entry) for step in plan.steps if step.chosen and step.chosen.entry]
    pairs += plan.asked
    changed = False
    if pairs or plan.is_first or plan.changes:
        with workspace.editing() as guarded:
            changed = pinning.pin_again(guarded, pairs)
    unpinned = pinning.drop_unasked(workspace) if plan.unpinned else ()
    if unpinned:
        told.unpinned(unpinned)
    return Result(changed=changed, unpinned=unpinned)
