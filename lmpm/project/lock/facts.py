"""What a lock says of a model, against what its verified files say themselves.

Until the bytes of a file are here, what a server, a catalog or an edited lock says of them is a claim. Once they are
here and have the promised sha256, need, layers, chat template and licence follow from them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError, LockError
from lmpm.fs import JsonCache
from lmpm.licenses import normalise, stated
from lmpm.project.lock.entry import context_of, task_of
from lmpm.units import human
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lmpm.catalog import Catalog
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.store import Store
    from lmpm.types import ModelFile, Source

# What is pinned for other machines is worked out from the catalog's facts: by so much, times, it may be off.
FAR: Final = {"memory": 1.25, "parameters": 1.25, "active_parameters": 2.0, "bytes_per_token": 2.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What verified files say, in the words of the lock; 0 and empty where they do not say it. `memory` is in bytes."""

    memory: int
    bytes_per_token: int
    layers: int
    architecture: str
    parameters: int
    active_parameters: int
    template: str
    license: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing that the lock says of a candidate, whose number counts from 1, and its files do not."""

    rung: int
    title: str
    key: str
    said: int | str
    found: int | str

    @property
    def detail(self) -> str:
        """What is said, and what is so."""
        said, found = (
            human(item) if self.key == "memory" and isinstance(item, int) else f"{item}"[:40]
            for item in (self.said, self.found)
        )
        return f"{self.key} is {found} by its verified files, the lock says {said}"

    def __str__(self) -> str:
        return f"variant {self.rung}, {self.title}: {self.detail}"


def verified_paths(store: Store, source: Source, files: Iterable[ModelFile]) -> tuple[Path, ...]:
    """Where files are, when all are here and unchanged since they were hashed; else nothing."""
    paths = []
    for file in files:
        path = store.find(source, file) if file.sha256 else None
        if path is None or not store.is_stamped(path, file.sha256 or ""):
            return ()
        paths.append(path)
    return tuple(paths)


def disagreements(model: LockedModel, store: Store, catalog: Catalog) -> tuple[Disagreement, ...]:
    """Where the lock says of the candidates of a model whose files are here, verified, what those do not say."""
    return tuple(
        Disagreement(number, f"{rung.model} {rung.quant}", key, getattr(rung, key) or "", getattr(facts, key))
        for number, rung in enumerate(model.candidates, start=1)
        if (facts := facts_of(model, rung, store, catalog)) is not None
        for key in _wrong(rung, facts)
    )


def require_agreement(model: LockedModel, store: Store, catalog: Catalog) -> None:
    """Raise LockError, with every disagreement, where the lock says of verified files what those do not say."""
    if wrong := disagreements(model, store, catalog):
        raise LockError(
            f"`lmpm.lock` says of `{model.name}` what its files do not",
            details=tuple(map(str, wrong)),
            hint="If nobody edited it, run `lmpm install` without `--locked`, which writes what the files say",
            kind="lock-stale",
        )


def corrected(model: LockedModel, store: Store, catalog: Catalog) -> LockedModel:
    """The model with what its verified files say in the place of what they contradict."""
    rungs = []
    for rung in model.candidates:
        facts = facts_of(model, rung, store, catalog)
        if facts is not None and any(_wrong(rung, facts)):
            said = {key: value for key, value in asdict(facts).items() if value}
            rung = replace(rung, **said)
        rungs.append(rung)
    return replace(model, candidates=tuple(rungs))


def facts_of(model: LockedModel, rung: LockedCandidate, store: Store, catalog: Catalog) -> Facts | None:
    """What the files of a candidate say; None unless all are here and verified, and llama.cpp's rules read them."""
    paths = verified_paths(store, rung.source, rung.files)
    if not paths:
        return None
    task, notes = task_of(model, catalog), JsonCache(store.home / "facts")
    is_silent = task is not None and task.is_silent
    key = (*(file.sha256 or "" for file in rung.files), f"{context_of(model)} {is_silent} {__version__}")
    try:
        return _with_adapters(Facts(**notes.get(*key)), rung)
    except (TypeError, ValueError):
        pass
    try:
        facts = _read(rung, paths, context_of(model), is_silent=is_silent)
    except (LmpmError, ValueError):
        return None  # whoever runs it says what is wrong with it
    notes.put(asdict(facts), *key)
    return _with_adapters(facts, rung)


def _with_adapters(facts: Facts, rung: LockedCandidate) -> Facts:
    """What a candidate takes with its adapters: llama.cpp reads them into buffers of their size."""
    size = rung.total_size - rung.size
    return replace(facts, memory=facts.memory + size, bytes_per_token=facts.bytes_per_token + size)


def _read(rung: LockedCandidate, paths: tuple[Path, ...], context: int, *, is_silent: bool) -> Facts:
    """Raises IntegrityError and ValueError for files that are not a model."""
    import hashlib

    from lmpm.estimate import HParams, exact_shape, memory_by_header
    from lmpm.gguf import local_part, read_part
    from lmpm.run_config import RunConfig

    headers = {
        file: read_part(local_part(path, file.path, file.sha256)) for path, file in zip(paths, rung.files, strict=True)
    }
    model = HParams(*(header for file, header in headers.items() if file.role == "model"))
    pictures = next((header for file, header in headers.items() if file.role == "mmproj"), None)
    first = model.header
    trained = first.integer("context_length") or context
    plan = memory_by_header(model, RunConfig(context=min(context, trained), embeddings=is_silent), pictures)
    shape = exact_shape(model)
    return Facts(
        memory=max(plan.must_fit, rung.size),
        bytes_per_token=plan.bytes_per_token,
        layers=shape.layers if shape else 0,
        architecture=first.architecture,
        parameters=shape.parameters if shape else 0,
        active_parameters=shape.active_parameters if shape else 0,
        template=hashlib.sha256(first.template.encode()).hexdigest() if first.template else "",
        license=stated(first.text("general.license")),
    )


def _wrong(rung: LockedCandidate, facts: Facts) -> Iterator[str]:
    """The keys of the lock that verified files contradict."""
    for key, found in asdict(facts).items():
        said: Any = getattr(rung, key)
        if not found or not said:
            continue
        if key == "license":
            said = normalise(said)
        if (max(said, found) > FAR[key] * min(said, found)) if key in FAR else said != found:
            yield key
