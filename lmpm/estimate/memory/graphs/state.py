"""Recurrent layers: the states they read and write, Mamba's two forms, and short convolutions.

Follows `llama-graph.cpp` (build_rs) and `llama.cpp/src/models/mamba-base.cpp`, `lfm2.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.ggml.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.estimate.memory.graphs.graph import Graph

    Read = Callable[[Tensor, Tensor], Tensor]  # (states of all sequences, which of them) -> what is computed


def states(graph: Graph, layer: int, which: str) -> Tensor:
    """The states of all sequences of a layer: `r` of the convolution, `s` of the recurrence."""
    size = graph.model.state_sizes[0 if which == "r" else 1]
    return graph.fixed(f"cache.{layer}.{which}", "F32", size, graph.sequences)


def read(graph: Graph, layer: int, which: str, through: Read = op.get_rows) -> Tensor:
    """The states of the sequences at hand; one state is cleared and the others are kept on the way."""
    every = states(graph, layer, which)
    size, count = every.ne[:2]
    rows = op.reshape(every, size, count)
    cleared = op.view(rows, (size,))
    graph.expand(Tensor(cleared.type, cleared.ne, "scale", (cleared,), root=cleared))
    order, others = graph.state_order()
    used = through(rows, order)
    graph.expand(used)
    rest = op.get_rows(rows, others)
    graph.expand(op.copy_into(rest, op.view(every, (size, 0), every.nb[1:2])))
    return used


def write(graph: Graph, layer: int, which: str, value: Tensor) -> None:
    """Keep the new states."""
    every = states(graph, layer, which)
    graph.expand(op.copy_into(value, op.view(every, every.ne[:2], every.nb[1:2])))


def _by_sequence(graph: Graph, cur: Tensor) -> Tensor:
    return op.reshape(cur, cur.ne[0], graph.tokens // graph.sequences, graph.sequences)


def convolution(graph: Graph, layer: int, cur: Tensor, channels: int) -> Tensor:
    """The input of a convolution: what was kept of the last tokens, then the new ones. Its end is kept again."""
    kernel = graph.model.header.integer("ssm.conv_kernel")
    kept = op.reshape(read(graph, layer, "r"), kernel - 1, channels, graph.sequences)
    joined = op.concat(kept, op.transpose(cur), 0)
    write(graph, layer, "r", op.view(joined, (kernel - 1, channels, graph.sequences), joined.nb[1:3]))
    return joined


def convolve(joined: Tensor, kernel: Tensor) -> Tensor:
    """The convolution itself; ggml.c, ggml_ssm_conv."""
    length = joined.ne[0] - kernel.ne[0] + 1
    return Tensor("F32", (kernel.ne[1], length, joined.ne[2]), "ssm_conv", (joined, kernel))


def scan(state: Tensor, x: Tensor, *others: Tensor) -> Tensor:
    """Outputs and new states in one tensor; ggml.c, ggml_ssm_scan. The last of `others` are the sequences."""
    return Tensor("F32", (x.elements + state.ne[0] * state.ne[1] * state.ne[2] * others[-1].ne[0],), "ssm_scan",
                  (state, x, *others))  # fmt: skip


def mamba1(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """Mamba's first form; build_mamba_layer."""
    number, name = graph.model.header.integer, f"blk.{layer}"
    inner, state, rank = number("ssm.inner_size"), number("ssm.state_size"), number("ssm.time_step_rank")
    tokens, sequences = graph.tokens // graph.sequences, graph.sequences
    kept = op.reshape(read(graph, layer, "r"), number("ssm.conv_kernel") - 1, inner, sequences)
    xz = graph.linear(_by_sequence(graph, cur), f"{name}.ssm_in")
    x, z = (op.view(xz, (inner, *xz.ne[1:3]), xz.nb[1:3]) for _ in range(2))
    joined = op.concat(kept, op.transpose(x), 0)
    write(graph, layer, "r", op.view(joined, (kept.ne[0], inner, sequences), joined.nb[1:3]))
    x = convolve(joined, graph.need(f"{name}.ssm_conv1d.weight"))
    x = op.like("unary", op.like("add", x, graph.need(f"{name}.ssm_conv1d.bias")))
    split = graph.linear(x, f"{name}.ssm_x")
    dt = op.view(split, (rank, tokens, sequences), split.nb[1:3])
    b, c = (op.view(split, (state, 1, tokens, sequences), (state * split.nb[0], *split.nb[1:3])) for _ in range(2))
    flag = graph.model.header.metadata.get(f"{graph.model.header.architecture}.ssm.dt_b_c_rms")
    if flag is True or f"{name}.ssm_dt_norm.weight" in graph.model.tensors:
        dt, b, c = (graph.norm(item, f"{name}.ssm_{part}_norm") for item, part in ((dt, "dt"), (b, "b"), (c, "c")))
    else:
        dt = op.cont(dt)
    dt = op.mul_mat(graph.need(f"{name}.ssm_dt.weight"), dt)
    dt = op.like("add", dt, graph.need(f"{name}.ssm_dt.bias"))
    heads = op.reshape(x, 1, inner, tokens, sequences)
    decay = graph.need(f"{name}.ssm_a")

    def through(rows: Tensor, order: Tensor) -> Tensor:
        return scan(op.reshape(rows, state, 1, inner, sequences), heads, dt, decay, b, c, order)

    y = read(graph, layer, "s", through)
    write(graph, layer, "s", op.view(y, (state * inner * sequences,)))
    y = op.view(y, (inner, tokens, sequences), heads.nb[2:4])
    y = op.like("add", y, op.like("mul", x, graph.need(f"{name}.ssm_d")))
    y = op.glu(op.cont(z), y)
    return op.reshape(graph.linear(y, f"{name}.ssm_out"), graph.model.wide, graph.tokens)


def mamba2(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """Mamba's second form; build_mamba2_layer."""
    number, name = graph.model.header.integer, f"blk.{layer}"
    inner, state, heads, groups = (
        number(f"ssm.{key}") for key in ("inner_size", "state_size", "time_step_rank", "group_count")
    )
    tokens, sequences = graph.tokens // graph.sequences, graph.sequences
    head, channels = inner // heads, inner + 2 * groups * state
    kept = op.reshape(read(graph, layer, "r"), number("ssm.conv_kernel") - 1, channels, sequences)
    mixed = _by_sequence(graph, graph.linear(cur, f"{name}.ssm_in"))
    z = op.view(mixed, (head, heads, tokens, sequences), (head * mixed.nb[0], *mixed.nb[1:3]))
    xbc = op.view(mixed, (channels, tokens, sequences), mixed.nb[1:3])
    dt = op.view(mixed, (heads, tokens, sequences), mixed.nb[1:3])
    joined = op.concat(kept, op.transpose(xbc), 0)
    write(graph, layer, "r", op.view(joined, (kept.ne[0], channels, sequences), joined.nb[1:3]))
    xbc = convolve(joined, graph.need(f"{name}.ssm_conv1d.weight"))
    xbc = op.like("unary", op.like("add", xbc, graph.need(f"{name}.ssm_conv1d.bias")))
    x = op.view(xbc, (head, heads, tokens, sequences), (head * xbc.nb[0], *xbc.nb[1:3]))
    b, c = (op.view(xbc, (state, groups, tokens, sequences), (state * xbc.nb[0], *xbc.nb[1:3])) for _ in range(2))
    dt = op.like("add", op.cont(dt), graph.need(f"{name}.ssm_dt.bias"))
    decay = graph.need(f"{name}.ssm_a")

    def through(rows: Tensor, order: Tensor) -> Tensor:
        return scan(op.reshape(rows, state, head, heads, sequences), x, dt, decay, b, c, order)

    y = read(graph, layer, "s", through)
    write(graph, layer, "s", op.view(y, (state * inner, sequences), (state * inner * 4,)))
    y = op.view(y, (head, heads, tokens, sequences), (x.nb[1], heads * x.nb[1], tokens * heads * x.nb[1]))
    y = op.like("add", y, op.like("mul", x, graph.need(f"{name}.ssm_d")))
    y = op.glu(op.cont(z), y)
    if f"{name}.ssm_norm.weight" in graph.model.tensors:
        y = graph.norm(op.reshape(y, inner // groups, groups, tokens, sequences), f"{name}.ssm_norm")
    return graph.linear(op.reshape(y, inner, graph.tokens), f"{name}.ssm_out")


def short_convolution(graph: Graph, cur: Tensor, layer: int) -> Tensor:
    """A gated convolution over the last few tokens (LFM2)."""
    name, wide, sequences = f"blk.{layer}.shortconv", graph.model.wide, graph.sequences
    length = graph.model.header.integer("shortconv.l_cache") - 1
    mixed = graph.linear(_by_sequence(graph, cur), f"{name}.in_proj")
    b, c, x = (op.view(mixed, (wide, *mixed.ne[1:3]), mixed.nb[1:3]) for _ in range(3))
    product = op.transpose(op.like("mul", b, x))
    kept = op.reshape(read(graph, layer, "r"), length, wide, sequences)
    joined = op.concat(kept, product, 0)
    write(graph, layer, "r", op.view(joined, (length, *joined.ne[1:3]), joined.nb[1:3]))
    out = convolve(joined, graph.need(f"{name}.conv.weight"))
    out = graph.linear(op.like("mul", c, out), f"{name}.out_proj")
    return op.reshape(out, out.ne[0], graph.tokens)
