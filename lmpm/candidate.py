"""What is chosen among, as frozen records: requests, variants, what they need and are worth, and the choice.

Sizes are bytes, speeds tokens per second, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmpm.types import HubSource

if TYPE_CHECKING:
    from lmpm.types import Machine, ModelFile, Source

MemorySource = Literal["estimated", "header", "upper bound", "dry-run"]
Reason = Literal[
    "memory", "speed", "license", "gated", "context", "capability", "engine",
    "quant", "size", "disk", "worse", "untrusted", "unreadable",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a memory and speed estimate needs of a model without its tensor table.

    `kv_heads` and `key_length` give the cache; `parameters` counts all weights, `active_parameters`
    those that one token touches. `sliding_window` and `window_layers` tell layers whose cache is bounded.
    """

    layers: int
    embedding_length: int
    heads: int
    kv_heads: int
    key_length: int
    value_length: int
    feed_forward_length: int
    vocabulary: int
    parameters: int
    active_parameters: int
    tied_embeddings: bool = False
    causal: bool = True  # False: an encoder, which keeps no cache
    sliding_window: int = 0
    window_layers: int = 0
    recurrent_bytes: int = 0  # state of one sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes that a variant needs at a context, by part, and how they are known.

    `estimated`: from what the catalog knows. `header`: from the header of the file itself, to the byte, or an
    `upper bound` where the architecture is not known. `dry-run`: as this machine's llama.cpp plans it.
    """

    context: int
    weights: int
    kv_cache: int
    recurrent: int
    compute: int
    output: int
    mmproj: int
    overhead: int
    source: MemorySource = "estimated"

    @property
    def total(self) -> int:
        """Bytes of all parts together."""
        return (
            self.weights + self.kv_cache + self.recurrent + self.compute
            + self.output + self.mmproj + self.overhead
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFacts:
    """What the header of a variant's own file tells, for one context, whatever the machine.

    `memory` has everything on one device, nothing twice. `touched` are the bytes that a token reads with the
    context half full.
    """

    memory: Memory
    touched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One quant of one model in one repository at one revision: its shards in load order, mmproj last."""

    model: str
    title: str
    source: Source
    quant: str
    license: str
    files: tuple[ModelFile, ...]
    context_length: int
    architecture: str
    shape: Shape | None = None
    told: HeaderFacts | None = None  # by its header, where that was read
    capabilities: frozenset[str] = frozenset()
    score: float | None = None  # of the model on the task, before the quant's loss
    score_source: str = ""
    quant_loss: float = 0.0  # points of the score that this quant loses at this size
    trust: int = 0  # rank of the publisher, 0 = most trusted
    gated: bool = False
    min_engine_build: int | None = None
    template: str | None = None  # sha256 of the chat template, where one is known
    has_template: bool | None = None  # whether its files hold a chat template; None: not known
    identity: str | None = None  # what the Hub calls the repository, whatever its name
    withdrawn: str = ""  # why nobody should use these files; empty: nothing is known against them

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def publisher(self) -> str:
        """The account on the Hub; empty for a starter."""
        return self.source.repo.partition("/")[0] if isinstance(self.source, HubSource) else ""

    @property
    def quality(self) -> float:
        """Expected score on the task: the model's own less what the quant loses."""
        return max(0.0, (self.score or 0.0) - self.quant_loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Predicted tokens per second, each as the middle of a range, and seconds to the first token."""

    decode: float
    decode_low: float
    decode_high: float
    prefill: float
    first_token_s: float
    placement: Literal["gpu", "split", "cpu"] = "cpu"
    confident: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user wants, completed with the task's defaults."""

    ref: str
    task: str | None
    context: int  # tokens to plan for
    min_context: int  # tokens that the model must be trained for
    min_speed: float
    speed_kind: Literal["decode", "prefill"] = "decode"  # which speed `min_speed` means
    typical_prompt: int = 512  # tokens of a usual prompt of the task, for the first-token time
    quant: str | None = None
    model: str | None = None
    max_size: int | None = None
    licenses_allowed: frozenset[str] | None = None  # None: every licence that permits commercial use
    licenses_denied: frozenset[str] = frozenset()
    publishers_allowed: frozenset[str] | None = None
    publishers_denied: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    prefer: Literal["quality", "speed", "small"] = "quality"
    engine_build: int | None = None
    embeddings: bool = False  # vectors of texts are wanted instead of answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant judged on a machine."""

    variant: Variant
    memory: Memory
    speed: Speed | None  # None: the machine's bandwidth is not known


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was not taken, with the reason and its figures in words."""

    candidate: Candidate
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer to a request on a machine: what is taken, and everything that was not.

    `chosen` is None when nothing can be taken; the reasons stand in `rejected`, nearest first.
    `notes` are sentences for the user: below the speed floor, offline, pins still to be looked up.
    """

    request: Request
    machine: Machine
    chosen: Candidate | None
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def considered(self) -> int:
        """How many candidates were judged."""
        return len(self.rejected) + (self.chosen is not None)
