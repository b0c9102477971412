"""How many bytes a model needs at a context, in closed form, for ranking many.

The rules are llama.cpp's own: `llama-kv-cache.cpp` for the cache, `llama-context.cpp` for outputs, and
the largest set of tensors alive at once for the compute buffer. Here they are evaluated on the few
facts of a `Shape`, which the catalog or a file's header gives. Where a variant's own header was read, what it
told at this context answers instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.limits import MIB
from lmpm.types import Memory, Shape, Variant

if TYPE_CHECKING:
    from lmpm.gguf import Header
    from lmpm.types import HeaderFacts

CONTEXT_STEP: Final = 256  # llama.cpp pads the context to this many cells
UBATCH: Final = 512  # tokens computed at once: llama.cpp's default, and what the engine sets
OUTPUTS: Final = 1  # rows of logits that the engine asks for
MOST_LAYERS: Final = 512  # llama-hparams.h, LLAMA_MAX_LAYERS: more are a lie
KV_BYTES: Final = 2.0  # bytes an element of the f16 cache

# What Python and llama.cpp's tokenizer tables and small buffers take beside the model:
# 0.3-0.45 KB a token of a BPE vocabulary with merges, measured on CPU builds of llama.cpp.
TOKENIZER_BYTES_PER_TOKEN: Final = 400
FIXED_OVERHEAD_BYTES: Final = 32 * MIB


def estimate_memory(variant: Variant, context: int) -> Memory:
    """Memory of a variant at `context` tokens, on one device and at the engine's own settings.

    Without a shape the cache is not known; 20 % of the weights stands in for it and everything else,
    which is the rule of thumb that most front ends use.
    """
    if known := _told(variant, context):
        return known.memory
    weights = sum(file.size for file in variant.files if file.role == "model")
    mmproj = sum(file.size for file in variant.files if file.role == "mmproj")
    shape = variant.shape
    if shape is None:
        return Memory(
            context=context, weights=weights, kv_cache=weights // 5, recurrent=0, compute=0, output=0,
            mmproj=mmproj, overhead=FIXED_OVERHEAD_BYTES,
        )  # fmt: skip
    context = trained(variant, context)
    cells = padded(context)
    return Memory(
        context=context,
        weights=weights,
        kv_cache=kv_cache(shape, cells),
        recurrent=shape.recurrent_bytes,
        compute=compute_buffer(shape, cells),
        output=shape.vocabulary * OUTPUTS * 4,
        mmproj=mmproj,
        overhead=FIXED_OVERHEAD_BYTES + shape.vocabulary * TOKENIZER_BYTES_PER_TOKEN,
    )


def padded(context: int) -> int:
    """Cells that llama.cpp allocates for a context of this many tokens."""
    return -(-context // CONTEXT_STEP) * CONTEXT_STEP


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


def bytes_per_token(variant: Variant, context: int) -> int:
    """Bytes that one decoded token reads: active weights, and the cache at half the context.

    The embedding table of an untied model is not read, only one row of it.
    """
    if known := _told(variant, context):
        return known.touched
    weights = sum(file.size for file in variant.files if file.role == "model")
    shape = variant.shape
    if shape is None:
        return weights
    touched = float(weights)
    if not shape.tied_embeddings:
        # a header may claim a vocabulary larger than the whole model
        table = min(1.0, shape.vocabulary * shape.embedding_length / max(shape.parameters, 1))
        touched *= 1 - table
    touched *= shape.active_parameters / max(shape.parameters, 1)
    fill = filled(trained(variant, context))
    return int(touched + kv_cache(shape, fill) + 2 * shape.recurrent_bytes)


def filled(context: int) -> int:
    """Tokens in the cache when a speed is predicted: half of what it can hold."""
    return max(1, context // 2)


def trained(variant: Variant, context: int) -> int:
    """The context, at most what the model was trained for."""
    return min(context, variant.context_length or context)


def _told(variant: Variant, context: int) -> HeaderFacts | None:
    """What the variant's header told for this context."""
    told = variant.told
    return told if told and told.memory.context == trained(variant, context) else None


def shape_of(header: Header, *, parameters: int) -> Shape | None:
    """The shape that a file's keys tell, or None when its architecture keeps it elsewhere.

    `parameters` are those of the file; how many a token goes through follows from the sizes of the experts.
    """
    from lmpm.estimate.memory.architectures import ARCHITECTURES, UNKNOWN

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
