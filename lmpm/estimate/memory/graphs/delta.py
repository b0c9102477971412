"""Layers of gated delta nets beside gated attention: Qwen3-Next and Qwen3.5.

Follows `llama.cpp/src/models/qwen3next.cpp`, `qwen35.cpp`, `qwen35moe.cpp` and `delta-net-base.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.ggml.tensor import Tensor
from lmpm.estimate.memory.graphs import state
from lmpm.estimate.memory.graphs.attention import attend
from lmpm.estimate.memory.graphs.decoder import finish

if TYPE_CHECKING:
    from lmpm.estimate.memory.graphs.graph import Graph


def delta(graph: Graph) -> None:
    """Build the whole graph."""
    cur = graph.embeddings()
    for layer in range(graph.model.layers):
        name, inp = f"blk.{layer}", cur
        cur = graph.expand(graph.norm(cur, f"{name}.attn_norm"))
        cur = _recurrence(graph, cur, layer) if graph.model.is_recurrent(layer) else _attention(graph, cur, layer)
        middle = op.like("add", cur, inp)
        cur = _feed_forward(graph, graph.norm(middle, f"{name}.post_attention_norm"), layer)
        cur = op.like("add", cur, middle)
    finish(graph, cur, rows_after_norm=True)


def _attention(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """Attention whose output is weighed by a gate that comes with the queries."""
    model, name, tokens = graph.model, f"blk.{layer}", graph.tokens
    head, heads, kv_heads = model.key_length(layer), model.heads(layer), model.kv_heads(layer)
    both, k, v = (graph.linear(cur, f"{name}.{part}") for part in ("attn_q", "attn_k", "attn_v"))
    row = op.row_size("F32", 2 * head)
    split = op.reshape(both, 2 * head, heads, tokens) if graph.style.interleaved_gate else both
    q, gate = (op.view(split, (head, heads, tokens), (row, row * heads)) for _ in range(2))
    q = graph.norm(q, f"{name}.attn_q_norm")
    k = graph.norm(op.reshape(k, head, kv_heads, tokens), f"{name}.attn_k_norm")
    v = op.reshape(v, head, kv_heads, tokens)
    if not graph.style.interleaved_gate:
        gate = op.cont(gate, head * heads, tokens)
    out = attend(graph, layer, graph.rope(q), graph.rope(k), v, output="")
    if graph.style.interleaved_gate:
        gate = op.cont(gate, head * heads, tokens)
    out = op.like("mul", out, op.like("unary", gate))
    return graph.linear(out, f"{name}.attn_output")


def _recurrence(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """A gated delta net, in llama.cpp's fused form."""
    number, name = graph.model.header.integer, f"blk.{layer}"
    inner, key, key_heads, heads = (
        number(f"ssm.{part}") for part in ("inner_size", "state_size", "group_count", "time_step_rank")
    )
    value, tokens, sequences = inner // heads, graph.tokens // graph.sequences, graph.sequences
    mixed, z = _mixed(graph, cur, name)
    beta, gate = _gates(graph, cur, name, heads, key_heads)
    joined = state.convolution(graph, layer, mixed, inner + 2 * key_heads * key)
    before = op.reshape(state.read(graph, layer, "s"), value, value, heads, sequences)
    out = op.like("unary", state.convolve(joined, graph.need(f"{name}.ssm_conv1d.weight")))
    row = op.row_size("F32", 2 * key * key_heads + value * heads)

    def part(length: int, count: int) -> Tensor:
        return op.view(out, (length, count, tokens, sequences), (4 * length, row, row * tokens))

    q, k, v = part(key, key_heads), part(key, key_heads), part(value, heads)
    q, k = (op.like("scale", op.like("rms_norm", item)) for item in (q, k))
    if graph.style.interleaved_gate and key_heads != heads:
        q, k = (_repeated(item, heads // key_heads) for item in (q, k))
    after = Tensor("F32", (value * heads, (tokens + value) * sequences), "delta_net", (q, k, v, gate, beta, before))
    output = op.view(after, (value, heads, tokens, sequences),
                     (4 * value, 4 * value * heads, 4 * value * heads * tokens))  # fmt: skip
    new = op.view(after, (value, value, heads, sequences), (4 * value, 4 * value**2, 4 * value**2 * heads))
    state.write(graph, layer, "s", new)
    z = op.reshape(z, value, heads, tokens, sequences)
    cur = op.like("mul", graph.norm(output, f"{name}.ssm_norm"), op.like("unary", z))
    cur = graph.linear(op.reshape(cur, value * heads, tokens, sequences), f"{name}.ssm_out")
    return op.reshape(cur, graph.model.wide, graph.tokens)


def _mixed(graph: Graph, cur: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Queries, keys and values in one, and the gate of the output."""
    mixed = graph.linear(cur, f"{name}.attn_qkv")
    mixed = op.reshape(mixed, mixed.ne[0], graph.tokens // graph.sequences, graph.sequences)
    return mixed, graph.linear(cur, f"{name}.attn_gate")


def _gates(graph: Graph, cur: Tensor, name: str, heads: int, key_heads: int) -> tuple[Tensor, Tensor]:
    """How strongly each head writes, and how fast it forgets."""
    tokens, sequences = graph.tokens // graph.sequences, graph.sequences
    if f"{name}.ssm_ba.weight" in graph.model.tensors:
        both = op.reshape(graph.linear(cur, f"{name}.ssm_ba"), 2 * heads // key_heads, key_heads, tokens, sequences)
        b, a = (op.view(both, (heads // key_heads, key_heads, tokens, sequences), both.nb[1:4]) for _ in range(2))
        beta = op.like("unary", op.cont(b))
        alpha = op.cont(a, heads, tokens, sequences)
    else:
        beta = op.mul_mat(graph.need(f"{name}.ssm_beta.weight"), cur)
        beta = op.like("unary", op.reshape(beta, 1, heads, tokens, sequences))
        alpha = op.mul_mat(graph.need(f"{name}.ssm_alpha.weight"), cur)
        alpha = op.reshape(alpha, heads, tokens, sequences)
    alpha = op.like("unary", op.like("add", alpha, graph.need(f"{name}.ssm_dt.bias")))
    gate = op.like("mul", alpha, graph.need(f"{name}.ssm_a"))
    return op.reshape(beta, 1, heads, tokens, sequences), op.reshape(gate, 1, heads, tokens, sequences)


def _repeated(item: Tensor, times: int) -> Tensor:
    """Each head as often as values have heads for it."""
    length, heads, tokens, sequences = item.ne
    flat = op.reshape(item, length, 1, heads, tokens * sequences)
    return op.reshape(
        op.repeat(flat, length, times, heads, tokens * sequences), length, heads * times, tokens, sequences
    )


def _feed_forward(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """Dense, or experts with a gated share."""
    name, tensors = f"blk.{layer}", graph.model.tensors
    if f"{name}.ffn_gate_inp.weight" not in tensors:
        return graph.feed_forward(cur, name)
    out = graph.experts(cur, layer, gating="softmax", normalized=True)
    if f"{name}.ffn_up_shexp.weight" not in tensors:
        return out
    shared = graph.feed_forward(cur, name, "_shexp")
    gate = op.like("unary", graph.linear(cur, f"{name}.ffn_gate_inp_shexp"))
    return op.like("add", out, op.like("mul", shared, gate))
