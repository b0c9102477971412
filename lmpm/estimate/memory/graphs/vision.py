"""The graph of a picture's encoder (mmproj) for the picture that llama.cpp reserves memory with.

Follows `llama.cpp/tools/mtmd/clip.cpp` (build_inp, build_vit, build_attn, build_patch_merge_permute and the
sizes for the warm-up) and `tools/mtmd/models/*.cpp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.ggml.builder import Builder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.gguf import Header

    Turn = Callable[[Tensor], Tensor]

# Tokens on a side of the picture for the warm-up, and patches of a token's side where no key says so.
# Where there is no entry the picture has the size that the encoder was trained with.
SIDES: Final[Mapping[str, tuple[int, int]]] = {
    "gemma4v": (16, 3), "kimivl": (16, 1), "lfm2": (16, 1), "lightonocr": (16, 1), "phi4": (16, 1),
    "pixtral": (16, 1), "glm4v": (46, 2), "qwen2vl_merger": (46, 2), "qwen2.5vl_merger": (46, 2),
    "qwen3vl_merger": (46, 2),
}  # fmt: skip
MERGED: Final[Mapping[str, int]] = {"gemma3": 4}  # patches of a token's side


class Vision(Builder):
    """The encoder's keys, and the blocks that its models share."""

    def __init__(self, header: Header, *, flash_attention: bool) -> None:
        super().__init__({tensor.name: tensor for tensor in header.tensors})
        self.kind = projector_of(header)
        self.flash_attention = flash_attention
        self.names = frozenset(self._entries)
        number = header.integer
        self.wide = number("vision.embedding_length")
        self.layers = number("vision.block_count")
        self.heads = number("vision.attention.head_count")
        self.kv_heads = number("vision.attention.head_count_kv", self.heads)
        self.window_pattern = number("vision.n_wa_pattern")
        self.out = number("vision.projection_dim")
        patch = number("vision.patch_size")
        side, merge = SIDES.get(self.kind, (0, MERGED.get(self.kind, 1)))
        scale = number("vision.projector.scale_factor")
        if self.kind in ("pixtral", "lightonocr", "qwen2vl_merger", "qwen2.5vl_merger", "qwen3vl_merger"):
            scale = number("vision.spatial_merge_size")
        self.merge = scale or merge
        if self.kind == "gemma4uv":
            patch, self.merge = patch * self.merge, 1
        self.size = side * patch * self.merge if side else number("vision.image_size")
        self.patch = patch
        self.side = self.size // patch if patch else 0

    @property
    def patches(self) -> int:
        """Patches of the picture."""
        return self.side**2

    def norm(self, cur: Tensor, name: str, *, rms: bool = False) -> Tensor:
        """A norm with its weight and bias."""
        cur = op.like("rms_norm" if rms else "norm", cur)
        for suffix, what in (("weight", "mul"), ("bias", "add")):
            if part := self.weight(f"{name}.{suffix}"):
                cur = op.like(what, cur, part)
        return cur

    def linear(self, cur: Tensor, name: str) -> Tensor:
        """A matrix with its bias."""
        cur = op.mul_mat(self.need(f"{name}.weight"), cur)
        bias = self.weight(f"{name}.bias")
        return op.like("add", cur, bias) if bias else cur

    def feed_forward(self, cur: Tensor, up: str, down: str, gate: str = "") -> Tensor:
        """Two matrices, or three with a gate."""
        wide = self.linear(cur, up)
        if gate and f"{gate}.weight" in self.names:
            return self.linear(op.glu(self.linear(cur, gate), wide), down)
        return self.linear(op.like("unary", wide), down)

    def picture(self) -> Tensor:
        """The pixels."""
        return self.input("picture", "F32", self.size, self.size, 3, 1)

    def patched(self, picture: Tensor | None = None) -> Tensor:
        """The picture as a row of features for each patch; build_inp."""
        cur = op.convolve_2d(self.need("v.patch_embd.weight"), picture or self.picture(), self.patch)
        cur = op.cont(op.transpose(op.reshape(cur, self.patches, self.wide)))
        bias = self.weight("v.patch_embd.bias")
        return op.like("add", cur, bias) if bias else cur

    def attention(self, name: str, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Every patch sees every other one; build_attn."""
        for item in (q, k, v):
            self.expand(item)
        q, k = op.permute(q, 0, 2, 1, 3), op.permute(k, 0, 2, 1, 3)
        if self.flash_attention:
            k, v = op.cast(k, "F16"), op.cast(op.permute(v, 0, 2, 1, 3), "F16")
            cur = op.flash_attn(q, k, v, op.cast(mask, "F16") if mask is not None else None)
            cur = op.reshape(cur, cur.ne[0] * cur.ne[1], cur.ne[2] * cur.ne[3])
        else:
            v = op.cont(op.permute(v, 1, 2, 0, 3))
            scores = op.like("soft_max", op.mul_mat(k, q), mask)
            cur = op.permute(op.mul_mat(v, scores), 0, 2, 1, 3)
            cur = op.cont(cur, cur.ne[0] * cur.ne[1], cur.ne[2] * cur.ne[3])
        return self.linear(cur, f"{name}.attn_out")

    def split(self, cur: Tensor, name: str, places: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values by head."""
        head = self.wide // self.heads
        if f"{name}.attn_qkv.weight" in self.names:
            cur = self.linear(cur, f"{name}.attn_qkv")
            step = (op.row_size(cur.type, head), cur.nb[1], cur.nb[1] * places)
            q, k, v = (op.view(cur, (head, self.heads, places, 1), step) for _ in range(3))
        else:
            q, k, v = (self.linear(cur, f"{name}.attn_{part}") for part in "qkv")
            q = op.reshape(q, head, self.heads, places)
            k, v = (op.reshape(item, head, self.kv_heads, places) for item in (k, v))
        return q, k, v

    def transformer(
        self, cur: Tensor, places: int, *, rms: bool = False, positions: Tensor | None = None,
        turn: Turn | None = None, layers: int | None = None,
    ) -> Tensor:  # fmt: skip
        """The layers between patches and projector; build_vit."""
        if positions is not None:
            cur = op.like("add", cur, positions)
        cur = op.reshape(cur, self.wide, places)
        if "v.pre_ln.weight" in self.names:
            cur = self.norm(cur, "v.pre_ln", rms=rms)
        for layer in range(self.layers if layers is None else layers):
            cur = self._layer(cur, f"v.blk.{layer}", places, rms=rms, turn=turn)
        if "v.post_ln.weight" in self.names:
            cur = self.norm(cur, "v.post_ln", rms=rms)
        return op.reshape(cur, self.wide, places)

    def _layer(self, inp: Tensor, name: str, places: int, *, rms: bool, turn: Turn | None) -> Tensor:
        q, k, v = self.split(self.norm(inp, f"{name}.ln1", rms=rms), name, places)
        for part in ("attn_q_norm", "attn_k_norm"):
            if f"{name}.{part}.weight" in self.names:
                q, k = (
                    (self.norm(q, f"{name}.{part}", rms=rms), k) if part == "attn_q_norm"
                    else (q, self.norm(k, f"{name}.{part}", rms=rms))
                )  # fmt: skip
        if turn is not None:
            q, k = turn(q), turn(k)
        if self.kind == "gemma4v":
            v = op.like("rms_norm", v)
        cur = self._scaled(self.attention(name, q, k, v), f"{name}.ls1.weight")
        if f"{name}.attn_post_norm.weight" in self.names:
            cur = self.norm(cur, f"{name}.attn_post_norm", rms=rms)
        middle = op.like("add", cur, inp)
        cur = self.norm(middle, f"{name}.ln2", rms=rms)
        cur = self.feed_forward(cur, f"{name}.ffn_up", f"{name}.ffn_down", f"{name}.ffn_gate")
        if f"{name}.ffn_post_norm.weight" in self.names:
            cur = self.norm(cur, f"{name}.ffn_post_norm", rms=rms)
        cur = op.like("add", middle, self._scaled(cur, f"{name}.ls2.weight"))
        return self._scaled(cur, f"{name}.out_scale.weight")

    def _scaled(self, cur: Tensor, name: str) -> Tensor:
        scale = self.weight(name)
        return op.like("mul", cur, scale) if scale is not None else cur

    def merged(self, cur: Tensor) -> Tensor:
        """Squares of patches side by side as one; build_patch_merge_permute."""
        step, side = self.merge, self.side
        padded = -(-side // step) * step
        cur = op.reshape(cur, self.wide, side, side)
        if padded != side:
            cur = op.pad(cur, 0, padded - side, padded - side)
        cur = op.permute(op.reshape(cur, self.wide * step, padded // step, padded), 0, 2, 1, 3)
        cur = op.cont(cur, self.wide * step * step, padded // step, padded // step)
        cur = op.permute(cur, 0, 2, 1, 3)
        return op.cont(cur, cur.ne[0], cur.ne[1] * cur.ne[2])


def projector_of(header: Header) -> str:
    """The kind of projector, as the file names it."""
    for key in ("clip.vision.projector_type", "clip.projector_type"):
        value = header.metadata.get(key)
        if isinstance(value, str):
            return value
    return "mlp"
