"""Encoders of pictures (mmproj): their published shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.shapes.files import ModelShape, Shapes


def tower(
    kind: str,
    *,
    wide: int,
    layers: int,
    heads: int,
    ff: int,
    image: int,
    patch: int,
    out: int,
    after: Shapes,
    gate: bool = False,
    fused: bool = False,
    biases: bool = True,
    positions: int = 0,
    patch_bias: bool = True,
    keys: Mapping[str, Any] | None = None,
    more: Mapping[str, tuple[int, ...]] | None = None,
) -> ModelShape:
    """An encoder of pictures of a kind, with what stands behind its transformer."""
    tensors: Shapes = {"v.patch_embd.weight": (patch, patch, 3, wide)}
    if patch_bias:
        tensors["v.patch_embd.bias"] = (wide,)
    if positions:
        tensors["v.position_embd.weight"] = (wide, positions)
    for layer in range(layers):
        name = f"v.blk.{layer}"
        part: Shapes = {"attn_out": (wide, wide), "ffn_up": (wide, ff), "ffn_down": (ff, wide)}
        part |= {"attn_qkv": (wide, 3 * wide)} if fused else {f"attn_{item}": (wide, wide) for item in "qkv"}
        if gate:
            part["ffn_gate"] = (wide, ff)
        for matrix, dims in part.items():
            tensors[f"{name}.{matrix}.weight"] = dims
            if biases:
                tensors[f"{name}.{matrix}.bias"] = (dims[1],)
        for norm in ("ln1", "ln2"):
            tensors[f"{name}.{norm}.weight"] = (wide,)
            if biases:
                tensors[f"{name}.{norm}.bias"] = (wide,)
    facts: dict[str, Any] = {
        "has_vision_encoder": True, "projector_type": kind, "use_gelu": True,
        "vision.embedding_length": wide, "vision.block_count": layers, "vision.attention.head_count": heads,
        "vision.feed_forward_length": ff, "vision.image_size": image, "vision.patch_size": patch,
        "vision.projection_dim": out, "vision.attention.layer_norm_epsilon": 1e-6,
        "vision.image_mean": [0.5, 0.5, 0.5], "vision.image_std": [0.5, 0.5, 0.5],
    }  # fmt: skip
    return ModelShape("clip", facts | dict(keys or {}), tensors | dict(more or {}) | after, 0)


def _pair(first: str, second: str, inside: int, middle: int, out: int) -> Shapes:
    return {
        f"{first}.weight": (inside, middle), f"{first}.bias": (middle,), f"{second}.weight": (middle, out),
        f"{second}.bias": (out,),
    }  # fmt: skip


def _post(wide: int) -> Shapes:
    return {"v.post_ln.weight": (wide,), "v.post_ln.bias": (wide,)}


def _qwen(kind: str, out: int) -> ModelShape:
    wide = {"qwen2vl_merger": 1280, "qwen2.5vl_merger": 1280, "qwen3vl_merger": 1152}[kind]
    newest = kind == "qwen3vl_merger"
    windows = kind == "qwen2.5vl_merger"
    patch = 16 if newest else 14
    more: Shapes = {"v.patch_embd.weight.1": (patch, patch, 3, wide), "v.post_ln.weight": (wide,)}
    if not windows:
        more["v.post_ln.bias"] = (wide,)
    if newest:
        for layer in (8, 16, 24):
            name = f"v.deepstack.{layer}"
            more |= _pair(f"{name}.fc1", f"{name}.fc2", 4 * wide, 4 * wide, out)
            more |= {f"{name}.norm.weight": (4 * wide,), f"{name}.norm.bias": (4 * wide,)}
    keys: dict[str, Any] = {"vision.spatial_merge_size": 2}
    if windows:
        keys |= {"vision.n_wa_pattern": 8, "use_silu": True, "use_gelu": False, "vision.window_size": 112}
    shape = tower(
        kind, wide=wide, layers=27 if newest else 32, heads=16, ff=4304 if newest else 3420 if windows else 5120,
        image=768 if newest else 560, patch=patch, out=out, after=_pair("mm.0", "mm.2", 4 * wide, 4 * wide, out),
        gate=windows, fused=newest, positions=2304 if newest else 0, patch_bias=newest, keys=keys, more=more,
    )  # fmt: skip
    if windows:  # its norms have no bias
        lean = {name: dims for name, dims in shape.tensors.items() if not name.endswith(("ln1.bias", "ln2.bias"))}
        return ModelShape("clip", shape.keys, lean, 0)
    return shape


PROJECTORS: Final[Mapping[str, Callable[[], ModelShape]]] = {
    "Gemma-3": lambda: tower(
        "gemma3", wide=1152, layers=27, heads=16, ff=4304, image=896, patch=14, out=2560, positions=4096,
        more=_post(1152), after={"mm.soft_emb_norm.weight": (1152,), "mm.input_projection.weight": (2560, 1152)},
    ),
    "SmolVLM2-2.2B": lambda: tower(
        "idefics3", wide=1152, layers=27, heads=16, ff=4304, image=384, patch=14, out=2048, positions=729,
        more=_post(1152), after={"mm.model.fc.weight": (1152 * 9, 2048)}, keys={"vision.projector.scale_factor": 3},
    ),
    "SmolVLM-256M": lambda: tower(
        "idefics3", wide=768, layers=12, heads=12, ff=3072, image=512, patch=16, out=576, positions=1024,
        more=_post(768), after={"mm.model.fc.weight": (768 * 16, 576)}, keys={"vision.projector.scale_factor": 4},
    ),
    "LFM2-VL-1.6B": lambda: tower(
        "lfm2", wide=1152, layers=26, heads=16, ff=4304, image=256, patch=16, out=2048, positions=256,
        more=_post(1152) | {"mm.input_norm.weight": (4608,), "mm.input_norm.bias": (4608,)},
        after=_pair("mm.1", "mm.2", 4608, 2560, 2048), keys={"vision.projector.scale_factor": 2},
    ),
    "LLaVA-1.5": lambda: tower(
        "mlp", wide=1024, layers=23, heads=16, ff=4096, image=336, patch=14, out=4096, positions=577, patch_bias=False,
        more={"v.class_embd": (1024,), "v.pre_ln.weight": (1024,), "v.pre_ln.bias": (1024,)},
        after=_pair("mm.0", "mm.2", 1024, 4096, 4096), keys={"use_gelu": False},
    ),
    "InternVL3-2B": lambda: tower(
        "internvl", wide=1024, layers=24, heads=16, ff=4096, image=448, patch=14, out=1536, positions=1025,
        more={"v.class_embd": (1024,)} | {
            f"v.blk.{layer}.{name}.weight": (1024,) for layer in range(24) for name in ("ls1", "ls2")
        },
        after={"mm.model.mlp.0.weight": (4096,), "mm.model.mlp.0.bias": (4096,)}
        | _pair("mm.model.mlp.1", "mm.model.mlp.3", 4096, 1536, 1536), keys={"vision.projector.scale_factor": 2},
    ),
    "Pixtral-12B": lambda: tower(
        "pixtral", wide=1024, layers=24, heads=16, ff=4096, image=1024, patch=16, out=5120, biases=False, gate=True,
        patch_bias=False, more={"v.pre_ln.weight": (1024,), "v.token_embd.img_break": (5120,)},
        after=_pair("mm.1", "mm.2", 1024, 5120, 5120), keys={"use_silu": True, "use_gelu": False},
    ),
    "Mistral-Small-3.1": lambda: tower(
        "pixtral", wide=1024, layers=24, heads=16, ff=4096, image=1540, patch=14, out=5120, biases=False, gate=True,
        patch_bias=False, more={"v.pre_ln.weight": (1024,), "v.token_embd.img_break": (5120,)},
        after={"mm.input_norm.weight": (1024,), "mm.patch_merger.weight": (4096, 1024), "mm.1.weight": (1024, 5120),
               "mm.2.weight": (5120, 5120)},
        keys={"use_silu": True, "use_gelu": False, "vision.spatial_merge_size": 2},
    ),
    "Qwen2-VL-7B": lambda: _qwen("qwen2vl_merger", 3584),
    "Qwen2.5-VL-7B": lambda: _qwen("qwen2.5vl_merger", 3584),
    "Qwen3-VL-8B": lambda: _qwen("qwen3vl_merger", 4096),
}  # fmt: skip


def small(out: int) -> ModelShape:
    """An encoder of the kind of Gemma 3 that makes 16 tokens of `out` numbers of any picture."""
    return tower(
        "gemma3", wide=64, layers=1, heads=2, ff=128, image=128, patch=8, out=out, positions=256, more=_post(64),
        after={"mm.soft_emb_norm.weight": (64,), "mm.input_projection.weight": (out, 64)},
    )  # fmt: skip
