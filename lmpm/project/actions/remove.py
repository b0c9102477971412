"""Remove: take models out of the project; their bytes stay in the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lmpm.project import manifest_edit
from lmpm.project.directory import find_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.project.directory import Project
    from lmpm.project.lock.records import Lock
    from lmpm.project.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePlan:
    """Which models would leave the project."""

    workspace: Workspace = field(repr=False, compare=False)
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(f"{name} is removed" for name in self.names)

    def as_json(self) -> dict[str, Any]:
        """The plan as programs read it."""
        return {"action": "remove", "removed": list(self.names)}


def plan(workspace: Workspace, names: Sequence[str]) -> RemovePlan:
    """The removal of models. Raises UnknownNameError for a name that is in neither file, LockError without a lock."""
    project = workspace.project
    taken = tuple(dict.fromkeys(names))
    _without(project, taken)
    return RemovePlan(workspace=workspace, names=taken)


def apply(plan: RemovePlan) -> tuple[str, ...]:
    """Take the models out of both files; returns their names. Raises like `plan`, for what happened in between."""
    with plan.workspace.editing() as guarded:
        text, lock = _without(guarded, plan.names)
        guarded.write(manifest=text or None, lock=lock if guarded.lock_path.exists() else None)
    return plan.names


def _without(project: Project, names: Sequence[str]) -> tuple[str, Lock]:
    """The text of the manifest, and the lock, without these models."""
    text, manifest = project.manifest_text(), project.manifest()
    lock = project.lock() if manifest.models else project.require_lock(must_exist=True)
    for name in names:
        if name in manifest.models:
            text = manifest_edit.remove_model(text, name, file=project.manifest_name)
        else:
            find_model(lock, name)
        lock = lock.without(name)
    return text, lock
