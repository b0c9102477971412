"""Encoders, and Gemma 4."""

from __future__ import annotations

from typing import Any

from tests.shapes.blocks import attention, experts_of, gated, model_of, norms
from tests.shapes.files import ModelShape, Shapes


def bert(architecture: str = "bert") -> ModelShape:
    """BGE-large, or nomic-embed-text with its gated feed forward and fused matrix."""
    wide, layers, heads, ff = (1024, 24, 16, 4096) if architecture == "bert" else (768, 12, 12, 3072)

    def layer(number: int) -> Shapes:
        part: Shapes = {}
        for norm in ("attn_output_norm", "layer_output_norm"):
            part |= {f"{norm}.weight": (wide,), f"{norm}.bias": (wide,)}
        if architecture == "bert":
            part |= attention(wide, wide // heads, heads, heads)
            part |= {"ffn_up.weight": (wide, ff), "ffn_down.weight": (ff, wide)}
            part |= {f"{name}.bias": (wide,) for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_down")}
            return part | {"ffn_up.bias": (ff,)}
        part |= {"attn_qkv.weight": (wide, 3 * wide), "attn_output.weight": (wide, wide)}
        if architecture == "nomic-bert":
            return part | gated(wide, ff)
        part |= {"attn_qkv.bias": (3 * wide,), "attn_output.bias": (wide,)}
        if number % 2 == 1:
            return part | experts_of(wide, ff, 8, gate=False)
        return part | {
            "ffn_up.weight": (wide, ff), "ffn_down.weight": (ff, wide), "ffn_up.bias": (ff,), "ffn_down.bias": (wide,),
        }  # fmt: skip

    once: Shapes = {"token_embd_norm.weight": (wide,), "token_embd_norm.bias": (wide,)}
    context = 512 if architecture == "bert" else 2048
    if architecture != "nomic-bert-moe":
        once["token_types.weight"] = (wide, 2)
    if architecture == "bert":
        once["position_embd.weight"] = (wide, context)
    keys: dict[str, Any] = {
        "attention.head_count": heads, "feed_forward_length": ff, "attention.causal": False, "pooling_type": 1,
        "attention.layer_norm_epsilon": 1e-12, "tokenizer.ggml.token_type_count": 2,
    }  # fmt: skip
    if architecture == "nomic-bert-moe":
        keys |= {"expert_count": 8, "expert_used_count": 2, "moe_every_n_layers": 2}
    vocabulary = 250048 if architecture == "nomic-bert-moe" else 30522
    return model_of(
        architecture, layer, layers=layers, wide=wide, vocabulary=vocabulary, context=context, once=once, keys=keys,
        output_norm=False,
    )  # fmt: skip


def embedding_gemma() -> ModelShape:
    wide, layers, heads, head = 768, 24, 3, 256

    def layer(_: int) -> Shapes:
        return (
            norms(wide, "attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm")
            | norms(head, "attn_q_norm", "attn_k_norm")
            | attention(wide, head, heads, 1)
            | gated(wide, 1152)
        )

    return model_of(
        "gemma-embedding", layer, layers=layers, wide=wide, vocabulary=262144, context=2048, tied=True,
        keys={"attention.head_count": heads, "attention.head_count_kv": 1, "attention.key_length": head,
              "attention.value_length": head, "feed_forward_length": 1152, "attention.sliding_window": 512,
              "pooling_type": 1},
    )  # fmt: skip


def gemma4(*, experts: bool = False) -> ModelShape:
    """Gemma 4 E2B, or 26B-A4B."""
    wide, layers, heads, ff, period = (2816, 30, 16, 2112, 6) if experts else (1536, 35, 8, 6144, 5)
    shared, extra = (0, 0) if experts else (20, 256)
    windows = [layer % period != period - 1 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        head = 256 if windows[number] else 512
        kv_heads = (8 if windows[number] else 2) if experts else 1
        part = norms(wide, "attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm") | norms(head, "attn_q_norm")
        part |= {"attn_q.weight": (wide, head * heads), "attn_output.weight": (head * heads, wide)}
        if number < layers - shared:
            part |= norms(head, "attn_k_norm") | {"attn_k.weight": (wide, head * kv_heads)}
            if windows[number] or not experts:
                part["attn_v.weight"] = (wide, head * kv_heads)
        else:  # unused, but in the files
            part |= norms(head, "attn_k_norm") | {
                "attn_k.weight": (wide, head * kv_heads), "attn_v.weight": (wide, head * kv_heads),
            }  # fmt: skip
        part |= gated(wide, ff if experts or number < layers - shared else 2 * ff)
        part["layer_output_scale.weight"] = (1,)
        if extra:
            part |= {"inp_gate.weight": (wide, extra), "proj.weight": (extra, wide), "post_norm.weight": (wide,)}
        if experts:
            part |= norms(wide, "post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2") | {
                "ffn_gate_inp.weight": (wide, 128), "ffn_gate_inp.scale": (wide,),
                "ffn_gate_up_exps.weight": (wide, 2 * 704, 128), "ffn_down_exps.weight": (704, wide, 128),
                "ffn_down_exps.scale": (128,),
            }  # fmt: skip
        return part

    once: Shapes = {"rope_freqs.weight": (256,)}
    if extra:
        once |= {
            "per_layer_token_embd.weight": (extra * layers, 262144),
            "per_layer_model_proj.weight": (wide, extra * layers), "per_layer_proj_norm.weight": (extra,),
        }  # fmt: skip
    kv = [(8 if window else 2) if experts else 1 for window in windows]
    keys: dict[str, Any] = {
        "attention.head_count": heads, "attention.head_count_kv": kv if experts else 1, "attention.key_length": 512,
        "attention.value_length": 512, "attention.key_length_swa": 256, "attention.value_length_swa": 256,
        "attention.sliding_window": 1024 if experts else 512, "attention.sliding_window_pattern": windows,
        "attention.shared_kv_layers": shared, "embedding_length_per_layer_input": extra,
        "feed_forward_length": ff if experts else [ff * (1 + (number >= layers - shared)) for number in range(layers)],
        "final_logit_softcapping": 30.0, "rope.dimension_count": 512, "rope.dimension_count_swa": 256,
    }  # fmt: skip
    if experts:
        keys |= {"expert_count": 128, "expert_used_count": 8, "expert_feed_forward_length": 704}
    return model_of("gemma4", layer, layers=layers, wide=wide, vocabulary=262144, tied=True, once=once, keys=keys)
