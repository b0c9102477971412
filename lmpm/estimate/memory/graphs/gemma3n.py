"""Gemma 3n: several streams of features side by side, of which each layer runs one and corrects all.

Follows `llama.cpp/src/models/gemma3n.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.graphs.attention import attend
from lmpm.estimate.memory.graphs.decoder import finish
from lmpm.estimate.memory.graphs.gemma4 import by_layer, layer_inputs, layer_rows

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.graph import Graph

STREAMS: Final = 4  # of features; the first one is run
SPARSE_LAYERS: Final = 10  # the first so many set most of their gates to 0


def gemma3n(graph: Graph) -> None:
    """Build the whole graph."""
    cur = graph.embeddings()
    rows = graph.expand(op.like("scale", by_layer(graph, layer_rows(graph))))
    extra = layer_inputs(graph, cur, rows)
    size = _magnitude(cur)
    others = op.repeat(cur, graph.model.wide, graph.tokens, STREAMS - 1)
    others = op.mul_mat(graph.need("altup_proj.weight"), others)
    cur = op.concat(cur, _resized(others, size), 2)
    for layer in range(graph.model.layers):
        cur = _layer(graph, cur, layer, extra)
    finish(graph, op.get_rows(_merged(graph, cur), graph.output_rows()))


def _magnitude(cur: Tensor) -> Tensor:
    return op.like("sqrt", op.sum_rows(op.like("sqr", cur)))


def _resized(cur: Tensor, size: Tensor) -> Tensor:
    return op.like("div", op.like("mul", cur, size), _magnitude(cur))


def _slice(cur: Tensor) -> Tensor:
    """One stream."""
    return op.view(cur, cur.ne[:2], cur.nb[1:2])


def _others(cur: Tensor) -> Tensor:
    """All streams but the first."""
    return op.view(cur, (*cur.ne[:2], STREAMS - 1), cur.nb[1:3])


def _merged(graph: Graph, cur: Tensor) -> Tensor:
    """The mean of all streams."""
    size = _magnitude(_slice(cur))
    others = _resized(op.mul_mat(graph.need("altup_unembd_proj.weight"), _others(cur)), size)
    cur = _slice(cur)
    for _ in range(STREAMS - 1):
        cur = op.like("add", cur, _slice(others))
    return op.like("scale", cur)


def _layer(graph: Graph, streams: Tensor, layer: int, extra: Tensor) -> Tensor:
    name = f"blk.{layer}"
    predictions = _predict(graph, streams, name)
    active = _slice(predictions)
    cur = graph.norm(active, f"{name}.attn_norm")
    beside = graph.linear(graph.linear(cur, f"{name}.laurel_l"), f"{name}.laurel_r")
    beside = op.like("add", graph.norm(beside, f"{name}.laurel_post_norm"), cur)
    cur = graph.norm(_attention(graph, cur, layer), f"{name}.post_attention_norm")
    middle = op.like("scale", op.like("add", op.like("add", cur, active), beside))
    cur = _feed_forward(graph, graph.norm(middle, f"{name}.ffn_norm"), layer)
    cur = op.like("add", graph.norm(cur, f"{name}.post_ffw_norm"), middle)
    corrected = _correct(graph, predictions, cur, name)
    first = op.like("mul", _slice(corrected), graph.need(f"{name}.altup_correct_scale.weight"))
    first = op.like("unary", graph.linear(first, f"{name}.inp_gate"))
    first = op.like("mul", first, _slice(extra))
    first = graph.norm(graph.linear(first, f"{name}.proj"), f"{name}.post_norm")
    return op.concat(_slice(corrected), op.like("add", _others(corrected), first), 2)


def _attention(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    model, name = graph.model, f"blk.{layer}"
    if not model.has_cache(layer):
        q = op.reshape(graph.linear(cur, f"{name}.attn_q"), model.key_length(), model.heads(layer), graph.tokens)
        return attend(graph, layer, graph.rope(graph.norm(q, f"{name}.attn_q_norm")), None, None)
    q, k, v = graph.queries_keys_values(cur, layer)
    q, k = (graph.rope(graph.norm(item, f"{name}.{part}")) for item, part in ((q, "attn_q_norm"), (k, "attn_k_norm")))
    return attend(graph, layer, q, k, op.like("rms_norm", v))


def _feed_forward(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    name = f"blk.{layer}"
    up, gate = graph.linear(cur, f"{name}.ffn_up"), graph.linear(cur, f"{name}.ffn_gate")
    if layer < SPARSE_LAYERS:
        mean = op.sum_rows(gate)
        spread = op.sum_rows(op.like("sqr", op.like("sub", gate, mean)))
        spread = op.like("sqrt", op.like("scale", spread))
        least = op.like("add", mean, op.like("scale", spread))
        gate = op.like("unary", op.like("sub", gate, least))
    return graph.linear(op.like("mul", up, op.like("unary", gate)), f"{name}.ffn_down")


def _routed(graph: Graph, cur: Tensor, name: str) -> Tensor:
    cur = op.like("scale", graph.norm(cur, f"{name}.altup_router_norm"))
    return op.like("unary", op.mul_mat(graph.need(f"{name}.altup_router.weight"), cur))


def _predict(graph: Graph, streams: Tensor, name: str) -> Tensor:
    """All streams, as the layer expects them."""
    factors = graph.linear(_routed(graph, _slice(streams), name), f"{name}.altup_predict_coef")
    factors = op.reshape(factors, STREAMS, STREAMS, graph.tokens)
    predictions = op.mul_mat(op.cont(op.permute(streams, 1, 2, 0, 3)), factors)
    return op.like("add", op.cont(op.permute(predictions, 0, 2, 1, 3)), streams)


def _correct(graph: Graph, predictions: Tensor, active: Tensor, name: str) -> Tensor:
    """All streams, after what the layer made of the first one."""
    routed = _routed(graph, active, name)
    news = op.like("sub", active, _slice(predictions))
    factors = op.like("scale", graph.linear(routed, f"{name}.altup_correct_coef"))
    factors = op.cont(op.transpose(factors), 1, graph.tokens, STREAMS)
    news = op.repeat(news, graph.model.wide, graph.tokens, STREAMS)
    return op.like("add", op.like("mul", news, factors), predictions)
