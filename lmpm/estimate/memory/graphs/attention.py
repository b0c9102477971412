"""Attention and its cache as llama.cpp computes them: plain, over a window, latent, and without a cache.

Follows `llama-graph.cpp` (build_attn, build_attn_mha) and `llama-kv-cache.cpp` (get_k, get_v, cpy_k, cpy_v,
build_input_k_rot).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml import tensor as op

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.graph import Graph
    from lmpm.estimate.memory.hparams import HParams

ROTATION: Final = 64  # elements of the smallest rotation of a quantized cache


def attend(
    graph: Graph,
    layer: int,
    q: Tensor,
    k: Tensor | None,
    v: Tensor | None,
    *,
    sinks: Tensor | None = None,
    latent_values: Tensor | None = None,
    output: str | None = None,
) -> Tensor:
    """Attention of a layer over its cache, into which keys and values are written first.

    Without keys and values the cache of an earlier layer is read. `latent_values` is the matrix that
    unfolds compressed values (MLA).
    """
    model, plan = graph.model, graph.plan
    windowed = model.is_window(layer)
    latent = model.is_latent
    rotates_k, rotates_v = (False, False) if latent else rotations(model, plan.key_type, plan.value_type, windowed)
    if rotates_k:
        matrix = _rotation(graph, f"k rotation {windowed}", _largest(model.key_length(layer)))
        q = _rotate(q, matrix)
        k = _rotate(k, matrix) if k is not None else None
    value_rotation = _rotation(graph, f"v rotation {windowed}", ROTATION) if rotates_v else None
    if value_rotation is not None and v is not None:
        v = _rotate(v, value_rotation)
    order = (q, k, v) if model.window else (q, v, k)
    for item in order:
        if item is not None and not (latent and item is v and item.fixed):
            graph.expand(item)
    keys, values = _cache(graph, layer)
    if k is not None:
        graph.expand(_store_keys(graph, layer, keys, k))
    if v is not None and values is not None:
        graph.expand(_store_values(graph, layer, values, v))
    keys = _read_keys(graph, layer, keys)
    if values is None:
        assert v is not None  # noqa: S101 - a latent cache is never shared
        values = op.view(keys, (v.ne[0], *keys.ne[1:]), keys.nb[1:])
    else:
        values = _read_values(graph, layer, values)
    cur = _heads(graph, layer, q, keys, values, graph.mask(window=windowed), sinks, latent_values)
    if value_rotation is not None:
        cur = _rotate(cur, value_rotation)
    name = f"blk.{layer}.attn_output" if output is None else output
    return graph.linear(cur, name) if name else cur


def attend_whole(graph: Graph, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of an encoder: over the tokens at hand, without a cache."""
    for item in (q, k, v):
        graph.expand(item)
    kind = "F16" if graph.plan.flash_attention else "F32"
    mask = graph.input(f"mask {graph.model.is_window(layer)}", kind, graph.tokens, graph.tokens)
    cur = _heads(graph, layer, q, k, v, mask)
    return graph.linear(cur, f"blk.{layer}.attn_output")


def _heads(
    graph: Graph,
    layer: int,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    sinks: Tensor | None = None,
    unfold: Tensor | None = None,
) -> Tensor:
    turned = v.nb[1] > v.nb[2]
    streams = k.ne[3]
    shape = (q.ne[0], q.ne[1], q.ne[2] // streams, streams)
    q = op.view(q, shape, (q.nb[1], q.nb[2], q.nb[2] * shape[2]))
    q, k, v = (op.permute(item, 0, 2, 1, 3) for item in (q, k, v))
    if graph.plan.flash_attention:
        k, v = (op.cast(item, "F16") if item.type == "F32" else item for item in (k, op.transpose(v) if turned else v))
        cur = op.flash_attn(q, k, v, mask, sinks)
        graph.attention.append((layer, cur))
        if unfold is not None:
            cur = op.mul_mat(unfold, op.permute(cur, 0, 2, 1, 3))
            cur = op.cont(op.permute(cur, 0, 2, 1, 3))
        cur = op.reshape(cur, cur.ne[0] * cur.ne[1], cur.ne[2] * cur.ne[3])
        return graph.expand(cur)
    scores = op.mul_mat(k, q)
    if graph.style.attention_soft_cap:
        scores = op.like("scale", op.like("unary", op.like("scale", scores)))
    scores = op.like("soft_max", scores, mask, sinks)
    if not turned:
        v = op.cont(op.transpose(v))
    cur = op.mul_mat(v, scores)
    if unfold is not None:
        cur = op.mul_mat(unfold, cur)
    cur = op.permute(cur, 0, 2, 1, 3)
    return graph.expand(op.cont(cur, cur.ne[0] * cur.ne[1], cur.ne[2] * cur.ne[3]))


def _cache(graph: Graph, layer: int) -> tuple[Tensor, Tensor | None]:
    """The tensors of a layer's cache; a layer without one uses that of the last layer of its kind that has one."""
    model, plan = graph.model, graph.plan
    source = cache_layer(model, layer)
    cells = plan.window_cells if model.is_window(layer) else plan.cells
    heads = model.kv_heads(source)
    keys = graph.fixed(f"cache.{source}.k", plan.key_type, model.key_length(source) * heads, cells, plan.streams)
    if model.is_latent:
        return keys, None
    width = value_width(model, source, turned=plan.turned_values)
    return keys, graph.fixed(f"cache.{source}.v", plan.value_type, width, cells, plan.streams)


def cache_layer(model: HParams, layer: int) -> int:
    """The layer whose cache a layer reads: its own, or the last one of the same kind that has one."""
    if model.has_cache(layer):
        return layer
    windowed = model.is_window(layer)
    own = [item for item in range(layer) if model.has_cache(item) and model.is_window(item) == windowed]
    return own[-1] if own else layer


def value_width(model: HParams, layer: int, *, turned: bool) -> int:
    """Elements of a cell's values: kept by element, every layer gets as many as the widest one."""
    if not turned:
        return model.value_length(layer) * model.kv_heads(layer)
    return max(model.value_length(item) * model.kv_heads(item) for item in range(model.all_layers))


def _store_keys(graph: Graph, layer: int, cache: Tensor, k: Tensor) -> Tensor:
    rows = graph.input(f"k cells {graph.model.is_window(layer)}", "I64", graph.tokens)
    k = op.view(k, (k.ne[0] * k.ne[1], k.ne[2]), k.nb[2:3])
    if cache.ne[2] > 1:
        cache = op.reshape(cache, cache.ne[0], cache.ne[1] * cache.ne[2])
    return op.set_rows(cache, k, rows)


def _store_values(graph: Graph, layer: int, cache: Tensor, v: Tensor) -> Tensor:
    name = f"v cells {graph.model.is_window(layer)}"
    width = v.ne[0] * v.ne[1]
    if not graph.plan.turned_values:
        v = op.view(v, (width, v.ne[2]), v.nb[2:3])
        if cache.ne[2] > 1:
            cache = op.reshape(cache, cache.ne[0], cache.ne[1] * cache.ne[2])
        return op.set_rows(cache, v, graph.input(name, "I64", graph.tokens))
    # values by element: a row for each of them
    rows = graph.input(name, "I64", graph.tokens * value_width(graph.model, layer, turned=True))
    gapless = op.row_size(v.type, width) == v.nb[2]
    v = op.reshape(v, width, v.ne[2]) if gapless else op.cont(v, width, v.ne[2])
    if width < cache.ne[0]:
        v = op.pad(v, cache.ne[0] - width)
    return op.set_rows(op.reshape(cache, 1, cache.elements), op.reshape(v, 1, v.elements), rows)


def _read_keys(graph: Graph, layer: int, cache: Tensor) -> Tensor:
    length, heads = graph.model.key_length(layer), graph.model.kv_heads(layer)
    wide = op.row_size(cache.type, cache.ne[0])
    return op.view(
        cache, (length, heads, cache.ne[1], cache.ne[2]), (op.row_size(cache.type, length), wide, wide * cache.ne[1])
    )


def _read_values(graph: Graph, layer: int, cache: Tensor) -> Tensor:
    length, heads = graph.model.value_length(layer), graph.model.kv_heads(layer)
    width, cells, streams = cache.ne[:3]
    size = op.row_size
    if not graph.plan.turned_values:
        wide = size(cache.type, width)
        return op.view(cache, (length, heads, cells, streams), (size(cache.type, length), wide, wide * cells))
    step = (size(cache.type, cells * length), size(cache.type, cells), size(cache.type, cells * width))
    return op.view(cache, (cells, heads, length, streams), step)


def rotations(model: HParams, key_type: str, value_type: str, windowed: bool) -> tuple[bool, bool]:
    """Whether keys and values are rotated before they are quantized: heads of one size, in steps of 64."""
    layers = [
        layer for layer in range(model.all_layers) if model.has_cache(layer) and model.is_window(layer) == windowed
    ]
    keys = {model.key_length(layer) for layer in layers}
    values = {model.value_length(layer) for layer in layers}

    def rotates(kind: str, lengths: set[int], first: int) -> bool:
        return kind not in op.PLAIN and len(lengths) == 1 and first % ROTATION == 0

    return rotates(key_type, keys, model.key_length(0)), rotates(value_type, values, model.value_length(0))


def _largest(length: int) -> int:
    """The largest power of two that divides a head, from 64 on."""
    size = ROTATION
    while length % (size * 2) == 0:
        size *= 2
    return size


def _rotation(graph: Graph, name: str, size: int) -> Tensor:
    return graph.input(name, "F32", size, size)


def _rotate(cur: Tensor, matrix: Tensor) -> Tensor:
    size = matrix.ne[0]
    shape = (size, cur.elements // size)
    flat = op.reshape(cur, *shape) if cur.is_contiguous else op.cont(cur, *shape)
    return op.reshape(op.mul_mat(matrix, flat), *cur.ne)
