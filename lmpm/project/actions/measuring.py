"""Measuring a machine whose bandwidth is only assumed, and saying what of a choice a measurement decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.errors import LmpmError, NothingFitsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.project.lock.records import LockedModel
    from lmpm.project.workspace import Workspace
    from lmpm.resolver import Candidate, Resolution
    from lmpm.types import Machine


def offer(workspace: Workspace) -> None:
    """Ask whether to measure this machine where its bandwidth is only assumed, and do so. No is kept.

    Offline nothing is asked: there is little to choose among, and what is here is wanted at once.
    """
    if workspace.may_measure is None or workspace.offline or not workspace.is_this_machine:
        return
    if not workspace.engine.is_to_be_measured:
        return
    if not workspace.may_measure(workspace.machine):
        workspace.engine.decline_measuring()
        return
    try:
        found = workspace.measure()
    except LmpmError as error:  # the choice can be made all the same
        workspace.note(f"not measured: {error.message}")
    else:
        workspace.note(f"measured {_rate(found.bandwidth)} with {found.build}, {_known(workspace)}")


def noted(workspace: Workspace, resolution: Resolution) -> Resolution:
    """A resolution with a note where it would be another one by the figures of the tables."""
    choice = resolution.choice
    if choice.chosen is None or not _is_measured(workspace):
        return resolution
    from lmpm.resolver import select

    before = select.select(choice.request, workspace.engine.unmeasured, resolution.variants).chosen
    if before is not None and _title(before) == _title(choice.chosen):
        return resolution
    note = _change(workspace, _title(before) if before else "nothing", _title(choice.chosen))
    return replace(resolution, choice=replace(choice, notes=(*choice.notes, note)))


def note_on_assumption(workspace: Workspace, resolution: Resolution) -> tuple[str, ...]:
    """What is to be said of a choice among several by a bandwidth that is only assumed."""
    bandwidth = workspace.machine.bandwidth
    if resolution.choice.considered < 2 or not workspace.is_this_machine or not workspace.engine.is_to_be_measured:
        return ()
    assumed = f"assumed, {_rate(bandwidth)}" if bandwidth else "not known"
    return (f"the memory bandwidth here is {assumed}: `lmpm hardware --measure` finds it out in about 15 seconds",)


def changes(workspace: Workspace, models: Iterable[LockedModel]) -> tuple[str, ...]:
    """Of locked models: which of their candidates is another one here because of a measurement."""
    if not _is_measured(workspace):
        return ()
    found = []
    for model in models:
        before, after = (_taken(model, machine) for machine in (workspace.engine.unmeasured, workspace.machine))
        if before != after:
            found.append(f"{model.name}: {_change(workspace, before, after)}")
    return tuple(found)


def _taken(model: LockedModel, machine: Machine) -> str:
    from lmpm.project.lock.entry import rung_for

    try:
        candidate = rung_for(model, machine).candidate
    except NothingFitsError:
        return "nothing"
    return _words(candidate.model, candidate.quant, candidate.mode)


def _is_measured(workspace: Workspace) -> bool:
    """Whether the machine is this one, and a measurement has changed its figures."""
    return workspace.is_this_machine and workspace.machine != workspace.engine.unmeasured


def _change(workspace: Workspace, before: str, after: str) -> str:
    measured = workspace.machine.bandwidth or 0
    return f"{before} -> {after}, because {_rate(measured)} were measured here, {_known(workspace)}"


def _known(workspace: Workspace) -> str:
    """What was known of the bandwidth before: `the table has 85`."""
    before = workspace.engine.unmeasured
    if not before.bandwidth:
        return "and nothing was known"
    figure = f"{before.bandwidth / 1e9:.0f}"
    return f"{figure} were assumed" if before.source_of("bandwidth").origin == "assumed" else f"the table has {figure}"


def _rate(bandwidth: int) -> str:
    return f"{bandwidth / 1e9:.0f} GB/s"


def _title(candidate: Candidate) -> str:
    return _words(candidate.variant.title, candidate.variant.quant, candidate.variant.mode)


def _words(title: str, quant: str, mode: str) -> str:
    return " ".join(filter(None, (title, quant, mode)))
