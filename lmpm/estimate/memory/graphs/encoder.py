"""Encoders, which read a text at once and keep no cache: BERT and its kin, EmbeddingGemma; and pooling.

Follows `llama.cpp/src/models/bert.cpp`, `gemma-embedding.cpp` and `llama-graph.cpp` (build_pooling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.graphs.attention import attend_whole

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.graph import Graph

TURNED: Final = frozenset({"nomic-bert", "nomic-bert-moe", "jina-bert-v3"})  # positions by rope
NO_POOLING, MEAN, FIRST, LAST, RANK = range(5)  # llama.h, llama_pooling_type


def encoder(graph: Graph) -> None:
    """Build the whole graph of a BERT."""
    cur = graph.embeddings()
    if types := graph.weight("token_types.weight"):
        cur = op.like("add", cur, op.view(types, (graph.model.wide,)))
    if table := graph.weight("position_embd.weight"):
        cur = op.like("add", op.get_rows(table, graph.positions()), cur)
    cur = graph.norm(cur, "token_embd_norm", layer_norm=True)
    for layer in range(graph.model.layers):
        cur = _layer(graph, cur, layer)
    cur.is_output = True
    graph.expand(cur)
    pool(graph, cur)


def _layer(graph: Graph, inp: Tensor, layer: int) -> Tensor:
    model, name = graph.model, f"blk.{layer}"
    q, k, v = graph.queries_keys_values(inp, layer)
    q, k = (_normalized(graph, item, f"{name}.{part}") for item, part in ((q, "attn_q_norm"), (k, "attn_k_norm")))
    if model.header.architecture in TURNED:
        q, k = graph.rope(q), graph.rope(k)
    cur = attend_whole(graph, layer, q, k, v)
    if layer == model.layers - 1:
        cur, inp = (op.get_rows(item, graph.output_rows()) for item in (cur, inp))
    cur = graph.norm(op.like("add", cur, inp), f"{name}.attn_output_norm", layer_norm=True)
    if f"{name}.attn_norm_2.weight" in model.tensors:
        cur = graph.norm(op.like("add", cur, inp), f"{name}.attn_norm_2", layer_norm=True)
    feed = cur
    if f"{name}.ffn_gate_inp.weight" in model.tensors:
        cur = graph.experts(cur, layer, gating="softmax", normalized=False)
    else:
        cur = graph.feed_forward(cur, name)
    return graph.norm(op.like("add", cur, feed), f"{name}.layer_output_norm", layer_norm=True)


def _normalized(graph: Graph, cur: Tensor, name: str) -> Tensor:
    if f"{name}.weight" not in graph.model.tensors:
        return cur
    flat = op.reshape(cur, cur.ne[0] * cur.ne[1], cur.ne[2])
    return op.reshape(graph.norm(flat, name, layer_norm=True), *cur.ne[:3])


def gemma_encoder(graph: Graph) -> None:
    """Build the whole graph of EmbeddingGemma."""
    inp = graph.embeddings()
    for layer in range(graph.model.layers):
        name = f"blk.{layer}"
        q, k, v = graph.queries_keys_values(graph.norm(inp, f"{name}.attn_norm"), layer)
        q = op.like("scale", graph.rope(graph.norm(q, f"{name}.attn_q_norm")))
        k = graph.rope(graph.norm(k, f"{name}.attn_k_norm"))
        cur = attend_whole(graph, layer, q, k, v)
        if layer == graph.model.layers - 1:
            cur, inp = (op.get_rows(item, graph.output_rows()) for item in (cur, inp))
        middle = op.like("add", graph.norm(cur, f"{name}.post_attention_norm"), inp)
        cur = graph.feed_forward(graph.norm(middle, f"{name}.ffn_norm"), name)
        inp = op.like("add", graph.norm(cur, f"{name}.post_ffw_norm"), middle)
    cur = graph.norm(inp, "output_norm")
    cur.is_output = True
    graph.expand(cur)
    pool(graph, cur)


def pre_norm_encoder(graph: Graph) -> None:
    """Build the whole graph of an encoder whose layers begin with their norms (ModernBERT, EuroBERT)."""
    tensors, inp = graph.model.tensors, graph.embeddings()
    if "token_embd_norm.weight" in tensors:
        inp = graph.norm(inp, "token_embd_norm")
    for layer in range(graph.model.layers):
        name = f"blk.{layer}"
        cur = graph.norm(inp, f"{name}.attn_norm") if f"{name}.attn_norm.weight" in tensors else inp
        q, k, v = graph.queries_keys_values(cur, layer)
        cur = attend_whole(graph, layer, graph.rope(q), graph.rope(k), v)
        if layer == graph.model.layers - 1:
            cur, inp = (op.get_rows(item, graph.output_rows()) for item in (cur, inp))
        middle = op.like("add", cur, inp)
        cur = graph.feed_forward(graph.norm(middle, f"{name}.ffn_norm"), name)
        inp = op.like("add", cur, middle)
    cur = graph.norm(inp, "output_norm")
    cur.is_output = True
    graph.expand(cur)
    pool(graph, cur)


def pool(graph: Graph, cur: Tensor) -> None:
    """One vector for each text, where vectors are asked for."""
    if not graph.plan.settings.embeddings:
        return
    kind = graph.model.header.integer("pooling_type")
    if kind == MEAN:
        weights = graph.input("mean", "F32", graph.tokens, graph.sequences)
        cur = op.mul_mat(op.cont(op.transpose(cur)), weights)
    elif kind in (FIRST, LAST, RANK):
        cur = op.get_rows(cur, graph.input("chosen", "I32", graph.sequences))
    if kind == RANK:
        cur = _classified(graph, cur)
    for name in ("dense_2", "dense_3"):
        if weight := graph.weight(f"{name}.weight"):
            cur = op.mul_mat(weight, cur)
    cur.is_output = True
    graph.expand(cur)


def _classified(graph: Graph, cur: Tensor) -> Tensor:
    """The head of a reranker."""
    if "cls.weight" in graph.model.tensors:
        cur = op.like("unary", graph.linear(cur, "cls"))
    if "cls.output.weight" in graph.model.tensors:
        cur = graph.linear(cur, "cls.output")
    return op.like("soft_max", cur) if graph.model.header.architecture.startswith("qwen3") else cur
