"""Candidates that are on this machine: what the Hugging Face cache holds of a repository or a variant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.types import HubSource

if TYPE_CHECKING:
    from lmpm.hub import Repository
    from lmpm.store import Store
    from lmpm.types import ModelFile, Variant


def held_repository(store: Store, repo: str, revision: str | None = None) -> Repository | None:
    """What the store holds of a repository at a commit, or at its newest one here, or None.

    Digests are the names of the blobs; sizes are those on disk.
    """
    from lmpm.hub import Repository

    for commit in store.commits(repo):
        if revision in (None, commit):
            source = HubSource(repo, commit)
            root = store.folder(source) / "snapshots" / commit
            paths = (path.relative_to(root).as_posix() for path in root.rglob("*.gguf"))
            files = tuple(file for path in sorted(paths) if (file := store.file_at(source, path)))
            if not files:  # a download that was begun; an older commit may be whole
                continue
            return Repository(id=repo, revision=commit, files=files, license="unknown", gated=False, private=False)
    return None


def held(store: Store, variant: Variant) -> Variant | None:
    """The variant pinned to what is on this machine, or None unless every file of it is.

    At the commit that is known the files must be the very ones. Where another commit is here, which an install with a
    network took because it was the newest, its files of the same paths are the variant.
    """
    if not isinstance(variant.source, HubSource):
        return None
    known = variant.source.revision
    for commit in sorted(store.commits(variant.source.repo), key=lambda commit: commit != known):
        source = HubSource(variant.source.repo, commit)
        files = [_held(store, source, file, is_same=known in (None, commit)) for file in variant.files]
        if None not in files:
            return replace(variant, source=source, files=tuple(file for file in files if file))
    return None


def _held(store: Store, source: HubSource, wanted: ModelFile, *, is_same: bool) -> ModelFile | None:
    """The file that is here, with its digest; None when it is missing, or another one under the same commit."""
    there = store.file_at(source, wanted.path)
    if there is None:
        # a cache without links says no digest: the promised one then stands, and is checked before use
        return wanted if wanted.sha256 and store.find(source, wanted) else None
    is_right = not is_same or wanted.sha256 in (None, there.sha256)
    return replace(there, role=wanted.role) if is_right else None
