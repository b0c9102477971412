"""What is worth saying about a project before anything is done with it, and is not an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.project.staleness import stale_reasons

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.project.lock.records import Lock
    from lmpm.project.manifest import Manifest
    from lmpm.project.workspace import Workspace


def license_remarks(manifest: Manifest, *, asked: str | None = None) -> Iterator[str]:
    """Which licences of the manifest, or of those `asked` for, are not known: a rule may be misspelt."""
    rule = manifest.policy.licenses
    lines = [line.license for line in manifest.models.values()]
    names = [*(rule.allow or ()), *rule.deny]
    names += [name for text in (asked, *lines) if text for name in text.split(",")]
    if names:
        from lmpm.licenses import unknown

        yield from unknown(names)


def stale_remarks(workspace: Workspace, lock: Lock) -> Iterator[str]:
    """Where the lock is not what the manifest asks for."""
    project = workspace.project
    if project.manifest_path.exists():
        manifest = project.manifest()
        for reason in stale_reasons(manifest, lock, workspace.targets(manifest)):
            yield f"{reason}: `lmpm install` mends it"
