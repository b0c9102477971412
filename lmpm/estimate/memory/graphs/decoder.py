"""The graph of a transformer that reads a text from left to right, dense or with experts.

Follows `llama.cpp/src/models/*.cpp`: llama, qwen2, qwen3, gemma2, gemma3, phi3, command-r, olmo2 and the
others differ in what an `architectures.Style` says and in the tensors that the file has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.graphs.attention import attend
from lmpm.estimate.memory.graphs.encoder import pool

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.graph import Graph

PARALLEL: Final = "gptneox.use_parallel_residual"
LARGEST_LLAMA_4: Final = 128  # experts: Maverick's queries and keys are not normalized


def decoder(graph: Graph) -> None:
    """Build the whole graph."""
    cur = graph.embeddings()
    if graph.style.normed_embeddings:
        cur = op.like("rms_norm", cur)
    if {"token_embd_norm.weight", "output_norm.weight"} <= graph.model.tensors.keys():  # LFM2 has the first alone
        cur = graph.norm(cur, "token_embd_norm")
    if places := graph.weight("position_embd.weight"):
        cur = op.like("add", cur, op.get_rows(places, graph.positions()))
    last = graph.model.layers - 1
    for layer in range(graph.model.layers):
        cur = _layer(graph, cur, layer, chooses_rows=layer == last and not graph.style.rows_at_end)
        if layer < graph.deep_inputs:
            cur = op.like("add", cur, graph.deep_input())
    finish(graph, cur, rows_at_end=graph.style.rows_at_end)


def _layer(graph: Graph, inp: Tensor, layer: int, *, chooses_rows: bool) -> Tensor:
    style, name = graph.style, f"blk.{layer}"
    logits = graph.linear(inp, f"{name}.ffn_gate_inp") if style.routed_early else None
    cur = graph.norm(inp, f"{name}.attn_norm") if style.first_norm else inp
    feed = cur
    if f"{name}.attn_norm_2.weight" in graph.model.tensors:  # Falcon 40B
        cur = graph.norm(inp, f"{name}.attn_norm_2")
    cur = self_attention(graph, cur, layer)
    if chooses_rows:
        cur = op.get_rows(cur, graph.output_rows())
        inp = op.get_rows(inp, graph.output_rows())
        feed = op.get_rows(feed, graph.output_rows()) if style.parallel else feed
        logits = op.get_rows(logits, graph.output_rows()) if logits else None
    if style.parallel_by_key and graph.model.header.metadata.get(PARALLEL) is True:
        out = graph.feed_forward(graph.norm(inp, f"{name}.ffn_norm"), name)
        return op.like("add", op.like("add", out, inp), cur)
    if style.parallel:
        out = feed_forward(graph, feed, layer)
        if style.attention_first:
            return op.like("add", op.like("add", cur, out), inp)
        if style.attention_second:
            return op.like("add", op.like("add", out, cur), inp)
        return op.like("add", op.like("add", out, inp), cur)
    cur = residual_scale(graph, post_norm(graph, cur, name, "post_attention_norm"))
    middle = op.like("add", cur, inp)
    cur = graph.norm(middle, _second_norm(graph, name)) if style.first_norm else middle
    cur = feed_forward(graph, cur, layer, logits)
    if f"{name}.post_ffw_norm.weight" in graph.model.tensors:
        cur = graph.norm(cur, f"{name}.post_ffw_norm")
    cur = residual_scale(graph, cur)
    return op.like("add", middle, cur) if style.residual_first else op.like("add", cur, middle)


def _second_norm(graph: Graph, name: str) -> str:
    """The norm before the feed forward: some files have only one that is called after the attention."""
    if f"{name}.ffn_norm.weight" in graph.model.tensors:
        return f"{name}.ffn_norm"
    return f"{name}.post_attention_norm"


def post_norm(graph: Graph, cur: Tensor, name: str, part: str) -> Tensor:
    """A norm behind the attention, where the norm before the feed forward is another one or there is none."""
    tensors = graph.model.tensors
    both = f"{name}.ffn_norm.weight" in tensors or not graph.style.first_norm
    return graph.norm(cur, f"{name}.{part}") if both and f"{name}.{part}.weight" in tensors else cur


def residual_scale(graph: Graph, cur: Tensor) -> Tensor:
    """Granite scales what is added."""
    return op.like("scale", cur) if graph.style.scaled_residual and "residual_scale" in graph.keys else cur


def self_attention(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """Attention of a layer, from its input to the output matrix."""
    style, model, name = graph.style, graph.model, f"blk.{layer}"
    q, k, v = graph.queries_keys_values(cur, layer, flat=style.flat_qk_norm)
    q = _normalized_and_turned(graph, q, layer, f"{name}.attn_q_norm", model.heads(layer))
    q = with_temperature(graph, q, layer)
    if style.scaled_queries:
        q = op.like("scale", q)
    k = _normalized_and_turned(graph, k, layer, f"{name}.attn_k_norm", model.kv_heads(layer))
    if style.flat_qk_norm:
        v = op.reshape(v, model.value_length(layer), model.kv_heads(layer), graph.tokens)
    sinks = graph.weight(f"{name}.attn_sinks.weight")
    if f"{name}.attn_gate.weight" in model.tensors:
        out = attend(graph, layer, q, k, v, sinks=sinks, output="")
        return graph.linear(_gated(graph, out, cur, layer), f"{name}.attn_output")
    out = attend(graph, layer, q, k, v, sinks=sinks)
    scales = style.scaled_values and "attention.value_scale" in graph.keys
    return op.like("scale", out) if scales else out


def _gated(graph: Graph, out: Tensor, cur: Tensor, layer: int) -> Tensor:
    """What came out of the attention, weighed by a gate on its input: for each head, or for each element."""
    gate = op.like("unary", graph.linear(cur, f"blk.{layer}.attn_gate"))
    heads, wide = graph.model.heads(layer), out.ne[0]
    if gate.ne[0] != heads:
        return op.like("mul", out, gate)
    by_head = op.reshape(out, wide // heads, heads, graph.tokens)
    by_head = op.like("mul", by_head, op.reshape(gate, 1, heads, graph.tokens))
    return op.reshape(by_head, wide, graph.tokens)


def _normalized_and_turned(graph: Graph, cur: Tensor, layer: int, norm: str, heads: int) -> Tensor:
    """Queries or keys of a layer, with their norm and turned by their position, where it has these."""
    style, has_norm = graph.style, f"{norm}.weight" in graph.model.tensors
    if has_norm and not style.norm_after_rope:
        cur = graph.norm(cur, norm)
    if style.flat_qk_norm:
        cur = op.reshape(cur, graph.model.key_length(layer), heads, graph.tokens)
    if _turns(graph, layer):
        cur = graph.rope(cur, graph.rope_factors(layer))
        if style.turned_norm and graph.model.experts != LARGEST_LLAMA_4:
            cur = op.like("rms_norm", cur)
    return graph.norm(cur, norm) if has_norm and style.norm_after_rope else cur


def with_temperature(graph: Graph, q: Tensor, layer: int) -> Tensor:
    """The queries of a layer, scaled by their position where the architecture does so."""
    header = graph.model.header
    scale = header.metadata.get(f"{header.architecture}.attention.temperature_scale")
    scaled = {"no": False, "key": bool(scale), "unturned": not _turns(graph, layer)}[graph.style.temperature]
    return op.like("mul", q, graph.input("temperature", "F32", 1, 1, graph.tokens)) if scaled else q


def _turns(graph: Graph, layer: int) -> bool:
    """Whether the queries and keys of a layer are turned by their position."""
    model = graph.model
    if every := graph.style.unturned_every:
        return (layer + 1) % every != 0
    if graph.style.rope == "window_and_dense" and layer < model.header.integer("leading_dense_block_count"):
        return True
    if graph.style.rope in ("window", "window_and_dense"):
        return model.is_window(layer) or not model.window
    switch = model.header.metadata.get(f"{model.header.architecture}.rope.scaling.finetuned")
    return graph.style.rope == "all" or (graph.style.rope == "switch" and switch is not False)


def feed_forward(graph: Graph, cur: Tensor, layer: int, logits: Tensor | None = None) -> Tensor:
    """The feed forward of a layer: dense, or experts with what all tokens share; `logits` choose the experts."""
    name, tensors = f"blk.{layer}", graph.model.tensors
    if f"{name}.ffn_gate_inp.weight" not in tensors:
        return graph.feed_forward(cur, name)
    gating, normalized = routing(graph)
    out = graph.experts(cur, layer, gating=gating, normalized=normalized, logits=logits)
    if f"{name}.ffn_up_shexp.weight" not in tensors:
        return out
    if f"{name}.ffn_gate_inp_shexp.weight" in tensors:
        return _gated_share(graph, cur, out, name)
    return op.like("add", out, graph.feed_forward(cur, name, "_shexp"))


def _gated_share(graph: Graph, cur: Tensor, out: Tensor, name: str) -> Tensor:
    """What all tokens share, weighed by a gate of its own (qwen2moe)."""
    gate = graph.linear(cur, f"{name}.ffn_gate_inp_shexp")
    gate = op.like("div", op.like("unary", gate), gate)
    return op.like("add", out, op.like("mul", graph.feed_forward(cur, name, "_shexp"), gate))


def routing(graph: Graph) -> tuple[str, bool]:
    """How experts are weighed, and whether their weights are normalized."""
    style, header = graph.style, graph.model.header
    if style.gating != "key":
        return style.gating, style.normalized_experts
    gating = {2: "sigmoid", 3: "softmax_weight"}.get(header.integer("expert_gating_func"), "softmax")
    normalized = header.metadata.get(f"{header.architecture}.expert_weights_norm") is True
    return gating, normalized or style.normalized_experts


def finish(
    graph: Graph,
    cur: Tensor,
    *,
    rows_at_end: bool = False,
    rows_after_norm: bool = False,
    layer_norm: bool | None = None,
) -> None:
    """From the last layer to the logits; where rows are chosen late, what they are chosen from is an output, too."""
    if rows_at_end:
        cur.is_output = True
        cur = op.get_rows(cur, graph.output_rows())
    name = "output_norm" if "output_norm.weight" in graph.model.tensors else "token_embd_norm"  # LFM2
    cur = graph.norm(cur, name, layer_norm=layer_norm)
    if rows_after_norm:
        cur.is_output = True
        cur = op.get_rows(cur, graph.output_rows())
    cur.is_output = True
    hidden = cur
    if graph.style.vectors_or_logits and graph.plan.settings.embeddings:
        graph.expand(cur)
        pool(graph, hidden)
        return
    cur = op.mul_mat(graph.output_weight(), cur)
    if bias := graph.weight("output.bias"):
        cur = op.like("add", cur, bias)
    if graph.style.scaled_logits and "logit_scale" in graph.keys:
        cur = op.like("scale", cur)
    if graph.style.soft_cap and "final_logit_softcapping" in graph.keys:
        cur = op.like("scale", op.like("unary", op.like("scale", cur)))
    cur.is_output = True
    graph.expand(cur)
    pool(graph, hidden)
