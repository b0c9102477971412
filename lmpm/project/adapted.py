"""The files of locked adapters: brought, found, and held to the base that they are for before llama.cpp sees them."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from lmpm.project.lock.adapters import references_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lmpm.fs import Scalar
    from lmpm.project.lock.adapters import LockedAdapter
    from lmpm.project.lock.records import LockedCandidate
    from lmpm.store import Fetcher


def fetch_adapters(
    fetcher: Fetcher, adapters: Iterable[LockedAdapter], requested: Mapping[str, Scalar]
) -> tuple[Path, ...]:
    """The files of adapters, in their order; what is missing is brought first. Raises as `Fetcher.fetch` does."""
    named = {PurePath(ref).name: ref for ref in references_of(requested)}
    return tuple(
        path
        for item in adapters
        for path in fetcher.fetch(item.source, item.files, ref=named.get(PurePath(item.file.path).name))
    )


def require_belonging(
    candidate: LockedCandidate, paths: Sequence[Path], adapters: Sequence[Path], *, quick: bool = False
) -> None:
    """Raise IntegrityError unless verified adapters are for the very model that they are put on.

    `paths` are the files of the candidate, `adapters` those of its adapters, each in their order. `quick` reads no
    header of the model: who loads it does.
    """
    if not adapters:
        return
    from lmpm.gguf import read_file, require_adapter_for, require_base

    pairs = zip(paths, candidate.files, strict=True)
    bases = [] if quick else [read_file(path) for path, file in pairs if file.role == "model"]
    digest = candidate.files[0].sha256 or ""
    for item, path in zip(candidate.adapters, adapters, strict=True):
        if quick:
            require_base(read_file(path), digest, name=item.file.path, accepted=item.base.sha256)
        else:
            require_adapter_for(read_file(path), bases, digest, name=item.file.path, accepted=item.base.sha256)
