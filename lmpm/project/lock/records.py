"""What `lmpm.lock` holds, as records that are valid and in canonical order by construction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from lmpm.project.lock.twins import Twin
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.cloud import Provider, Route
    from lmpm.fs import Scalar
    from lmpm.project.lock.adapters import LockedAdapter
    from lmpm.project.lock.training import Training
    from lmpm.project.manifest import Manifest
    from lmpm.proof import Tested
    from lmpm.recipe import Recipe
    from lmpm.resolver import Mode, Waiting
    from lmpm.types import ModelFile, Source

VERSION: Final = 2  # another one is refused
REVISION: Final = 2  # a greater one is read, but not written


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCandidate:
    """One rung of a ladder: a pinned variant and what it costs, so that a machine can decide offline.

    `memory` is the need at the locked context, no less than the bytes of its files. `bytes_per_token`, `layers`,
    `architecture` and the numbers of parameters (0: not known) feed the speed rule; of a mixture of experts a token
    goes through the active ones.
    `score` is what is expected of it at the task in its `mode` after the loss of its quant, `is_native` says that the
    weights were trained for this quant; `answer_tokens` and `thinking_tokens` are those of a usual answer.
    `engine` is the smallest llama.cpp build that loads it, `tested` what was seen with it. `template` is the
    sha256 of the chat template, `identity` what the Hub calls the repository whatever its name. `targets`
    are the declared machines that it serves. `files` stand in load order, an mmproj last. `recipe` is how it is asked,
    the whole of it; None: the lock was made before recipes, or nothing is known of the task. `training` is how a model
    of the team's own was made. `adapters` are put on it when it is loaded; `memory` and `bytes_per_token` count them.
    """

    source: Source
    model: str
    quant: str
    license: str
    memory: int
    bytes_per_token: int
    layers: int
    files: tuple[ModelFile, ...]
    score: float = 0.0
    mode: Mode = ""
    answer_tokens: int = 0
    thinking_tokens: int = 0
    is_native: bool = False
    architecture: str = ""
    parameters: int = 0
    active_parameters: int = 0
    engine: int | None = None
    template: str | None = None
    identity: str | None = None
    tested: Tested | None = None
    targets: tuple[str, ...] = ()
    recipe: Recipe | None = None
    training: Training | None = None
    adapters: tuple[LockedAdapter, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.source, HubSource) and self.source.revision is None:
            raise ValueError(f"{self.model} cannot be locked: its revision is not known")
        for file in self.files:
            if file.sha256 is None:
                raise ValueError(f"{self.model} cannot be locked: the sha256 of {file.path} is not known")
        object.__setattr__(self, "targets", tuple(sorted(self.targets)))

    @property
    def size(self) -> int:
        """Bytes of all files together, adapters left out."""
        return sum(file.size for file in self.files)

    @property
    def total_size(self) -> int:
        """Bytes of all files, those of adapters, too."""
        return self.size + sum(item.size for item in self.adapters)

    @property
    def pins(self) -> tuple[tuple[Source, tuple[ModelFile, ...]], ...]:
        """All files that loading it takes, by where they are from: its own first, then those of its adapters."""
        return (self.source, self.files), *((item.source, item.files) for item in self.adapters)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedModel:
    """One line of the manifest with its ladder: the candidates that machines take from, in an order for reading.

    `requested` is that line. `context` is what it came to with the default of its task when the ladder was made; None
    where the line says it itself. `waiting` is what a request takes and how long people wait for it; None: not known.
    `recipe` is how its task is put, from which that of a candidate differs where its model wants it otherwise.
    `twins` are candidates in other forms, for runtimes that do not read GGUF.
    """

    name: str
    requested: Mapping[str, Scalar]
    candidates: tuple[LockedCandidate, ...]
    context: int | None = None
    waiting: Waiting | None = None
    recipe: Recipe | None = None
    twins: tuple[Twin, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "twins", tuple(sorted(self.twins, key=lambda twin: (twin.of, twin.form))))
        object.__setattr__(self, "requested", dict(sorted(self.requested.items())))

    @property
    def pinned(self) -> tuple[LockedCandidate | Twin, ...]:
        """All that it pins: the candidates, then the twins."""
        return (*self.candidates, *self.twins)


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole lock, its models sorted by name; and where requests may go besides, with no key of anybody."""

    models: tuple[LockedModel, ...] = ()
    providers: tuple[Provider, ...] = field(default=(), kw_only=True)
    routes: tuple[Route, ...] = field(default=(), kw_only=True)
    revision: int = field(default=REVISION, kw_only=True, compare=False)  # as it was read

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(sorted(self.models, key=lambda model: model.name)))
        for name in ("providers", "routes"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name), key=lambda item: item.name)))

    def get(self, name: str) -> LockedModel | None:
        """The model of this name."""
        return next((model for model in self.models if model.name == name), None)

    def routed_as(self, manifest: Manifest) -> Lock:
        """The lock with the providers and routes of a manifest."""
        return replace(self, providers=tuple(manifest.providers.values()), routes=tuple(manifest.routes.values()))

    def with_model(self, model: LockedModel) -> Lock:
        """The lock with `model` added or replaced."""
        return replace(self, models=(*self.without(model.name).models, model))

    def without(self, name: str) -> Lock:
        """The lock without the model of this name."""
        return replace(self, models=tuple(model for model in self.models if model.name != name))
