"""Models of recurrent layers, alone or with attention: Mamba, Jamba, Granite 4, Falcon-H1, Nemotron-H, LFM2.

Follows `llama.cpp/src/models/mamba.cpp`, `jamba.cpp`, `granite-hybrid.cpp`, `falcon-h1.cpp`, `nemotron-h.cpp`
and `lfm2.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.graphs.decoder import feed_forward, finish, residual_scale, self_attention
from lmpm.estimate.memory.graphs.state import mamba1, mamba2, short_convolution

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.graph import Graph


def _recurrence(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """The recurrent half of a layer, as its tensors say."""
    tensors = graph.model.tensors
    if f"blk.{layer}.shortconv.conv.weight" in tensors:
        return short_convolution(graph, cur, layer)
    return mamba1(graph, cur, layer) if f"blk.{layer}.ssm_x.weight" in tensors else mamba2(graph, cur, layer)


def _mixed(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    if graph.model.is_recurrent(layer):
        return _recurrence(graph, cur, layer)
    return self_attention(graph, cur, layer)


def _chosen(graph: Graph, layer: int, *items: Tensor) -> tuple[Tensor, ...]:
    """After the last layer only the rows that give an output go on."""
    if layer != graph.model.layers - 1:
        return items
    return tuple(op.get_rows(item, graph.output_rows()) for item in items)


def mamba(graph: Graph) -> None:
    """Recurrent layers alone."""
    inp = graph.embeddings()
    for layer in range(graph.model.layers):
        cur = _recurrence(graph, graph.norm(inp, f"blk.{layer}.attn_norm"), layer)
        cur, inp = _chosen(graph, layer, cur, inp)
        inp = op.like("add", cur, inp)
    finish(graph, inp)


def hybrid(graph: Graph) -> None:
    """Each layer is recurrent or attention, and has a feed forward (Jamba, Granite 4, LFM2)."""
    cur = graph.embeddings()
    first = graph.style.residual_first
    for layer in range(graph.model.layers):
        inp, name = cur, f"blk.{layer}"
        cur = _mixed(graph, graph.norm(cur, f"{name}.attn_norm"), layer)
        cur, inp = _chosen(graph, layer, cur, inp)
        cur = residual_scale(graph, cur)
        middle = op.like("add", inp, cur) if first else op.like("add", cur, inp)
        cur = feed_forward(graph, graph.norm(middle, f"{name}.ffn_norm"), layer)
        cur = residual_scale(graph, cur)
        cur = op.like("add", middle, cur) if first else op.like("add", cur, middle)
    finish(graph, cur)


def side_by_side(graph: Graph) -> None:
    """Each layer is recurrent and attention at once (Falcon-H1)."""
    inp = graph.embeddings()
    for layer in range(graph.model.layers):
        name = f"blk.{layer}"
        attention = self_attention(graph, graph.norm(inp, f"{name}.attn_norm"), layer)
        recurrence = mamba2(graph, graph.norm(inp, f"{name}.attn_norm"), layer)
        middle = op.like("add", op.like("add", attention, recurrence), inp)
        (middle,) = _chosen(graph, layer, middle)
        inp = op.like("add", graph.feed_forward(graph.norm(middle, f"{name}.ffn_norm"), name), middle)
    finish(graph, inp)


def nemotron_h(graph: Graph) -> None:
    """Each layer is one of recurrence, attention and feed forward (Nemotron-H)."""
    cur = graph.embeddings()
    for layer in range(graph.model.layers):
        inp = cur
        cur = graph.norm(cur, f"blk.{layer}.attn_norm")
        if graph.model.by_layer("feed_forward_length", layer) and not graph.model.is_recurrent(layer):
            cur = _experts_or_dense(graph, cur, layer)
        else:
            cur = _mixed(graph, cur, layer)
        cur = op.like("add", cur, inp)
    finish(graph, cur, rows_after_norm=True)


def _experts_or_dense(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    name = f"blk.{layer}"
    if f"{name}.ffn_gate_inp.weight" not in graph.model.tensors:
        return graph.feed_forward(cur, name)
    latent = graph.weight(f"{name}.ffn_latent_down.weight")
    header = graph.model.header
    out = graph.experts(
        op.mul_mat(latent, cur) if latent is not None else cur,
        layer,
        gating="sigmoid",
        normalized=header.metadata.get(f"{header.architecture}.expert_weights_norm") is True,
        logits=graph.linear(cur, f"{name}.ffn_gate_inp"),
    )
    if wide := graph.weight(f"{name}.ffn_latent_up.weight"):
        out = op.mul_mat(wide, out)
    return op.like("add", out, graph.feed_forward(cur, name, "_shexp"))
