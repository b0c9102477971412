"""Transformers whose cache is compressed (MLA): DeepSeek 2 and 3, Kimi K2, GLM 4.7 Flash, MiniCPM 3.

Follows `llama.cpp/src/models/deepseek2.cpp` and `minicpm3.cpp`. Older files, and MiniCPM 3, have no matrices for the
compressed form: their cache is a plain one of all heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.graphs.attention import attend
from lmpm.estimate.memory.graphs.decoder import feed_forward, finish, residual_scale, with_temperature

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.graph import Graph


def latent(graph: Graph) -> None:
    """Build the whole graph."""
    cur = graph.embeddings()
    last = graph.model.layers - 1
    for layer in range(graph.model.layers):
        inp, name = cur, f"blk.{layer}"
        cur = _attention(graph, graph.norm(cur, f"{name}.attn_norm"), layer)
        if layer == last:
            cur, inp = (op.get_rows(item, graph.output_rows()) for item in (cur, inp))
        middle = op.like("add", residual_scale(graph, cur), inp)
        cur = residual_scale(graph, feed_forward(graph, graph.norm(middle, f"{name}.ffn_norm"), layer))
        cur = op.like("add", cur, middle)
    finish(graph, cur)


def _attention(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    model, name, tokens = graph.model, f"blk.{layer}", graph.tokens
    number = model.header.integer
    key = number("attention.key_length_mla") or model.key_length(layer)
    turned, rank, heads = number("rope.dimension_count"), number("attention.kv_lora_rank"), model.heads(layer)
    if f"{name}.attn_q.weight" in model.tensors:
        q = graph.linear(cur, f"{name}.attn_q")
    else:
        q = graph.norm(graph.linear(cur, f"{name}.attn_q_a"), f"{name}.attn_q_a_norm")
        q = graph.linear(q, f"{name}.attn_q_b")
    q = op.reshape(q, key, heads, tokens)
    both = graph.linear(cur, f"{name}.attn_kv_a_mqa")
    row = op.row_size(both.type, rank + turned)
    compressed = op.view(both, (rank, tokens), (row,))
    k_turned = graph.rope(op.view(both, (turned, 1, tokens), (row, row)))
    compressed = graph.norm(compressed, f"{name}.attn_kv_a_norm")
    if not model.is_latent:
        return _unfolded(graph, layer, q, compressed, k_turned)
    q_plain = op.view(q, (key - turned, heads, tokens), q.nb[1:3])
    q_turned = graph.rope(op.view(q, (turned, heads, tokens), q.nb[1:3]))
    q_plain = op.mul_mat(graph.need(f"{name}.attn_k_b.weight"), op.permute(q_plain, 0, 2, 1, 3))
    q = op.concat(op.permute(q_plain, 0, 2, 1, 3), q_turned, 0)
    v = op.reshape(compressed, rank, 1, tokens)
    k = op.concat(v, k_turned, 0)
    q = with_temperature(graph, q, layer)
    return attend(graph, layer, q, k, v, latent_values=graph.need(f"{name}.attn_v_b.weight"))


def _unfolded(graph: Graph, layer: int, q: Tensor, compressed: Tensor, k_turned: Tensor) -> Tensor:
    """Keys and values of every head, as before the compressed form."""
    model, tokens = graph.model, graph.tokens
    heads, value, turned = model.heads(layer), model.value_length(layer), k_turned.ne[0]
    plain = model.key_length(layer) - turned
    kv = graph.linear(compressed, f"blk.{layer}.attn_kv_b")
    row = op.row_size(kv.type, plain + value)
    k_plain = op.view(kv, (plain, heads, tokens), (row, row * heads))
    v = op.cont(op.view(kv, (value, heads, tokens), (row, row * heads)))
    q = with_temperature(graph, graph.rope(q), layer)
    k = op.concat(k_plain, op.repeat(k_turned, turned, heads, tokens), 0)
    return attend(graph, layer, q, k, v)
