"""Models with recurrent layers: Mamba, Jamba, Granite 4, Falcon-H1, Nemotron-H, LFM2, RWKV."""

from __future__ import annotations

from tests.shapes.blocks import attention, experts_of, gated, mamba1_layer, mamba2_layer, model_of, norms, ssm_keys
from tests.shapes.files import ModelShape, Shapes


def mamba1() -> ModelShape:
    wide, inner = 2560, 5120
    return model_of(
        "mamba", lambda _: norms(wide, "attn_norm") | mamba1_layer(wide, inner=inner, state=16, rank=160),
        layers=64, wide=wide, vocabulary=50280, tied=True, context=1048576,
        keys=ssm_keys(inner=inner, state=16, rank=160) | {"attention.head_count": 0, "feed_forward_length": 0},
    )  # fmt: skip


def mamba2() -> ModelShape:
    wide, inner = 2560, 5120
    return model_of(
        "mamba2", lambda _: norms(wide, "attn_norm") | mamba2_layer(wide, inner=inner, state=128, heads=80, groups=1),
        layers=64, wide=wide, vocabulary=50288, tied=True, context=1048576,
        keys=ssm_keys(inner=inner, state=128, rank=80, groups=1)
        | {"attention.head_count": 0, "feed_forward_length": 0},
    )  # fmt: skip


def jamba() -> ModelShape:
    wide, inner, layers = 2560, 5120, 28
    kv = [4 if layer % 14 == 7 else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = (
            attention(wide, 128, 20, 4) if kv[number]
            else mamba1_layer(wide, inner=inner, state=16, rank=160, norms=True)
        )  # fmt: skip
        return norms(wide, "attn_norm", "ffn_norm") | part | gated(wide, 8192)

    return model_of(
        "jamba", layer, layers=layers, wide=wide, vocabulary=65536, context=262144,
        keys=ssm_keys(inner=inner, state=16, rank=160)
        | {"attention.head_count": 20, "attention.head_count_kv": kv, "feed_forward_length": 8192},
    )  # fmt: skip


def granite_hybrid() -> ModelShape:
    wide, inner, layers = 1536, 3072, 40
    kv = [4 if layer in (5, 15, 25, 35) else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = (
            attention(wide, 128, 12, 4)
            if kv[number]
            else mamba2_layer(wide, inner=inner, state=128, heads=48, groups=1)
        )
        shared: Shapes = {
            "ffn_gate_shexp.weight": (wide, 1024), "ffn_up_shexp.weight": (wide, 1024),
            "ffn_down_shexp.weight": (1024, wide),
        }  # fmt: skip
        return norms(wide, "attn_norm", "ffn_norm") | part | experts_of(wide, 512, 64) | shared

    return model_of(
        "granitehybrid", layer, layers=layers, wide=wide, vocabulary=100352, tied=True,
        keys=ssm_keys(inner=inner, state=128, rank=48, groups=1)
        | {
            "attention.head_count": 12, "attention.head_count_kv": kv, "feed_forward_length": 512,
            "expert_count": 64, "expert_used_count": 6, "expert_shared_feed_forward_length": 1024,
            "embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.0078, "logit_scale": 6.0,
            "rope.scaling.finetuned": False,
        },
    )  # fmt: skip


def falcon_h1() -> ModelShape:
    wide, inner = 2048, 3072
    return model_of(
        "falcon-h1",
        lambda _: norms(wide, "attn_norm") | {"ffn_norm": (wide,)} | attention(wide, 128, 8, 2) | gated(wide, 4096)
        | mamba2_layer(wide, inner=inner, state=256, heads=48, groups=1, norm=False),
        layers=24, wide=wide, vocabulary=65537, tied=True,
        keys=ssm_keys(inner=inner, state=256, rank=48, groups=1)
        | {"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": 128,
           "attention.value_length": 128, "feed_forward_length": 4096},
    )  # fmt: skip


def nemotron_h() -> ModelShape:
    wide, inner, layers = 4480, 10240, 56
    attended = (7, 16, 25, 34, 43)
    kv = [8 if layer in attended else 0 for layer in range(layers)]
    ff = [0 if layer in attended or layer % 2 == 0 else 15680 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part: Shapes = {"ffn_up.weight": (wide, 15680), "ffn_down.weight": (15680, wide)}
        if kv[number]:
            part = attention(wide, 128, 40, 8)
        elif not ff[number]:
            part = mamba2_layer(wide, inner=inner, state=128, heads=128, groups=8)
        return norms(wide, "attn_norm") | part

    return model_of(
        "nemotron_h", layer, layers=layers, wide=wide, vocabulary=131072,
        keys=ssm_keys(inner=inner, state=128, rank=128, groups=8)
        | {"attention.head_count": 40, "attention.head_count_kv": kv, "feed_forward_length": ff,
           "attention.key_length": 128, "attention.value_length": 128, "attention.layer_norm_epsilon": 1e-5},
    )  # fmt: skip


def nemotron_h_moe(*, latent: int = 0) -> ModelShape:
    """Nemotron 3 Nano; `latent` is the width that tokens are squeezed to for its experts."""
    wide, inner, layers, experts, ff = 2688, 4096, 52, 128, 1856
    attended = (5, 12, 19, 26, 33, 42)
    kv = [2 if layer in attended else 0 for layer in range(layers)]
    feed = [ff if layer not in attended and layer % 2 else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = experts_of(latent or wide, ff, experts, gate=False) | {
            "ffn_gate_inp.weight": (wide, experts), "exp_probs_b.bias": (experts,),
            "ffn_up_shexp.weight": (wide, 2 * ff), "ffn_down_shexp.weight": (2 * ff, wide),
        }  # fmt: skip
        if latent:
            part |= {"ffn_latent_down.weight": (wide, latent), "ffn_latent_up.weight": (latent, wide)}
        if kv[number]:
            part = attention(wide, 128, 32, 2)
        elif not feed[number]:
            part = mamba2_layer(wide, inner=inner, state=128, heads=64, groups=8)
        return norms(wide, "attn_norm") | part

    return model_of(
        "nemotron_h_moe", layer, layers=layers, wide=wide, vocabulary=131072, context=262144,
        keys=ssm_keys(inner=inner, state=128, rank=64, groups=8)
        | {"attention.head_count": 32, "attention.head_count_kv": kv, "feed_forward_length": feed,
           "attention.key_length": 128, "attention.value_length": 128, "attention.layer_norm_epsilon": 1e-5,
           "expert_count": experts, "expert_used_count": 6, "expert_feed_forward_length": ff,
           "expert_shared_feed_forward_length": 2 * ff, "expert_weights_norm": True, "expert_weights_scale": 2.5,
           "expert_group_count": 1, "expert_group_used_count": 1}
        | ({"moe_latent_size": latent} if latent else {}),
    )  # fmt: skip


def lfm2() -> ModelShape:
    wide, layers = 2048, 16
    kv = [8 if layer in (2, 5, 8, 10, 12, 14) else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = attention(wide, 64, 32, 8) | norms(64, "attn_q_norm", "attn_k_norm") if kv[number] else {
            "shortconv.conv.weight": (3, wide),
            "shortconv.in_proj.weight": (wide, 3 * wide),
            "shortconv.out_proj.weight": (wide, wide),
        }  # fmt: skip
        return norms(wide, "attn_norm", "ffn_norm") | part | gated(wide, 8192)

    return model_of(
        "lfm2", layer, layers=layers, wide=wide, vocabulary=65536, tied=True, context=128000, output_norm=False,
        once={"token_embd_norm.weight": (wide,)},
        keys={"shortconv.l_cache": 3, "attention.head_count": 32, "attention.head_count_kv": kv,
              "feed_forward_length": 8192},
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

    return model_of(
        "rwkv7", layer, layers=layers, wide=wide, vocabulary=65536, context=1048576,
        once={"output_norm.bias": (wide,), "token_embd_norm.weight": (wide,), "token_embd_norm.bias": (wide,)},
        keys={"attention.head_count": 0, "wkv.head_size": 64, "token_shift_count": 2, "feed_forward_length": ff,
              "attention.layer_norm_epsilon": 1e-5, "attention.decay_lora_rank": decay,
              "attention.iclr_lora_rank": rate, "attention.value_residual_mix_lora_rank": mix,
              "attention.gate_lora_rank": gate},
    )  # fmt: skip
