"""From patches to the vectors that a language model reads, for each kind of projector.

Follows `llama.cpp/tools/mtmd/models/`: siglip.cpp, llava.cpp, internvl.cpp, pixtral.cpp, qwen2vl.cpp, qwen3vl.cpp
and gemma4v.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml import tensor as op

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.graphs.vision import Vision


def gemma3(graph: Vision) -> Tensor:
    """Averages of 4 x 4 patches (Gemma 3)."""
    cur = graph.transformer(graph.patched(), graph.patches, positions=graph.weight("v.position_embd.weight"))
    cur = op.cont(op.transpose(cur), graph.side, graph.side, graph.wide)
    cur = op.pool_2d(cur, graph.merge)
    cur = op.cont(op.transpose(op.reshape(cur, cur.ne[0] * cur.ne[0], graph.wide)))
    cur = op.like("mul", op.like("rms_norm", cur), graph.need("mm.soft_emb_norm.weight"))
    return op.mul_mat(op.cont(op.transpose(graph.need("mm.input_projection.weight"))), cur)


def idefics3(graph: Vision) -> Tensor:
    """Squares of patches as one (SmolVLM)."""
    cur = graph.transformer(graph.patched(), graph.patches, positions=graph.weight("v.position_embd.weight"))
    return op.mul_mat(graph.need("mm.model.fc.weight"), graph.merged(cur))


def lfm2(graph: Vision) -> Tensor:
    """Squares of patches as one, through two matrices (LFM2-VL)."""
    cur = graph.transformer(graph.patched(), graph.patches, positions=_resized_positions(graph))
    cur = graph.merged(cur)
    if "mm.input_norm.weight" in graph.names:
        cur = graph.norm(cur, "mm.input_norm")
    return graph.feed_forward(cur, "mm.1", "mm.2")


def llava(graph: Vision) -> Tensor:
    """Two matrices for each patch (LLaVA); the last layer is not used."""
    cur = graph.patched()
    places = graph.patches
    if first := graph.weight("v.class_embd"):
        places += 1
        cur = op.concat(cur, first, 1)
    rows = graph.input("positions", "I32", places)
    cur = op.like("add", cur, op.get_rows(graph.need("v.position_embd.weight"), rows))
    cur = graph.transformer(cur, places, layers=graph.layers - 1)
    cur = op.get_rows(cur, graph.input("patches", "I32", graph.patches))
    cur = op.like("unary", graph.linear(cur, "mm.0"))
    return graph.linear(cur, "mm.2") if "mm.2.weight" in graph.names else cur


def internvl(graph: Vision) -> Tensor:
    """Squares of patches as one, through two matrices (InternVL)."""
    first = graph.need("v.class_embd")
    places = graph.patches + 1
    cur = op.concat(graph.patched(), op.repeat(first, first.ne[0], 1, 1), 1)
    large = graph.wide == 3200 and graph.layers == 45
    cur = graph.transformer(cur, places, rms=large, positions=graph.need("v.position_embd.weight"))
    cur = op.cont(op.view(cur, (graph.wide, graph.patches, 1), cur.nb[1:3]))
    step, side = graph.merge, graph.side
    cur = op.permute(op.reshape(cur, graph.wide * step, side // step, side), 0, 2, 1, 3)
    cur = op.cont(cur, graph.wide * step * step, side // step, side // step)
    cur = op.permute(cur, 0, 2, 1, 3)
    cur = op.cont(cur, cur.ne[0], cur.ne[1] * cur.ne[2])
    return graph.feed_forward(graph.norm(cur, "mm.model.mlp.0"), "mm.model.mlp.1", "mm.model.mlp.3")


def pixtral(graph: Vision) -> Tensor:
    """Positions by rope in two directions, a break after each row (Pixtral, Mistral Small 3.1)."""
    rows, columns = (graph.input(name, "I32", graph.patches) for name in ("rows", "columns"))

    def turn(cur: Tensor) -> Tensor:
        return op.like("rope", op.like("rope", cur, rows), columns)

    patched = graph.patched()
    cur = graph.transformer(patched, graph.patches, rms=True, turn=turn)
    if "mm.patch_merger.weight" in graph.names:
        cur = op.like("mul", op.like("rms_norm", cur), graph.need("mm.input_norm.weight"))
        cur = op.cont(op.permute(op.reshape(cur, graph.wide, graph.side, graph.side), 2, 0, 1, 3))
        kernel = op.view(cur, (graph.merge, graph.merge, cur.ne[2]), (0, 0))
        cur = op.image_to_columns(kernel, cur, graph.merge, kind=patched.type)
        cur = op.mul_mat(graph.need("mm.patch_merger.weight"), op.reshape(cur, cur.ne[0], cur.ne[1] * cur.ne[2]))
    cur = graph.feed_forward(cur, "mm.1", "mm.2")
    if mark := graph.weight("v.token_embd.img_break"):
        side = graph.side // graph.merge
        grid = op.reshape(cur, cur.ne[0], side, side)
        cleared = op.like("scale", op.Tensor(cur.type, (cur.ne[0], 1, side)))
        joined = op.concat(grid, op.like("add", cleared, mark), 1)
        cur = op.view(joined, (cur.ne[0], side * side + side - 1), joined.nb[1:2])
    return cur


def qwen2vl(graph: Vision) -> Tensor:
    """Positions by M-rope, and windows of attention in 2.5 (Qwen2-VL, Qwen2.5-VL)."""
    windows = graph.window_pattern > 0
    rms = graph.kind == "qwen2.5vl_merger"
    places = graph.patches
    cur = _in_squares(graph, _two_frames(graph))
    positions = graph.input("positions", "I32", places * 4)
    if "v.pre_ln.weight" in graph.names:
        cur = graph.norm(cur, "v.pre_ln", rms=rms)
    mask = None
    if windows:
        order = graph.input("back", "I32", places // 4)
        mask = graph.input("windows", "F32", places, places)
        mask = op.cast(mask, "F16") if graph.flash_attention else mask
        cur = op.get_rows(op.reshape(cur, graph.wide * 4, places // 4), order)
        cur = op.reshape(cur, graph.wide, places)
    for layer in range(graph.layers):
        sees_all = not windows or (layer + 1) % graph.window_pattern == 0
        cur = _turned_layer(graph, cur, layer, positions, None if sees_all else mask, rms=rms)
    if "v.post_ln.weight" in graph.names:
        cur = graph.norm(cur, "v.post_ln", rms=rms)
    cur = graph.feed_forward(op.reshape(cur, graph.wide * 4, places // 4), "mm.0", "mm.2")
    if windows:
        cur = op.get_rows(op.reshape(cur, graph.out, places // 4), graph.input("forth", "I32", places // 4))
    return cur


def qwen3vl(graph: Vision) -> Tensor:
    """Learned positions as well, and features of some layers beside the last one's (Qwen3-VL)."""
    places, merge = graph.patches, graph.merge**2
    cur = op.like("add", _in_squares(graph, _two_frames(graph)), graph.need("v.patch_embd.bias"))
    cur = op.like("add", cur, _in_squares(graph, _resized_positions(graph), turned=False))
    positions = graph.input("positions", "I32", places * 4)
    deep: Tensor | None = None
    for layer in range(graph.layers):
        cur = _turned_layer(graph, cur, layer, positions, None, rms=False)
        if f"v.deepstack.{layer}.fc1.weight" in graph.names:
            name = f"v.deepstack.{layer}"
            part = graph.norm(op.reshape(cur, graph.wide * merge, places // merge), f"{name}.norm")
            part = graph.feed_forward(part, f"{name}.fc1", f"{name}.fc2")
            deep = part if deep is None else op.concat(deep, part, 0)
    if "v.post_ln.weight" in graph.names:
        cur = graph.norm(cur, "v.post_ln")
    cur = graph.feed_forward(op.reshape(cur, graph.wide * 4, places // 4), "mm.0", "mm.2")
    return op.concat(cur, deep, 0) if deep is not None else cur


def gemma4v(graph: Vision) -> Tensor:
    """Positions from two tables and by rope, averages of 3 x 3 patches (Gemma 4)."""
    cur = graph.patched(op.like("scale", graph.picture()))
    across, down = (graph.input(name, "I32", graph.patches) for name in ("across", "down"))
    table = graph.need("v.position_embd.weight")
    for places in (across, down):
        rows = op.view(table, table.ne[:2], table.nb[1:2])
        cur = op.like("add", cur, op.get_rows(rows, places))

    def turn(cur: Tensor) -> Tensor:
        return op.like("rope", op.like("rope", cur, across), down)

    cur = graph.transformer(cur, graph.patches, rms=True, turn=turn)
    cur = op.pool_2d(op.cont(op.transpose(cur), graph.side, graph.side, graph.wide), graph.merge)
    cur = op.cont(op.transpose(op.reshape(cur, cur.ne[0] * cur.ne[1], graph.wide)))
    cur = op.like("scale", cur)
    if (bias := graph.weight("v.std_bias")) and (scale := graph.weight("v.std_scale")):
        cur = op.like("mul", op.like("sub", cur, bias), scale)
    return op.mul_mat(graph.need("mm.input_projection.weight"), op.like("rms_norm", cur))


def _two_frames(graph: Vision) -> Tensor:
    """Two kernels over one picture: for films they see two frames."""
    picture = graph.picture()
    kernels = ("v.patch_embd.weight", "v.patch_embd.weight.1")
    first, second = (op.convolve_2d(graph.need(name), picture, graph.patch) for name in kernels)
    return op.like("add", first, second)


def _in_squares(graph: Vision, cur: Tensor, *, turned: bool = True) -> Tensor:
    """Patches in the order of the squares that become one token."""
    wide, side = graph.wide, graph.side
    if turned:
        cur = op.permute(cur, 1, 2, 0, 3)
    cur = op.cont(cur, wide * 2, side // 2, side)
    cur = op.reshape(cur, wide * 2, side // 2, 2, side // 2)
    return op.cont(op.permute(cur, 0, 2, 1, 3), wide, side * side)


def _turned_layer(
    graph: Vision, inp: Tensor, layer: int, positions: Tensor, mask: Tensor | None, *, rms: bool
) -> Tensor:
    name = f"v.blk.{layer}"
    q, k, v = graph.split(graph.norm(inp, f"{name}.ln1", rms=rms), name, graph.patches)
    q, k = op.like("rope", q, positions), op.like("rope", k, positions)
    middle = op.like("add", graph.attention(name, q, k, v, mask), inp)
    cur = graph.norm(middle, f"{name}.ln2", rms=rms)
    cur = graph.feed_forward(cur, f"{name}.ffn_up", f"{name}.ffn_down", f"{name}.ffn_gate")
    return op.like("add", middle, cur)


def _resized_positions(graph: Vision) -> Tensor:
    """Learned positions for a picture of another size."""
    table = graph.need("v.position_embd.weight")
    trained = int(table.ne[1] ** 0.5)
    if trained == graph.side:
        return table
    cur = op.permute(op.reshape(table, graph.wide, trained, trained), 2, 0, 1, 3)
    cur = op.permute(op.interpolate(cur, graph.side, graph.side, graph.wide), 1, 2, 0, 3)
    return op.cont(cur, graph.wide, graph.patches)


PROJECTORS: Final[Mapping[str, Callable[[Vision], Tensor]]] = {
    "gemma3": gemma3,
    "gemma4v": gemma4v,
    "idefics3": idefics3,
    "internvl": internvl,
    "lfm2": lfm2,
    "mlp": llava,
    "pixtral": pixtral,
    "qwen2.5vl_merger": qwen2vl,
    "qwen2vl_merger": qwen2vl,
    "qwen3vl_merger": qwen3vl,
}
