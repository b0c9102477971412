"""Models with delta nets, and with a compressed cache."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.shapes.blocks import experts_of, gated, model_of, norms, ssm_keys
from tests.shapes.files import ModelShape, Shapes


def qwen35(*, experts: bool = False) -> ModelShape:
    """With a layer at the end that predicts a second token."""
    wide, layers, head = (2048, 40, 256) if experts else (2560, 32, 256)
    heads, kv_heads, key, key_heads, value_heads = (16, 2, 128, 16, 32)
    inner = value_heads * 128

    def layer(number: int) -> Shapes:
        part = norms(wide, "attn_norm", "post_attention_norm")
        if number == layers:
            part |= norms(wide, "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm")
            part["nextn.eh_proj.weight"] = (2 * wide, wide)
        if (number + 1) % 4 == 0 or number == layers:
            part |= {
                "attn_q.weight": (wide, 2 * head * heads), "attn_k.weight": (wide, head * kv_heads),
                "attn_v.weight": (wide, head * kv_heads), "attn_output.weight": (head * heads, wide),
            } | norms(head, "attn_q_norm", "attn_k_norm")  # fmt: skip
        else:
            channels = inner + 2 * key * key_heads
            part |= {
                "attn_qkv.weight": (wide, channels), "attn_gate.weight": (wide, inner),
                "ssm_conv1d.weight": (4, channels), "ssm_dt.bias": (value_heads,), "ssm_a": (value_heads,),
                "ssm_beta.weight": (wide, value_heads), "ssm_alpha.weight": (wide, value_heads),
                "ssm_norm.weight": (128,), "ssm_out.weight": (inner, wide),
            }  # fmt: skip
        if not experts:
            return part | gated(wide, 9216)
        return part | experts_of(wide, 512, 256) | {
            "ffn_gate_shexp.weight": (wide, 512), "ffn_up_shexp.weight": (wide, 512),
            "ffn_down_shexp.weight": (512, wide), "ffn_gate_inp_shexp.weight": (wide,),
        }  # fmt: skip

    keys = ssm_keys(inner=inner, state=key, rank=value_heads, groups=key_heads) | {
        "attention.head_count": heads, "attention.head_count_kv": kv_heads, "attention.key_length": head,
        "attention.value_length": head, "feed_forward_length": 9216, "rope.dimension_count": 64,
        "nextn_predict_layers": 1,
    }  # fmt: skip
    more: dict[str, Any] = {"rope.dimension_sections": [11, 11, 10, 0]}
    if experts:
        more |= {"expert_count": 256, "expert_used_count": 8, "expert_feed_forward_length": 512,
                 "expert_shared_feed_forward_length": 512}  # fmt: skip
    return model_of(
        "qwen35moe" if experts else "qwen35", layer, layers=layers + 1, wide=wide, vocabulary=248320,
        tied=not experts, context=262144, keys=keys | more,
    )  # fmt: skip


def qwen3_next() -> ModelShape:
    wide, layers, head, heads, kv_heads = 2048, 48, 256, 16, 2
    key, key_heads, value_heads = 128, 16, 32
    inner = value_heads * 128

    def layer(number: int) -> Shapes:
        part = norms(wide, "attn_norm", "post_attention_norm")
        if (number + 1) % 4 == 0:
            part |= {
                "attn_q.weight": (wide, 2 * head * heads), "attn_k.weight": (wide, head * kv_heads),
                "attn_v.weight": (wide, head * kv_heads), "attn_output.weight": (head * heads, wide),
            } | norms(head, "attn_q_norm", "attn_k_norm")  # fmt: skip
        else:
            channels = inner + 2 * key * key_heads
            part |= {
                "attn_qkv.weight": (wide, channels), "attn_gate.weight": (wide, inner),
                "ssm_conv1d.weight": (4, channels), "ssm_dt.bias": (value_heads,), "ssm_a": (value_heads,),
                "ssm_ba.weight": (wide, 2 * value_heads), "ssm_norm.weight": (128,), "ssm_out.weight": (inner, wide),
            }  # fmt: skip
        return part | experts_of(wide, 512, 512) | {
            "ffn_gate_shexp.weight": (wide, 512), "ffn_up_shexp.weight": (wide, 512),
            "ffn_down_shexp.weight": (512, wide), "ffn_gate_inp_shexp.weight": (wide,),
        }  # fmt: skip

    return model_of(
        "qwen3next", layer, layers=layers, wide=wide, vocabulary=151936, context=262144,
        keys=ssm_keys(inner=inner, state=key, rank=value_heads, groups=key_heads) | {
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
        part = norms(wide, "attn_norm", "ffn_norm") | norms(rank, "attn_kv_a_norm")
        part |= {"attn_kv_a_mqa.weight": (wide, rank + turned), "attn_output.weight": (heads * value, wide)}
        if large:
            part |= norms(1536, "attn_q_a_norm") | {
                "attn_q_a.weight": (wide, 1536), "attn_q_b.weight": (1536, heads * (plain + turned)),
            }  # fmt: skip
        else:
            part["attn_q.weight"] = (wide, heads * (plain + turned))
        if latent:
            part |= {"attn_k_b.weight": (plain, rank, heads), "attn_v_b.weight": (rank, value, heads)}
        else:
            part["attn_kv_b.weight"] = (rank, heads * (plain + value))
        if number < dense:
            return part | gated(wide, ff)
        shared = 2 * expert_ff if not large else expert_ff
        part |= experts_of(wide, expert_ff, experts) | {
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
    return model_of(
        "deepseek2", layer, layers=layers, wide=wide, vocabulary=129280 if large else 102400, context=163840, keys=keys,
    )  # fmt: skip


def mistral4() -> ModelShape:
    """As DeepSeek V3 is, with queries scaled by their position."""
    like = deepseek(latent=True, large=True)
    more = {
        "attention.temperature_scale": 0.1, "attention.temperature_length": 8192, "rope.scaling.type": "yarn",
        "rope.scaling.factor": 32.0, "rope.scaling.original_context_length": 8192,
    }  # fmt: skip
    return replace(like, architecture="mistral4", keys=dict(like.keys) | more)
