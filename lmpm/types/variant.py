"""A model as it is offered: its shape, and what is known of one quant. Sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lmpm.types.memory import MemoryPlan
    from lmpm.types.source import ModelFile, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a memory and speed estimate needs of a model without its tensor table.

    `kv_heads` and `key_length` give the cache; `parameters` counts all weights, `active_parameters`
    those that one token touches. `sliding_window` and `window_layers` are the layers whose cache is bounded.
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
    memory: MemoryPlan | None = None  # by its own header at one context, on one device, where that was read
    capabilities: frozenset[str] = frozenset()
    score: float | None = None  # of the model on the task, before the quant's loss
    score_source: str = ""
    score_kind: str = ""  # measured, by its maker, converted, estimated
    quant_loss: float = 0.0  # points of the score that this quant loses at this size
    mode: Literal["", "direct", "thinking"] = ""  # whether it thinks before it answers; empty: not known
    answer_tokens: int = 0  # of a usual answer, and of the thoughts before it; 0: what is usual for the task
    thinking_tokens: int = 0
    is_native: bool = False  # whether the weights were trained for this quant
    released: str = ""  # year, month and day of the model, as far as they are known
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
        """The account on the Hub; empty where the source is not there."""
        return self.source.publisher

    @property
    def quality(self) -> float:
        """Expected score on the task: the model's own less what the quant loses."""
        return max(0.0, (self.score or 0.0) - self.quant_loss)
