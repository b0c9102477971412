"""The shapes of models that are more than a plain transformer: states, compressed caches, encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.model_shapes import ModelShape, Shapes, transformer


def _model(
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


def _mamba2(wide: int, *, inner: int, state: int, heads: int, groups: int, kernel: int = 4, norm: bool = True) -> Shapes:
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


def _mamba1(wide: int, *, inner: int, state: int, rank: int, kernel: int = 4, norms: bool = False) -> Shapes:
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


def _attention(wide: int, head: int, heads: int, kv_heads: int) -> Shapes:
    return {
        "attn_q.weight": (wide, head * heads),
        "attn_k.weight": (wide, head * kv_heads),
        "attn_v.weight": (wide, head * kv_heads),
        "attn_output.weight": (head * heads, wide),
    }


def _gated(wide: int, ff: int) -> Shapes:
    return {"ffn_gate.weight": (wide, ff), "ffn_up.weight": (wide, ff), "ffn_down.weight": (ff, wide)}


def _experts(wide: int, ff: int, count: int, *, gate: bool = True) -> Shapes:
    found: Shapes = {
        "ffn_gate_inp.weight": (wide, count),
        "ffn_up_exps.weight": (wide, ff, count),
        "ffn_down_exps.weight": (ff, wide, count),
    }
    return found | ({"ffn_gate_exps.weight": (wide, ff, count)} if gate else {})


def _ssm(*, inner: int, state: int, rank: int, groups: int | None = None, kernel: int = 4) -> dict[str, int]:
    keys = {
        "ssm.conv_kernel": kernel, "ssm.inner_size": inner, "ssm.state_size": state, "ssm.time_step_rank": rank,
    }  # fmt: skip
    return keys | ({"ssm.group_count": groups} if groups else {})


def _norms(wide: int, *names: str) -> Shapes:
    return {f"{name}.weight": (wide,) for name in names}


def mamba1() -> ModelShape:
    wide, inner = 2560, 5120
    return _model(
        "mamba", lambda _: _norms(wide, "attn_norm") | _mamba1(wide, inner=inner, state=16, rank=160),
        layers=64, wide=wide, vocabulary=50280, tied=True, context=1048576,
        keys=_ssm(inner=inner, state=16, rank=160) | {"attention.head_count": 0, "feed_forward_length": 0},
    )  # fmt: skip


def mamba2() -> ModelShape:
    wide, inner = 2560, 5120
    return _model(
        "mamba2", lambda _: _norms(wide, "attn_norm") | _mamba2(wide, inner=inner, state=128, heads=80, groups=1),
        layers=64, wide=wide, vocabulary=50288, tied=True, context=1048576,
        keys=_ssm(inner=inner, state=128, rank=80, groups=1) | {"attention.head_count": 0, "feed_forward_length": 0},
    )  # fmt: skip


def jamba() -> ModelShape:
    wide, inner, layers = 2560, 5120, 28
    kv = [4 if layer % 14 == 7 else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = (
            _attention(wide, 128, 20, 4) if kv[number]
            else _mamba1(wide, inner=inner, state=16, rank=160, norms=True)
        )  # fmt: skip
        return _norms(wide, "attn_norm", "ffn_norm") | part | _gated(wide, 8192)

    return _model(
        "jamba", layer, layers=layers, wide=wide, vocabulary=65536, context=262144,
        keys=_ssm(inner=inner, state=16, rank=160)
        | {"attention.head_count": 20, "attention.head_count_kv": kv, "feed_forward_length": 8192},
    )  # fmt: skip


def granite_hybrid() -> ModelShape:
    wide, inner, layers = 1536, 3072, 40
    kv = [4 if layer in (5, 15, 25, 35) else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = _attention(wide, 128, 12, 4) if kv[number] else _mamba2(wide, inner=inner, state=128, heads=48, groups=1)
        shared: Shapes = {
            "ffn_gate_shexp.weight": (wide, 1024), "ffn_up_shexp.weight": (wide, 1024),
            "ffn_down_shexp.weight": (1024, wide),
        }  # fmt: skip
        return _norms(wide, "attn_norm", "ffn_norm") | part | _experts(wide, 512, 64) | shared

    return _model(
        "granitehybrid", layer, layers=layers, wide=wide, vocabulary=100352, tied=True,
        keys=_ssm(inner=inner, state=128, rank=48, groups=1)
        | {
            "attention.head_count": 12, "attention.head_count_kv": kv, "feed_forward_length": 512,
            "expert_count": 64, "expert_used_count": 6, "expert_shared_feed_forward_length": 1024,
            "embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.0078, "logit_scale": 6.0,
            "rope.scaling.finetuned": False,
        },
    )  # fmt: skip


def falcon_h1() -> ModelShape:
    wide, inner = 2048, 3072
    return _model(
        "falcon-h1",
        lambda _: _norms(wide, "attn_norm") | {"ffn_norm": (wide,)} | _attention(wide, 128, 8, 2) | _gated(wide, 4096)
        | _mamba2(wide, inner=inner, state=256, heads=48, groups=1, norm=False),
        layers=24, wide=wide, vocabulary=65537, tied=True,
        keys=_ssm(inner=inner, state=256, rank=48, groups=1)
        | {"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 128,
           "attention.value_length": 128, "feed_forward_length": 4096},
    )  # fmt: skip


def nemotron_h() -> ModelShape:
    wide, inner, layers = 4480, 10240, 56
    attention = (7, 16, 25, 34, 43)
    kv = [8 if layer in attention else 0 for layer in range(layers)]
    ff = [0 if layer in attention or layer % 2 == 0 else 15680 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part: Shapes = {"ffn_up.weight": (wide, 15680), "ffn_down.weight": (15680, wide)}
        if kv[number]:
            part = _attention(wide, 128, 40, 8)
        elif not ff[number]:
            part = _mamba2(wide, inner=inner, state=128, heads=128, groups=8)
        return _norms(wide, "attn_norm") | part

    return _model(
        "nemotron_h", layer, layers=layers, wide=wide, vocabulary=131072,
        keys=_ssm(inner=inner, state=128, rank=128, groups=8)
        | {"attention.head_count": 40, "attention.head_count_kv": kv, "feed_forward_length": ff,
           "attention.key_length": 128, "attention.value_length": 128, "attention.layer_norm_epsilon": 1e-5},
    )  # fmt: skip


def lfm2() -> ModelShape:
    wide, layers = 2048, 16
    kv = [8 if layer in (2, 5, 8, 10, 12, 14) else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = _attention(wide, 64, 32, 8) | _norms(64, "attn_q_norm", "attn_k_norm") if kv[number] else {
            "shortconv.conv.weight": (3, wide),
            "shortconv.in_proj.weight": (wide, 3 * wide),
            "shortconv.out_proj.weight": (wide, wide),
        }  # fmt: skip
        return _norms(wide, "attn_norm", "ffn_norm") | part | _gated(wide, 8192)

    return _model(
        "lfm2", layer, layers=layers, wide=wide, vocabulary=65536, tied=True, context=128000, output_norm=False,
        once={"token_embd_norm.weight": (wide,)},
        keys={"shortconv.l_cache": 3, "attention.head_count": 32, "attention.head_count_kv": kv,
              "feed_forward_length": 8192},
    )  # fmt: skip


def qwen35(*, experts: bool = False) -> ModelShape:
    wide, layers, head = (2048, 40, 256) if experts else (2560, 32, 256)
    heads, kv_heads, key, key_heads, value_heads = (16, 2, 128, 16, 32)
    inner = value_heads * 128

    def layer(number: int) -> Shapes:
        part = _norms(wide, "attn_norm", "post_attention_norm")
        if (number + 1) % 4 == 0:
            part |= {
                "attn_q.weight": (wide, 2 * head * heads), "attn_k.weight": (wide, head * kv_heads),
                "attn_v.weight": (wide, head * kv_heads), "attn_output.weight": (head * heads, wide),
            } | _norms(head, "attn_q_norm", "attn_k_norm")  # fmt: skip
        else:
            channels = inner + 2 * key * key_heads
            part |= {
                "attn_qkv.weight": (wide, channels), "attn_gate.weight": (wide, inner),
                "ssm_conv1d.weight": (4, channels), "ssm_dt.bias": (value_heads,), "ssm_a": (value_heads,),
                "ssm_beta.weight": (wide, value_heads), "ssm_alpha.weight": (wide, value_heads),
                "ssm_norm.weight": (128,), "ssm_out.weight": (inner, wide),
            }  # fmt: skip
        if not experts:
            return part | _gated(wide, 9216)
        return part | _experts(wide, 512, 256) | {
            "ffn_gate_shexp.weight": (wide, 512), "ffn_up_shexp.weight": (wide, 512),
            "ffn_down_shexp.weight": (512, wide), "ffn_gate_inp_shexp.weight": (wide,),
        }  # fmt: skip

    keys = _ssm(inner=inner, state=key, rank=value_heads, groups=key_heads) | {
        "attention.head_count": heads, "attention.head_count_kv": kv_heads, "attention.key_length": head,
        "attention.value_length": head, "feed_forward_length": 9216, "rope.dimension_count": 64,
    }  # fmt: skip
    more: dict[str, Any] = {"rope.dimension_sections": [11, 11, 10, 0]}
    if experts:
        more |= {"expert_count": 256, "expert_used_count": 8, "expert_feed_forward_length": 512,
                 "expert_shared_feed_forward_length": 512}  # fmt: skip
    return _model(
        "qwen35moe" if experts else "qwen35", layer, layers=layers, wide=wide, vocabulary=248320,
        tied=not experts, context=262144, keys=keys | more,
    )  # fmt: skip


def qwen3_next() -> ModelShape:
    wide, layers, head, heads, kv_heads = 2048, 48, 256, 16, 2
    key, key_heads, value_heads = 128, 16, 32
    inner = value_heads * 128

    def layer(number: int) -> Shapes:
        part = _norms(wide, "attn_norm", "post_attention_norm")
        if (number + 1) % 4 == 0:
            part |= {
                "attn_q.weight": (wide, 2 * head * heads), "attn_k.weight": (wide, head * kv_heads),
                "attn_v.weight": (wide, head * kv_heads), "attn_output.weight": (head * heads, wide),
            } | _norms(head, "attn_q_norm", "attn_k_norm")  # fmt: skip
        else:
            channels = inner + 2 * key * key_heads
            part |= {
                "attn_qkv.weight": (wide, channels), "attn_gate.weight": (wide, inner),
                "ssm_conv1d.weight": (4, channels), "ssm_dt.bias": (value_heads,), "ssm_a": (value_heads,),
                "ssm_ba.weight": (wide, 2 * value_heads), "ssm_norm.weight": (128,), "ssm_out.weight": (inner, wide),
            }  # fmt: skip
        return part | _experts(wide, 512, 512) | {
            "ffn_gate_shexp.weight": (wide, 512), "ffn_up_shexp.weight": (wide, 512),
            "ffn_down_shexp.weight": (512, wide), "ffn_gate_inp_shexp.weight": (wide,),
        }  # fmt: skip

    return _model(
        "qwen3next", layer, layers=layers, wide=wide, vocabulary=151936, context=262144,
        keys=_ssm(inner=inner, state=key, rank=value_heads, groups=key_heads) | {
            "attention.head_count": heads, "attention.head_count_kv": kv_heads, "attention.key_length": head,
            "attention.value_length": head, "feed_forward_length": 5120, "rope.dimension_count": 64,
            "expert_count": 512, "expert_used_count": 10, "expert_feed_forward_length": 512,
            "expert_shared_feed_forward_length": 512,
        },
    )  # fmt: skip


def deepseek(*, latent: bool, large: bool = False) -> ModelShape:
    """DeepSeek V2 Lite and V3, with and without the matrices of the compressed cache."""
    wide, layers, heads, rank, experts, used, ff, expert_ff = (
        (7168, 61, 128, 512, 256, 8, 18432, 2048) if large else (2048, 27, 16, 512, 64, 6, 10944, 1408)
    )
    plain, turned, value, dense = 128, 64, 128, 3 if large else 1

    def layer(number: int) -> Shapes:
        part = _norms(wide, "attn_norm", "ffn_norm") | _norms(rank, "attn_kv_a_norm")
        part |= {"attn_kv_a_mqa.weight": (wide, rank + turned), "attn_output.weight": (heads * value, wide)}
        if large:
            part |= _norms(1536, "attn_q_a_norm") | {
                "attn_q_a.weight": (wide, 1536), "attn_q_b.weight": (1536, heads * (plain + turned)),
            }  # fmt: skip
        else:
            part["attn_q.weight"] = (wide, heads * (plain + turned))
        if latent:
            part |= {"attn_k_b.weight": (plain, rank, heads), "attn_v_b.weight": (rank, value, heads)}
        else:
            part["attn_kv_b.weight"] = (rank, heads * (plain + value))
        if number < dense:
            return part | _gated(wide, ff)
        shared = 2 * expert_ff if not large else expert_ff
        part |= _experts(wide, expert_ff, experts) | {
            "ffn_gate_shexp.weight": (wide, shared), "ffn_up_shexp.weight": (wide, shared),
            "ffn_down_shexp.weight": (shared, wide),
        }  # fmt: skip
        return part | ({"exp_probs_b.bias": (experts,)} if large else {})

    keys: dict[str, Any] = {
        "attention.head_count": heads, "attention.kv_lora_rank": rank, "rope.dimension_count": turned,
        "leading_dense_block_count": dense, "expert_count": experts, "expert_used_count": used,
        "expert_feed_forward_length": expert_ff, "expert_shared_count": 1 if large else 2,
        "feed_forward_length": ff, "expert_weights_scale": 2.5 if large else 1.0,
    }  # fmt: skip
    if large:
        keys |= {"attention.q_lora_rank": 1536, "expert_gating_func": 2, "expert_weights_norm": True,
                 "expert_group_count": 8, "expert_group_used_count": 4}  # fmt: skip
    if latent:
        keys |= {"attention.head_count_kv": 1, "attention.key_length": rank + turned, "attention.value_length": rank,
                 "attention.key_length_mla": plain + turned, "attention.value_length_mla": value}  # fmt: skip
    else:
        keys |= {"attention.head_count_kv": heads, "attention.key_length": plain + turned,
                 "attention.value_length": value}  # fmt: skip
    return _model(
        "deepseek2", layer, layers=layers, wide=wide, vocabulary=129280 if large else 102400, context=163840, keys=keys,
    )  # fmt: skip


def rwkv7() -> ModelShape:
    wide, layers, ff, decay, rate, mix, gate = 2048, 24, 8192, 96, 96, 64, 256

    def layer(number: int) -> Shapes:
        part: Shapes = {}
        for norm in ("attn_norm", "attn_norm_2"):
            part |= {f"{norm}.weight": (wide,), f"{norm}.bias": (wide,)}
        part |= {
            "time_mix_w0.weight": (wide,), "time_mix_w1.weight": (wide, decay), "time_mix_w2.weight": (decay, wide),
            "time_mix_a0.weight": (wide,), "time_mix_a1.weight": (wide, rate), "time_mix_a2.weight": (rate, wide),
            "time_mix_v0.weight": (wide,), "time_mix_v1.weight": (wide, mix if number else rate),
            "time_mix_v2.weight": (mix if number else rate, wide),
            "time_mix_g1.weight": (wide, gate), "time_mix_g2.weight": (gate, wide),
            "time_mix_lerp_fused.weight": (wide, 1, 1, 6),
            "time_mix_k_k.weight": (wide,), "time_mix_k_a.weight": (wide,), "time_mix_r_k.weight": (wide,),
            "time_mix_key.weight": (wide, wide), "time_mix_value.weight": (wide, wide),
            "time_mix_receptance.weight": (wide, wide), "time_mix_output.weight": (wide, wide),
            "time_mix_ln.weight": (wide,), "time_mix_ln.bias": (wide,),
            "channel_mix_lerp_k.weight": (wide,), "channel_mix_key.weight": (wide, ff),
            "channel_mix_value.weight": (ff, wide),
        }  # fmt: skip
        return part

    shape = _model(
        "rwkv7", layer, layers=layers, wide=wide, vocabulary=65536, context=1048576,
        once={"output_norm.bias": (wide,), "token_embd_norm.weight": (wide,), "token_embd_norm.bias": (wide,)},
        keys={"attention.head_count": 0, "wkv.head_size": 64, "token_shift_count": 2, "feed_forward_length": ff,
              "attention.layer_norm_epsilon": 1e-5, "attention.decay_lora_rank": decay,
              "attention.iclr_lora_rank": rate, "attention.value_residual_mix_lora_rank": mix,
              "attention.gate_lora_rank": gate},
    )  # fmt: skip
    return shape
