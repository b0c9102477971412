"""How many bytes a model needs at a context, in closed form, for ranking many.

The rules are llama.cpp's own: `llama-kv-cache.cpp` for the cache, `llama-context.cpp` for outputs, and
the largest set of tensors alive at once for the compute buffer. Here they are evaluated on the few
facts of a `Shape`, which the catalog or a file's header gives. Where a variant's own header was read for this
context, its plan answers instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.constants import HOST_OVERHEAD, TOKENIZER_BYTES_PER_TOKEN, filled, padded
from lmpm.types import DeviceMemory, MemoryParts, MemoryPlan

if TYPE_CHECKING:
    from lmpm.types import Shape, Variant

UBATCH: Final = 512  # tokens computed at once: llama.cpp's default, and what the engine sets
OUTPUTS: Final = 1  # rows of logits that the engine asks for
KV_BYTES: Final = 2.0  # bytes an element of the f16 cache


def estimate_memory(variant: Variant, context: int) -> MemoryPlan:
    """Memory of a variant at `context` tokens, on one device and at the engine's own settings.

    Without a shape the cache is not known; 20 % of the weights stands in for it and everything else,
    which is the rule of thumb that most front ends use.
    """
    context = trained(variant, context)
    if variant.memory and variant.memory.context == context:
        return variant.memory
    weights = sum(file.size for file in variant.files if file.role == "model")
    mmproj = sum(file.size for file in variant.files if file.role == "mmproj")
    shape = variant.shape
    if shape is None:
        parts = MemoryParts(weights=weights, kv_cache=weights // 5, mmproj=mmproj, overhead=HOST_OVERHEAD)
        touched = weights
    else:
        cells = padded(context)
        parts = MemoryParts(
            weights=weights,
            kv_cache=kv_cache(shape, cells),
            recurrent=shape.recurrent_bytes,
            compute=compute_buffer(shape, cells),
            output=shape.vocabulary * OUTPUTS * 4,
            mmproj=mmproj,
            tokenizer=shape.vocabulary * TOKENIZER_BYTES_PER_TOKEN,
            overhead=HOST_OVERHEAD,
        )
        touched = read_per_token(shape, weights, context)
    return MemoryPlan(context=context, devices=(DeviceMemory("", parts),), bytes_per_token=touched)


def kv_cache(shape: Shape, cells: int) -> int:
    """Bytes of the cache: K and V of every attention layer, window layers only as wide as they see."""
    if not shape.causal:
        return 0  # an encoder reads the whole text at once
    per_cell = shape.kv_heads * (shape.key_length + shape.value_length) * KV_BYTES
    window_cells = min(cells, padded(shape.sliding_window + UBATCH)) if shape.sliding_window else cells
    full_layers = shape.layers - shape.window_layers
    return int(per_cell * (full_layers * cells + shape.window_layers * window_cells))


def compute_buffer(shape: Shape, cells: int) -> int:
    """Bytes of the scratch buffer of the largest step of the graph, with flash attention."""
    batch = min(UBATCH, cells)
    row = 4 * batch  # f32 over the batch, for each feature
    mask = 2 * cells * batch * (2 if shape.window_layers else 1)
    wide = shape.embedding_length
    feed_forward = (3 * shape.feed_forward_length + 3 * wide) * row
    attention = (2 * wide + shape.heads * (shape.key_length + shape.value_length)) * row
    outputs = (shape.vocabulary + wide) * OUTPUTS * 4 + wide * row
    return max(mask + max(feed_forward, attention), outputs)


def read_per_token(shape: Shape, weights: int, context: int) -> int:
    """Bytes that one decoded token reads: active weights, and the cache at half the context.

    The embedding table of an untied model is not read, only one row of it.
    """
    touched = float(weights)
    if not shape.tied_embeddings:
        # a header may claim a vocabulary larger than the whole model
        table = min(1.0, shape.vocabulary * shape.embedding_length / max(shape.parameters, 1))
        touched *= 1 - table
    touched *= shape.active_parameters / max(shape.parameters, 1)
    return int(touched + kv_cache(shape, filled(context)) + 2 * shape.recurrent_bytes)


def trained(variant: Variant, context: int) -> int:
    """The context, at most what the model was trained for."""
    return min(context, variant.context_length or context)
