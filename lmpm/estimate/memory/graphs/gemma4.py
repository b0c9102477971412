"""Gemma 4: heads of two sizes, layers that share a cache, embeddings for each layer.

Follows `llama.cpp/src/models/gemma4.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.graphs.attention import attend
from lmpm.estimate.memory.graphs.decoder import finish

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.graph import Graph


def gemma4(graph: Graph) -> None:
    """Build the whole graph."""
    has_rows = "per_layer_token_embd.weight" in graph.model.tensors
    rows = graph.expand(layer_rows(graph)) if has_rows else None  # first, so that it is done in host memory
    cur = graph.embeddings()
    extra = layer_inputs(graph, cur, by_layer(graph, op.like("scale", rows))) if rows is not None else None
    for layer in range(graph.model.layers):
        cur = _layer(graph, cur, layer, extra)
    finish(graph, cur, rows_after_norm=True)


def layer_rows(graph: Graph) -> Tensor:
    """The rows of the tokens in the table of all layers."""
    tokens = graph.input("layer tokens", "I32", graph.tokens)
    return op.get_rows(graph.need("per_layer_token_embd.weight"), tokens)


def by_layer(graph: Graph, rows: Tensor) -> Tensor:
    """The same as [features, layers, tokens]."""
    return op.reshape(rows, graph.need("per_layer_proj_norm.weight").ne[0], graph.model.layers, graph.tokens)


def layer_inputs(graph: Graph, cur: Tensor, rows: Tensor) -> Tensor:
    """What each layer gets beside the last one's output: [features, tokens, layers]."""
    projected = op.like("scale", op.mul_mat(graph.need("per_layer_model_proj.weight"), cur))
    projected = graph.norm(by_layer(graph, projected), "per_layer_proj_norm")
    both = op.like("scale", op.like("add", projected, rows))
    return op.cont(op.permute(both, 0, 2, 1, 3))


def _layer(graph: Graph, inp: Tensor, layer: int, extra: Tensor | None) -> Tensor:
    name = f"blk.{layer}"
    cur = _attention(graph, graph.norm(inp, f"{name}.attn_norm"), layer)
    middle = op.like("add", graph.norm(cur, f"{name}.post_attention_norm"), inp)
    if f"{name}.ffn_gate_inp.weight" in graph.model.tensors:
        cur = _experts(graph, middle, layer)
    else:
        cur = graph.feed_forward(graph.norm(middle, f"{name}.ffn_norm"), name)
    cur = op.like("add", graph.norm(cur, f"{name}.post_ffw_norm"), middle)
    if extra is not None:
        gate = op.like("unary", graph.linear(cur, f"{name}.inp_gate"))
        gate = op.like("mul", gate, op.view(extra, extra.ne[:2], extra.nb[1:2]))
        cur = op.like("add", cur, graph.norm(graph.linear(gate, f"{name}.proj"), f"{name}.post_norm"))
    scale = graph.weight(f"{name}.layer_output_scale.weight")
    return op.like("mul", cur, scale) if scale is not None else cur


def _attention(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    model, name, tokens = graph.model, f"blk.{layer}", graph.tokens
    head, heads, kv_heads = model.key_length(layer), model.heads(layer), model.kv_heads(layer)
    factors = None if model.is_window(layer) else graph.in_layer("rope_freqs.weight", layer)
    q = op.reshape(graph.linear(cur, f"{name}.attn_q"), head, heads, tokens)
    q = graph.rope(graph.norm(q, f"{name}.attn_q_norm"), factors)
    if not model.has_cache(layer):
        return attend(graph, layer, q, None, None)
    k = graph.linear(cur, f"{name}.attn_k")
    v = graph.linear(cur, f"{name}.attn_v") if f"{name}.attn_v.weight" in model.tensors else k
    k, v = (op.reshape(item, head, kv_heads, tokens) for item in (k, v))
    k = graph.norm(k, f"{name}.attn_k_norm")
    v = op.like("rms_norm", v)
    return attend(graph, layer, q, graph.rope(k, factors), v)


def _experts(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """A dense feed forward and experts side by side."""
    name = f"blk.{layer}"
    dense = graph.feed_forward(graph.norm(cur, f"{name}.ffn_norm"), name)
    dense = graph.norm(dense, f"{name}.post_ffw_norm_1")
    inputs = graph.norm(cur, f"{name}.pre_ffw_norm_2")
    logits = op.like("scale", op.like("rms_norm", cur))
    logits = op.like("mul", logits, graph.need(f"{name}.ffn_gate_inp.scale"))
    logits = op.mul_mat(graph.need(f"{name}.ffn_gate_inp.weight"), logits)
    out = graph.experts(inputs, layer, gating="softmax", normalized=True, logits=logits)
    return op.like("add", dense, graph.norm(out, f"{name}.post_ffw_norm_2"))
