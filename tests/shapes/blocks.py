"""The pieces that layers are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.shapes.files import ModelShape, Shapes


def model_of(
    architecture: str,
    layer: Callable[[int], Shapes],
    *,
    layers: int,
    wide: int,
    vocabulary: int,
    keys: Mapping[str, Any],
    context: int = 131072,
    tied: bool = False,
    once: Shapes | None = None,
    output_norm: bool = True,
) -> ModelShape:
    tensors: Shapes = {"token_embd.weight": (wide, vocabulary)}
    if output_norm:
        tensors["output_norm.weight"] = (wide,)
    if not tied and output_norm:
        tensors["output.weight"] = (wide, vocabulary)
    tensors |= once or {}
    for number in range(layers):
        tensors |= {f"blk.{number}.{name}": dims for name, dims in layer(number).items()}
    facts = {
        "context_length": context,
        "embedding_length": wide,
        "block_count": layers,
        "attention.layer_norm_rms_epsilon": 1e-5,
    }
    return ModelShape(architecture, facts | dict(keys), tensors, vocabulary)


def mamba2_layer(
    wide: int, *, inner: int, state: int, heads: int, groups: int, kernel: int = 4, norm: bool = True
) -> Shapes:
    channels = inner + 2 * groups * state
    found: Shapes = {
        "ssm_in.weight": (wide, 2 * inner + 2 * groups * state + heads),
        "ssm_conv1d.weight": (kernel, channels),
        "ssm_conv1d.bias": (channels,),
        "ssm_dt.bias": (heads,),
        "ssm_a": (1, heads),
        "ssm_d": (1, heads),
        "ssm_out.weight": (inner, wide),
    }
    if norm:
        found["ssm_norm.weight"] = (inner // groups, groups)
    return found


def mamba1_layer(wide: int, *, inner: int, state: int, rank: int, kernel: int = 4, norms: bool = False) -> Shapes:
    found: Shapes = {
        "ssm_in.weight": (wide, 2 * inner),
        "ssm_conv1d.weight": (kernel, inner),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (inner, rank + 2 * state),
        "ssm_dt.weight": (rank, inner),
        "ssm_dt.bias": (inner,),
        "ssm_a": (state, inner),
        "ssm_d": (inner,),
        "ssm_out.weight": (inner, wide),
    }
    if norms:
        found |= {"ssm_dt_norm.weight": (rank,), "ssm_b_norm.weight": (state,), "ssm_c_norm.weight": (state,)}
    return found


def attention(wide: int, head: int, heads: int, kv_heads: int) -> Shapes:
    return {
        "attn_q.weight": (wide, head * heads),
        "attn_k.weight": (wide, head * kv_heads),
        "attn_v.weight": (wide, head * kv_heads),
        "attn_output.weight": (head * heads, wide),
    }


def gated(wide: int, ff: int) -> Shapes:
    return {"ffn_gate.weight": (wide, ff), "ffn_up.weight": (wide, ff), "ffn_down.weight": (ff, wide)}


def experts_of(wide: int, ff: int, count: int, *, gate: bool = True) -> Shapes:
    found: Shapes = {
        "ffn_gate_inp.weight": (wide, count),
        "ffn_up_exps.weight": (wide, ff, count),
        "ffn_down_exps.weight": (ff, wide, count),
    }
    return found | ({"ffn_gate_exps.weight": (wide, ff, count)} if gate else {})


def ssm_keys(*, inner: int, state: int, rank: int, groups: int | None = None, kernel: int = 4) -> dict[str, int]:
    keys = {
        "ssm.conv_kernel": kernel, "ssm.inner_size": inner, "ssm.state_size": state, "ssm.time_step_rank": rank,
    }  # fmt: skip
    return keys | ({"ssm.group_count": groups} if groups else {})


def norms(wide: int, *names: str) -> Shapes:
    return {f"{name}.weight": (wide,) for name in names}
