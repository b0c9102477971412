"""RWKV 7: a state for each head, and what is kept of the last token.

Follows `llama.cpp/src/models/rwkv7.cpp` and `rwkv7-base.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.ggml.tensor import Tensor
from lmpm.estimate.memory.graphs import state
from lmpm.estimate.memory.graphs.decoder import finish

if TYPE_CHECKING:
    from lmpm.estimate.memory.graphs.graph import Graph


def rwkv7(graph: Graph) -> None:
    """Build the whole graph."""
    wide, sequences = graph.model.wide, graph.sequences
    tokens = graph.tokens // sequences
    inp = graph.norm(graph.embeddings(), "token_embd_norm", layer_norm=True)
    first_value: Tensor | None = None
    for layer in range(graph.model.layers):
        name = f"blk.{layer}"
        inp = op.reshape(inp, wide, tokens, sequences)
        kept = op.reshape(state.read(graph, layer, "r"), wide, 2, sequences)
        before_mix, before_feed = (op.view(kept, (wide, 1, sequences), kept.nb[1:3]) for _ in range(2))
        mix = graph.norm(inp, f"{name}.attn_norm", layer_norm=True)
        previous = _shifted(before_mix, mix)
        cur, value = _time_mix(graph, layer, mix, previous, first_value)
        first_value = first_value if first_value is not None else value
        middle = op.like("add", cur, inp)
        feed = graph.norm(middle, f"{name}.attn_norm_2", layer_norm=True)
        previous = _shifted(before_feed, feed)
        end_of_mix, end_of_feed = (op.view(item, (wide, 1, sequences), item.nb[1:3]) for item in (mix, feed))
        joined = op.concat(end_of_mix, end_of_feed, 1)
        every = state.states(graph, layer, "r")
        graph.expand(op.copy_into(op.view(joined, (joined.elements,)), op.view(every, (every.elements,))))
        middle, feed, previous = (op.reshape(item, wide, graph.tokens) for item in (middle, feed, previous))
        if layer == graph.model.layers - 1:
            middle, feed, previous = (op.get_rows(item, graph.output_rows()) for item in (middle, feed, previous))
        inp = op.like("add", _channel_mix(graph, name, feed, previous), middle)
    finish(graph, inp, layer_norm=True)


def _shifted(first: Tensor, cur: Tensor) -> Tensor:
    """Each token's predecessor: the last one of the batch before, then all but the last."""
    rest = op.view(cur, (cur.ne[0], cur.ne[1] - 1, cur.ne[2]), cur.nb[1:3])
    return op.concat(first, rest, 1)


def _channel_mix(graph: Graph, name: str, cur: Tensor, previous: Tensor) -> Tensor:
    moved = op.like("mul", op.like("sub", previous, cur), graph.need(f"{name}.channel_mix_lerp_k.weight"))
    key = graph.linear(op.like("add", moved, cur), f"{name}.channel_mix_key")
    return graph.linear(op.like("sqr", op.like("unary", key)), f"{name}.channel_mix_value")


def _time_mix(
    graph: Graph, layer: int, cur: Tensor, previous: Tensor, first_value: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The recurrence, and the values before the first layer's are added."""
    name, wide, tokens, sequences = f"blk.{layer}.time_mix", graph.model.wide, graph.tokens, graph.sequences
    head = graph.model.header.integer("wkv.head_size")
    heads = wide // head

    def weight(part: str) -> Tensor:
        return graph.need(f"{name}_{part}.weight")

    has_gate = f"{name}_g1.weight" in graph.model.tensors
    moved = op.repeat(op.like("sub", previous, cur), wide, tokens // sequences, sequences, 6 if has_gate else 5)
    mixed = op.like("add", op.like("mul", moved, weight("lerp_fused")), cur)
    xr, xw, xk, xv, xa, xg = (op.view(mixed, (wide, tokens), mixed.nb[1:2]) for _ in range(6))
    r = graph.linear(xr, f"{name}_receptance")
    w = op.mul_mat(weight("w2"), op.like("unary", op.mul_mat(weight("w1"), xw)))
    w = op.like("unary", op.like("scale", op.like("unary", op.like("add", w, weight("w0")))))
    k = graph.linear(xk, f"{name}_key")
    v = own = graph.linear(xv, f"{name}_value")
    if first_value is not None:
        share = op.mul_mat(weight("v2"), op.mul_mat(weight("v1"), xv))
        share = op.like("unary", op.like("add", share, weight("v0")))
        v = op.like("add", v, op.like("mul", op.like("sub", first_value, v), share))
    gate = op.mul_mat(weight("g2"), op.like("unary", op.mul_mat(weight("g1"), xg))) if has_gate else None
    a = op.mul_mat(weight("a2"), op.mul_mat(weight("a1"), xa))
    a = op.like("unary", op.like("add", a, weight("a0")))
    kk = op.like("l2_norm", op.reshape(op.like("mul", k, weight("k_k")), head, heads, tokens))
    ka = op.like("mul", k, weight("k_a"))
    k = op.like("add", k, op.like("sub", op.like("mul", a, ka), ka))
    r, w, k, v, a = (op.reshape(item, head, heads, tokens) for item in (r, w, k, v, a))
    before = state.read(graph, layer, "s")
    out = Tensor(
        "F32", (wide, tokens + head * sequences), "wkv",
        (r, w, k, v, op.like("unary", kk), op.like("mul", kk, a), before),
    )  # fmt: skip
    cur = op.view(out, (wide * tokens,))
    every = state.states(graph, layer, "s")
    graph.expand(op.copy_into(op.view(out, (wide * head * sequences,)), op.view(every, (every.elements,))))
    if f"{name}_ln.weight" in graph.model.tensors:
        cur = op.like("norm", op.reshape(cur, head, heads, tokens))
        cur = op.like("mul", op.reshape(cur, wide, tokens), weight("ln"))
        cur = op.like("add", cur, graph.need(f"{name}_ln.bias"))
    else:
        cur = op.reshape(cur, wide, tokens)
    rk = op.like("mul", op.like("mul", k, r), op.reshape(weight("r_k"), head, heads))
    rk = op.sum_rows(rk)
    cur = op.like("add", cur, op.reshape(op.like("mul", v, rk), wide, tokens))
    if gate is not None:
        cur = op.like("mul", cur, gate)
    cur = graph.linear(cur, f"{name}_output")
    return op.reshape(cur, wide, tokens // sequences, sequences), own
