"""Choosing a line of the manifest anew, for the commands that write the lock."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lmpm.cli import workspace
from lmpm.errors import NetworkError, UnknownNameError
from lmpm.types import HubSource, UrlSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.cli.app import App
    from lmpm.project import Lock, LockedModel, Manifest, ManifestModel
    from lmpm.resolver import Where

GRAVE = ("gone", "history", "identity", "bytes")  # of what may have become of a repository: why to look twice


@contextmanager
def asking_anew() -> Iterator[None]:
    """Have errors of the network say what it is needed for: `--offline` is no way to learn what is new."""
    try:
        yield
    except NetworkError as error:
        if error.hint and "--offline" in error.hint:
            error.hint = "Check HF_ENDPOINT and your proxy: what is new can only be asked over the network"
        raise


def named_lines(manifest: Manifest, names: tuple[str, ...]) -> list[ManifestModel]:
    """The lines of the manifest that were named, or all. Raises UnknownNameError."""
    for name in names:
        if name not in manifest.models:
            listing = "In the manifest: " + ", ".join(f"`{known}`" for known in manifest.models)
            raise UnknownNameError("model of this project", name, listing=listing)
    return [line for line in manifest.models.values() if not names or line.name in names]


def upgradable(app: App, lock: Lock, lines: Sequence[ManifestModel]) -> list[ManifestModel]:
    """The lines that can be chosen anew; offline those are left alone for which the lock pins something of the network.

    What is on this machine is no measure of what there is: a team's ladder would shrink to it.
    """
    if not app.offline:
        return list(lines)
    able = [line for line in lines if not _is_remote(lock.get(line.name))]
    kept = [f"`{line.name}`" for line in lines if line not in able]
    if kept:
        stay = "stays as it is" if len(kept) == 1 else "stay as they are"
        app.console.note(f"{', '.join(kept)} {stay}: what is new can only be asked over the network")
    return able


def _is_remote(locked: LockedModel | None) -> bool:
    return locked is not None and any(isinstance(rung.source, HubSource | UrlSource) for rung in locked.candidates)


def remark_lost(app: App, lock: Lock, lines: Sequence[ManifestModel]) -> None:
    """Say of what is about to be chosen anew where the Hub has lost, rewritten or given away what was pinned."""
    from lmpm.project import changes

    if app.offline:
        return
    locked = [found for line in lines if (found := lock.get(line.name))]
    lost = [
        change.detail
        for model in locked
        for rung in model.candidates
        for change in changes(rung, app.hub, app.catalog)
        if change.kind in GRAVE
    ]
    for detail in dict.fromkeys(lost):
        app.console.note(detail)


def relock(app: App, manifest: Manifest, before: Lock, line: ManifestModel) -> LockedModel:
    """The entry of the lock for one line, and what is to be said about it. Nothing is downloaded or written.

    Raises IntegrityError where the Hub has other bytes under a commit that the lock of `before` pins.
    """
    from lmpm.project import install
    from lmpm.resolver import require_choice

    where: Where = "here" if app.offline else "hub"
    machines, classes = workspace.targets(app, manifest), workspace.size_classes(app)
    appraiser = app.appraiser("chosen")
    with install.naming(line, manifest):
        constraints = install.constraints_of(line, manifest.policy)
        resolution = app.resolver.resolve(
            line.ref or line.task or line.name, app.machine, constraints, where=where, appraiser=appraiser
        )
        require_choice(resolution.choice)
        resolution, locked, remarks = install.lock_model(
            resolution, line, app.resolver, machines, classes, where=where, appraiser=appraiser
        )
    for rung in locked.candidates:
        install.require_unchanged(before, rung.source, rung.files)
    for remark in (*resolution.choice.notes, *remarks):
        app.console.note(remark)
    return locked
