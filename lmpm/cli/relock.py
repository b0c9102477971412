"""Choosing a line of the manifest anew, for the commands that write the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.cli import workspace

if TYPE_CHECKING:
    from lmpm.cli.settings import App
    from lmpm.lock_types import LockedModel
    from lmpm.manifest import Manifest, ManifestModel
    from lmpm.resolve import Where


def relock(app: App, manifest: Manifest, line: ManifestModel) -> LockedModel:
    """The entry of the lock for one line, and what is to be said about it. Nothing is downloaded or written."""
    from lmpm import install

    where: Where = "here" if app.offline else "hub"
    wish = install.wish_of(line, manifest.policy)
    resolution = app.resolver.resolve(line.ref or line.task or line.name, app.machine, wish, where=where)
    install.require_choice(resolution.choice)
    machines, classes = workspace.targets(app, manifest), workspace.size_classes(app)
    locked, remarks = install.lock_model(resolution, line, app.resolver, machines, classes)
    for remark in (*resolution.choice.notes, *remarks):
        app.console.note(remark)
    return locked
