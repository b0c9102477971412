"""Resolve: the choice for a reference in a project, nothing downloaded, pinned or written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.errors import AmbiguousNameError, NetworkError
from lmpm.project.actions.asks import with_policy
from lmpm.project.actions.measuring import noted
from lmpm.resolver import NameReference, parse_reference
from lmpm.units import duration

if TYPE_CHECKING:
    from lmpm.project.workspace import Workspace
    from lmpm.resolver import Constraints, ExactFit, Resolution, Where


def resolve_reference(workspace: Workspace, ref: str, constraints: Constraints) -> Resolution:
    """The choice for a reference within the policy of the project; `choice.chosen` is None when nothing fits.

    Without a network a task or model is answered by the catalog, anything else by what the Hub answered before.
    """
    constraints = with_policy(constraints, workspace.project.manifest().policy)
    ref = workspace.reference(ref)
    fit = workspace.exact_fit("at hand" if workspace.offline else "doubtful")
    if not workspace.offline:
        try:
            return resolve_as_meant(workspace, ref, constraints, "hub", fit)
        except NetworkError as error:
            if not isinstance(parse_reference(ref), NameReference):
                raise
            found = workspace.resolver.resolve(ref, workspace.machine, constraints, where="catalog")
            return _noted(found, f"not confirmed: {error.message}")
    found = resolve_as_meant(workspace, ref, constraints, "catalog", fit)
    age_s = workspace.hub.oldest_s
    return _noted(found, f"from what the Hub answered {duration(age_s)} ago") if age_s else found


def resolve_as_meant(
    workspace: Workspace, ref: str, constraints: Constraints, where: Where, fit: ExactFit
) -> Resolution:
    """The resolution; where words may mean several models the workspace is asked which, if it can be asked."""
    resolver, machine = workspace.resolver, workspace.machine
    try:
        return noted(workspace, resolver.resolve(ref, machine, constraints, where=where, exact_fit=fit))
    except AmbiguousNameError as error:
        if workspace.pick_model is None:
            raise
        model = workspace.pick_model(error)
    constraints = replace(constraints, model=model)
    return noted(workspace, resolver.resolve(ref, machine, constraints, where=where, exact_fit=fit))


def _noted(resolution: Resolution, note: str) -> Resolution:
    choice = resolution.choice
    return replace(resolution, choice=replace(choice, notes=(*choice.notes, note)))
