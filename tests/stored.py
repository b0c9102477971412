"""Stores with files in them, and projects whose locks name some of them."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lmpm.limits import PRUNE_QUIET_S
from lmpm.project.lock.file import write_lock
from lmpm.project.lock.records import Lock, LockedCandidate, LockedModel
from lmpm.project.registry import KnownProjects
from lmpm.reporter import Reporter
from lmpm.store.cache import Store
from lmpm.types import HubSource, ModelFile

REVISION: Final = "1" * 40


@dataclass(frozen=True)
class Piece:
    """A file of a repository, and its bytes."""

    source: HubSource
    file: ModelFile
    data: bytes


def piece(name: str, data: bytes | None = None, *, repo: str = "maker/m-GGUF", revision: str = REVISION) -> Piece:
    """A file whose bytes follow from its name, unless they are given."""
    data = name.encode() * 999 if data is None else data
    file = ModelFile(path=f"{name}.gguf", size=len(data), sha256=hashlib.sha256(data).hexdigest())
    return Piece(HubSource(repo, revision), file, data)


def model(name: str, *pieces: Piece) -> LockedModel:
    """A locked model of one rung."""
    rung = LockedCandidate(
        source=pieces[0].source, model=name, quant="Q8_0", license="mit", memory=2**20, bytes_per_token=2**10, layers=2,
        files=tuple(item.file for item in pieces),
    )  # fmt: skip
    return LockedModel(name=name, requested={"ref": "maker/m-GGUF"}, candidates=(rung,))


def bring(store: Store, item: Piece, scratch: Path) -> Path:
    """Let lmpm put a file into the store."""
    scratch.mkdir(parents=True, exist_ok=True)
    origin = scratch / "origin"
    origin.write_bytes(item.data)
    return store.adopt_file(item.source, item.file, origin, Reporter())


def lay(store: Store, item: Piece) -> Path:
    """Put a file into the store as another client of the cache does, of which lmpm knows nothing."""
    blob, link = store.blob(item.source, item.file), store.link(item.source, item.file)
    for path in (blob, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(item.data)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return link


def age(root: Path, seconds: float = PRUNE_QUIET_S + 60) -> None:
    """Make everything in a store look as if it had come a while ago."""
    then = time.time() - seconds
    for path in root.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)


def project(directory: Path, known: KnownProjects, *models: LockedModel) -> Path:
    """A project with a lock that lmpm has used."""
    directory.mkdir(parents=True, exist_ok=True)
    write_lock(directory / "lmpm.lock", Lock(models))
    known.remember(directory)
    return directory
