"""The shape of a model by the keys of its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.architectures import ARCHITECTURES, UNKNOWN
from lmpm.estimate.memory.constants import MOST_LAYERS
from lmpm.types import Shape

if TYPE_CHECKING:
    from lmpm.gguf import Header


def shape_of(header: Header, *, parameters: int) -> Shape | None:
    """The shape that a file's keys tell, or None when its architecture keeps it elsewhere.

    `parameters` are those of the file; how many a token goes through follows from the sizes of the experts.
    """
    layers, wide = header.integer("block_count"), header.integer("embedding_length")
    heads = header.integers("attention.head_count")
    if not layers or not wide or not heads or not heads[0]:
        return None
    kv_heads = header.integers("attention.head_count_kv") or heads
    key_length = header.integer("attention.key_length", wide // heads[0])
    # a per-layer array (hybrid models keep no cache where it is 0) is kept as its mean, rounded up
    mean_kv_heads = kv_heads[0] if len(kv_heads) == 1 else -(-sum(kv_heads) // layers)
    architecture = ARCHITECTURES.get(header.architecture, UNKNOWN)
    windows = architecture.window_layers(header, layers)[:layers] if 0 < layers <= MOST_LAYERS else ()
    return Shape(
        layers=layers,
        embedding_length=wide,
        heads=heads[0],
        kv_heads=mean_kv_heads,
        key_length=key_length,
        value_length=header.integer("attention.value_length", key_length),
        feed_forward_length=max(header.integers("feed_forward_length") or (4 * wide,)),
        vocabulary=header.integer("vocab_size") or header.array_lengths.get("tokenizer.ggml.tokens", 0),
        parameters=parameters,
        active_parameters=min(parameters, max(0, parameters - _idle(header, layers, wide))),
        sliding_window=architecture.window(header) if any(windows) else 0,
        window_layers=sum(windows),
        causal=header.metadata.get(f"{header.architecture}.attention.causal") is not False,
    )


def _idle(header: Header, layers: int, wide: int) -> int:
    """Parameters of the experts that a token does not go through: each has three matrices."""
    experts, used = header.integer("expert_count"), max(header.integers("expert_used_count") or (0,))
    inner = header.integer("expert_feed_forward_length") or max(header.integers("feed_forward_length") or (0,))
    sparse_layers = layers - header.integer("leading_dense_block_count") - header.integer("nextn_predict_layers")
    return 3 * wide * inner * max(0, experts - used) * max(0, sparse_layers) if used else 0
