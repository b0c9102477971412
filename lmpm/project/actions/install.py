"""Install: choose for references, or make and mend the lock, then download, test and pin."""

from __future__ import annotations

import os
import time
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lmpm.errors import NothingFitsError, SpecError
from lmpm.fs import rules
from lmpm.project.actions import measuring, pinning
from lmpm.project.actions.asks import (
    find_line,
    find_request,
    is_current,
    is_improvable,
    line_named,
    manifest_line,
    overlaid,
    with_own,
    with_policy,
)
from lmpm.project.actions.plan import (
    ActionReporter,
    Plan,
    Result,
    Step,
    chosen_step,
    lock_changes,
    locked_step,
    measured_remarks,
    twin_steps,
)
from lmpm.project.actions.steps import bring_twins, each, fetch_and_test, require_checks, require_room
from lmpm.project.lock.adapters import references_of
from lmpm.project.lock.facts import require_agreement
from lmpm.project.policy import require_permitted
from lmpm.project.staleness import stale_models
from lmpm.resolver import Constraints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.project.actions.plan import Installed
    from lmpm.project.lock.records import LockedModel
    from lmpm.project.manifest import Manifest, ManifestModel
    from lmpm.project.workspace import Workspace

NO_CONSTRAINTS = Constraints()


def plan(
    workspace: Workspace,
    refs: Sequence[str] = (),
    constraints: Constraints = NO_CONSTRAINTS,
    *,
    name: str | None = None,
    locked: bool = False,
    save: bool = True,
    smoke: bool = True,
    twins: bool = False,
    adapters: Sequence[str] = (),
    anew: bool = False,
) -> Plan:
    """What installing references would do; without any, what makes this machine equal to the lock.

    `constraints` go before what the manifest asks of a reference already. `name` is that of the one reference in the
    manifest. `locked` forbids that the lock changes, `save` False that the project's files are written. `adapters` are
    LoRAs for the one reference, as paths or references, in place of those that its line has. With `twins` those that
    the lock pins of what is taken from it come along. `anew` chooses although the lock has an answer: the file that is
    named is another one now.
    Raises LockError for a lock that would change, NothingFitsError, NotPermittedError, and the errors of the Hub.
    """
    if name is not None:
        name = _as_typed_name(name, refs)
    if adapters and (len(refs) != 1 or not save):
        raise SpecError("`--adapter` goes with exactly one reference, which is pinned")
    added = tuple(_from_project(workspace, item) for item in adapters)
    if refs:
        steps = tuple(
            _step(workspace, ref, constraints, name, locked=locked, save=save, adapters=added, anew=anew)
            for ref in dict.fromkeys(refs)
        )
        planned = _plan(workspace, steps, smoke=smoke, save=save and not locked)
    else:
        planned = _from_lock(workspace, locked=locked, save=save, smoke=smoke)
    return replace(planned, twins=twin_steps(workspace, planned.steps)) if twins else planned


def _as_typed_name(name: str, refs: Sequence[str]) -> str:
    """The name that was given for one reference. Raises SpecError before anything is chosen or fetched for it."""
    if len(refs) != 1:
        raise SpecError("`--name` goes with exactly one reference")
    try:
        return rules.model_name(unicodedata.normalize("NFC", name.strip()))
    except ValueError as error:
        raise SpecError(f"`{rules.printable(name[:80])}` cannot be a name: {error}") from error


def _from_project(workspace: Workspace, ref: str) -> str:
    """A file that was typed, as its path from the project's directory; a reference as it is."""
    place = workspace.current / Path(ref).expanduser()
    return Path(os.path.relpath(place, workspace.directory)).as_posix() if place.exists() else ref


def _plan(
    workspace: Workspace,
    steps: tuple[Step, ...],
    *,
    smoke: bool,
    save: bool,
    unpinned: tuple[str, ...] = (),
    is_first: bool = False,
    asked: tuple[tuple[ManifestModel, LockedModel], ...] = (),
) -> Plan:
    before, manifest = workspace.project.lock(), workspace.project.manifest()
    entries = [
        pinning.keep_proofs(step.chosen.entry, before.get(step.name))
        for step in steps
        if step.chosen and step.chosen.entry
    ]
    entries += [entry for _, entry in asked]
    return Plan(
        action="install",
        workspace=workspace,
        steps=steps,
        changes=(
            lock_changes(before, entries, unpinned, machine=lambda: workspace.machine, manifest=manifest)
            if save
            else ()
        ),
        unpinned=unpinned,
        remarks=measured_remarks(workspace, steps),
        smoke=smoke,
        saves=save,
        is_first=is_first,
        asked=asked,
    )


def _step(
    workspace: Workspace,
    ref: str,
    constraints: Constraints,
    name: str | None,
    *,
    locked: bool,
    save: bool,
    adapters: tuple[str, ...] = (),
    anew: bool = False,
) -> Step:
    """What a reference asks for: what the lock has for it, or a new choice."""
    project = workspace.project
    manifest = project.manifest()
    if (line := line_named(manifest, workspace.catalog, ref)) and name in (None, line.name):
        ref, name = line.ref or line.task or line.name, line.name
    else:
        ref = workspace.reference(ref)
    there = find_line(manifest, workspace.catalog, ref, name)
    if there:
        constraints, name = overlaid(there, constraints, ref), there.name
    lock = project.lock()
    found = None if anew else find_request(lock, workspace.catalog, ref, constraints, name)
    if adapters and found is not None and references_of(found.requested) != adapters:
        found = None
    if found is not None and is_current(found, manifest):
        step = _already(workspace, found, locked=locked)
        if step is not None:
            require_permitted(found.name, step.rung.candidate, manifest.policy) if step.rung else None
            return step
    from lmpm.project.actions.choosing import choose

    measuring.offer(workspace)
    own = constraints
    chosen = choose(
        workspace,
        ref,
        with_policy(own, manifest.policy),
        lambda resolution: with_own(manifest_line(resolution, own, name), there, adapters=adapters),
        save=save,
    )
    if locked:
        pinning.require_same(project.require_lock(), chosen.line.name, chosen.resolution)
    return chosen_step(workspace, chosen, is_new=True)


def _already(workspace: Workspace, found: LockedModel, *, locked: bool) -> Step | None:
    """The step from the lock when it has this very request for this machine, and there is no better."""
    try:
        step = locked_step(workspace, found)
    except NothingFitsError:
        return None  # the ladder is made anew, with something for this machine
    improvable = step.rung is not None and is_improvable(found, step.rung.candidate, offline=workspace.offline)
    return None if improvable and not locked else step


def _from_lock(workspace: Workspace, *, locked: bool, save: bool, smoke: bool) -> Plan:
    """Make this machine equal to the lock, which is made or mended first where it may be."""
    project = workspace.project
    if not project.manifest_path.exists() and not project.lock_path.exists():
        raise SpecError(
            f"Nothing to install: no `lmpm.toml` in `{project.directory}` or above",
            hint="Name a task: `lmpm install text-to-sql`; all tasks: `lmpm catalog list`",
            kind="no-manifest",
        )
    manifest = project.manifest()
    machines = workspace.targets(manifest)
    if locked:
        lock = project.require_lock()
        pinning.require_fresh(manifest, lock, machines)
        steps = tuple(_permitted_step(workspace, model, manifest) for model in lock.models)
        remarks = measured_remarks(workspace, steps)
        return Plan(action="install", workspace=workspace, steps=steps, remarks=remarks, smoke=smoke)
    before = project.lock()
    stale = stale_models(manifest, before, machines)
    asked = pinning.asked_otherwise(workspace, manifest, before, stale)
    for line, entry in asked:
        stale.remove(line)
        before = before.with_model(entry)
    steps = ()
    if stale:
        from lmpm.project.actions.choosing import choose_again

        steps = tuple(
            chosen_step(workspace, choose_again(workspace, manifest, before, line, save=save)) for line in stale
        )
    writes = save and project.manifest_path.exists()
    unpinned = pinning.unasked(before, manifest) if writes else ()
    passed = {*unpinned, *(line.name for line in stale)}
    steps += tuple(_permitted_step(workspace, model, manifest) for model in before.models if model.name not in passed)
    is_first = writes and not stale and not project.lock_path.exists()
    return _plan(workspace, steps, smoke=smoke, save=save, unpinned=unpinned, is_first=is_first, asked=asked)


def _permitted_step(workspace: Workspace, model: LockedModel, manifest: Manifest) -> Step:
    step = locked_step(workspace, model)
    if step.rung:
        require_permitted(model.name, step.rung.candidate, manifest.policy)
    return step


def apply(plan: Plan, reporter: ActionReporter | None = None) -> Result:
    """Fetch what is planned, test it, and only then pin it, model by model.

    Raises the first error of a model once the others are done; DiskError before anything is fetched.
    """
    told, workspace = reporter or ActionReporter(), plan.workspace
    require_room(plan)
    require_checks(plan)
    if plan.saves and (plan.asked or any(step.chosen for step in plan.steps)):  # before gigabytes are fetched
        pinning.require_savable(workspace, can_be_left_out=True)
    unpinned = pinning.drop_unasked(workspace) if plan.unpinned else ()
    if unpinned:
        told.unpinned(unpinned)
    has_chosen = any(step.chosen for step in plan.steps)
    if plan.is_first or (plan.saves and (plan.asked or (plan.changes and not has_chosen))):
        with workspace.editing() as guarded:
            pinning.pin_again(guarded, plan.asked)
    models = each(plan, told, lambda step: _install(plan, step, told))
    bring_twins(plan, told)
    return Result(models=models, changed=bool(plan.changes), unpinned=unpinned)


def _install(plan: Plan, step: Step, reporter: ActionReporter) -> Installed:
    """Bring one model, and pin it where it was chosen now."""
    began, workspace = time.monotonic(), plan.workspace
    if step.chosen is not None:
        pinning.require_unchanged(workspace.project.lock(), step.source, step.files)
    done = fetch_and_test(plan, step, reporter)
    if step.chosen is not None:
        if not workspace.offline:
            workspace.store.note_ref(step.source)
        _pin(workspace, step, done)
        done = replace(done, took_s=time.monotonic() - began)
    elif step.locked is not None and not plan.saves:
        require_agreement(step.locked, workspace.store, workspace.catalog)
    elif step.locked is not None:
        for item in pinning.correct(workspace, step.locked):
            reporter.transfers.remarked(step.name, f"corrected in lmpm.lock: {item}")
    reporter.installed(done)
    return done


def _pin(workspace: Workspace, step: Step, done: Installed) -> None:
    """Write the manifest's line and the ladder, with what the smoke test showed."""
    chosen = step.chosen
    if chosen is None or chosen.entry is None:
        return
    entry = pinning.as_files_say(workspace, chosen.entry)
    if done.smoke is not None and workspace.is_this_machine:
        proof = pinning.proof(
            done.smoke, workspace.machine, workspace.targets(workspace.project.manifest()), done.checked
        )
        entry = pinning.with_proof(entry, step.files, proof)
    pin: Callable[..., bool] = pinning.pin if step.is_new else pinning.pin_again
    with workspace.editing() as guarded:
        pin(guarded, [(chosen.line, entry)])
