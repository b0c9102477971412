"""How a model is run: what memory is estimated at, and what the engine is told to do, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

KV_TYPES: Final = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")

FlashAttention = Literal["auto", "on", "off"]
Repacking = Literal["none", "avx2", "avx512", "neon"]
Pooling = Literal["none", "mean", "cls", "last", "rank"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Settings of llama.cpp by their names there; `context` 0 means what the model was trained for.

    The defaults are how lmpm runs a model: one sequence, a cache of f16, flash attention as llama.cpp chooses,
    the logits of one token. `outputs` are rows of logits for one batch (0: one for each token), `gpu_layers`
    counts from the last layer, the output being one (None: all that the build can offload).
    `expert_layers_on_cpu` keeps the experts of the first so many layers in host memory (None: of all).
    `embeddings` asks for vectors of texts instead of answers: a text is then read in one batch, so that batches are as
    large as the context. `pooling` None takes what the file says, `threads` None the physical cores.
    """

    context: int
    batch: int = 2048
    ubatch: int = 512
    sequences: int = 1
    unified: bool = False
    outputs: int = 1
    kv_type: str = "f16"
    value_type: str | None = None  # of the values, where it differs from the keys'
    flash_attention: FlashAttention = "auto"
    swa_full: bool = False
    gpu_layers: int | None = None
    expert_layers_on_cpu: int | None = 0
    mmap: bool = True
    repack: Repacking = "avx2"  # what the processor of the host makes llama.cpp reorder; `none` forbids it
    embeddings: bool = False
    pooling: Pooling | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if min(self.batch, self.ubatch, self.sequences) < 1 or min(self.context, self.outputs) < 0:
            raise ValueError("settings must be positive")
        if self.embeddings:  # what attends to a whole text cannot read it in parts
            object.__setattr__(self, "ubatch", max(self.ubatch, self.context))
            object.__setattr__(self, "batch", max(self.batch, self.ubatch))
        for kind in (self.kv_type, self.value_type):
            if kind is not None and kind.lower() not in KV_TYPES:
                raise ValueError(f"`{kind}` is not a type of a cache: {', '.join(KV_TYPES)}")

    @property
    def quantizes_values(self) -> bool:
        """Whether the values of the cache come in blocks."""
        return (self.value_type or self.kv_type) not in ("f32", "f16", "bf16")

    @property
    def is_flash_optional(self) -> bool:
        """Whether llama.cpp decides about flash attention: quantized values cannot do without it."""
        return self.flash_attention == "auto" and not self.quantizes_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a model is loaded for, beside one answer after another.

    `history_bytes` bound the prompts that llama.cpp keeps in host memory to continue them later; `checkpoints` the
    states of a slot that it keeps where a model's cache cannot be cut. Both are memory beside the engine's own plan.
    `chats` says whether the chat template of the file is used: without, it is not even parsed. `alias` is what answers
    call the model; without one they name the file with its whole path.
    """

    history_bytes: int = 0
    checkpoints: int = 0
    chats: bool = False
    alias: str = ""

    def __post_init__(self) -> None:
        if min(self.history_bytes, self.checkpoints) < 0:  # llama-server would take it for `without a bound`
            raise ValueError("what a server keeps must be bounded")


ALONE: Final = Service()  # one answer after another, nothing kept
