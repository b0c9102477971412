"""Transformers of architectures that fewer people run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.shapes.blocks import attention, experts_of, gated, model_of, norms
from tests.shapes.files import ModelShape, Shapes
from tests.shapes.transformers import transformer


def lfm2_moe() -> ModelShape:
    wide, layers = 2048, 24
    kv = [8 if layer in (2, 6, 10, 14, 18, 21) else 0 for layer in range(layers)]

    def layer(number: int) -> Shapes:
        part = attention(wide, 64, 32, 8) | norms(64, "attn_q_norm", "attn_k_norm") if kv[number] else {
            "shortconv.conv.weight": (3, wide),
            "shortconv.in_proj.weight": (wide, 3 * wide),
            "shortconv.out_proj.weight": (wide, wide),
        }  # fmt: skip
        feed = gated(wide, 7168) if number < 2 else experts_of(wide, 1792, 32) | {"exp_probs_b.bias": (32,)}
        return norms(wide, "attn_norm", "ffn_norm") | part | feed

    return model_of(
        "lfm2moe", layer, layers=layers, wide=wide, vocabulary=65536, tied=True, context=128000, output_norm=False,
        once={"token_embd_norm.weight": (wide,)},
        keys={"shortconv.l_cache": 3, "attention.head_count": 32, "attention.head_count_kv": kv,
              "feed_forward_length": 7168, "expert_count": 32, "expert_used_count": 4,
              "expert_feed_forward_length": 1792, "leading_dense_block_count": 2, "expert_gating_func": 2},
    )  # fmt: skip


def gemma3n() -> ModelShape:
    wide, layers, head, ff, vocabulary, streams = 2048, 35, 256, 16384, 262144, 4

    def layer(_: int) -> Shapes:
        part = norms(wide, "attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm", "post_norm",
                     "altup_router_norm", "altup_correct_scale", "laurel_post_norm")  # fmt: skip
        part |= norms(head, "attn_q_norm", "attn_k_norm") | attention(wide, head, 8, 2) | gated(wide, ff)
        return part | {
            "inp_gate.weight": (wide, 256), "proj.weight": (256, wide),
            "altup_correct_coef.weight": (streams, streams), "altup_router.weight": (wide, streams),
            "altup_predict_coef.weight": (streams, streams * streams),
            "laurel_l.weight": (wide, 64), "laurel_r.weight": (64, wide),
        }  # fmt: skip

    return model_of(
        "gemma3n", layer, layers=layers, wide=wide, vocabulary=vocabulary, context=32768, tied=True,
        once={"altup_proj.weight": (wide, wide, streams - 1), "altup_unembd_proj.weight": (wide, wide, streams - 1),
              "per_layer_token_embd.weight": (256 * layers, vocabulary),
              "per_layer_model_proj.weight": (wide, 256 * layers), "per_layer_proj_norm.weight": (256,)},
        keys={"attention.head_count": 8, "attention.head_count_kv": 2, "attention.key_length": head,
              "attention.value_length": head, "feed_forward_length": ff, "attention.sliding_window": 512,
              "final_logit_softcapping": 30.0},
    )  # fmt: skip


def jina_v2() -> ModelShape:
    wide, ff = 768, 3072

    def layer(_: int) -> Shapes:
        part = attention(wide, 64, 12, 12) | gated(wide, ff) | {"ffn_down.bias": (wide,)}
        part |= {f"{name}.bias": (wide,) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
        for norm in ("attn_output_norm", "layer_output_norm"):
            part |= {f"{norm}.weight": (wide,), f"{norm}.bias": (wide,)}
        return part

    return model_of(
        "jina-bert-v2", layer, layers=12, wide=wide, vocabulary=30528, context=8192, output_norm=False,
        once={"token_embd_norm.weight": (wide,), "token_embd_norm.bias": (wide,), "token_types.weight": (wide, 2)},
        keys={"attention.head_count": 12, "feed_forward_length": ff, "attention.causal": False, "pooling_type": 1,
              "attention.layer_norm_epsilon": 1e-12, "tokenizer.ggml.token_type_count": 2},
    )  # fmt: skip


def _mrope(deep: int = 0) -> dict[str, object]:
    keys: dict[str, object] = {"rope.dimension_sections": [24, 20, 20, 0]}
    return keys | ({"n_deepstack_layers": deep} if deep else {})


MODELS: Final[Mapping[str, Callable[[], ModelShape]]] = {
    "Llama-4-Scout": lambda: transformer(
        "llama4", layers=48, wide=5120, heads=40, kv_heads=8, ff=16384, vocabulary=202048, head=128, experts=16,
        used=1, expert_ff=8192, shared_ff=8192, once={"rope_freqs.weight": (64,)}, context=10485760,
        keys={"interleave_moe_layer_step": 1, "rope.dimension_count": 128},
    ),
    "K-EXAONE-30B-A3B": lambda: transformer(
        "exaone-moe", layers=32, wide=2048, heads=32, kv_heads=4, ff=8192, vocabulary=153600, head=128,
        qk_norm="head", experts=128, used=8, expert_ff=1024, shared_ff=1024, dense_layers=1, expert_bias=True,
        keys={"attention.sliding_window": 128, "leading_dense_block_count": 1, "expert_gating_func": 2,
              "expert_weights_norm": True, "expert_weights_scale": 2.5, "expert_shared_count": 1},
    ),
    "SmolLM3-3B": lambda: transformer(
        "smollm3", layers=36, wide=2048, heads=16, kv_heads=4, ff=11008, vocabulary=128256, tied=True, context=65536
    ),
    "Ministral-3-8B": lambda: transformer(
        "mistral3", layers=34, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=131072, head=128,
        keys={"attention.temperature_scale": 0.1, "rope.scaling.type": "yarn", "rope.scaling.factor": 16.0,
              "rope.scaling.original_context_length": 16384, "rope.dimension_count": 128},
    ),
    "Qwen2-VL-7B": lambda: transformer(
        "qwen2vl", layers=28, wide=3584, heads=28, kv_heads=4, ff=18944, vocabulary=152064, qkv_bias=True,
        keys=_mrope(),
    ),
    "Qwen3-VL-4B": lambda: transformer(
        "qwen3vl", layers=36, wide=2560, heads=32, kv_heads=8, ff=9728, vocabulary=151936, qk_norm="head", head=128,
        tied=True, keys=_mrope(3),
    ),
    "Qwen3-VL-30B-A3B": lambda: transformer(
        "qwen3vlmoe", layers=48, wide=2048, heads=32, kv_heads=4, ff=6144, vocabulary=151936, qk_norm="head", head=128,
        experts=128, used=8, expert_ff=768, keys=_mrope(3),
    ),
    "Granite-3.1-3B-A800M": lambda: transformer(
        "granitemoe", layers=32, wide=1536, heads=24, kv_heads=8, ff=512, vocabulary=49155, tied=True, experts=40,
        used=8, expert_ff=512,
        keys={"embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.0156, "logit_scale": 6.0},
    ),
    "Gemma-7B": lambda: transformer(
        "gemma", layers=28, wide=3072, heads=16, kv_heads=16, ff=24576, vocabulary=256000, tied=True, head=256,
        context=8192,
    ),
    "Phi-2": lambda: transformer(
        "phi2", layers=32, wide=2560, heads=32, kv_heads=32, ff=10240, vocabulary=51200, gate=False, fused_qkv=True,
        biases=True, layer_norm=True, first_norms=("attn_norm",), context=2048, once={"output.bias": (51200,)},
        keys={"rope.dimension_count": 32},
    ),
    "Phi-3.5-MoE": lambda: transformer(
        "phimoe", layers=32, wide=4096, heads=32, kv_heads=8, ff=6400, vocabulary=32064, biases=True, experts=16,
        used=2, expert_ff=6400, once={"output.bias": (32064,), "rope_factors_long.weight": (64,),
                                      "rope_factors_short.weight": (64,)},
        keys={"rope.scaling.original_context_length": 4096, "attention.sliding_window": 131072},
    ),
    "EXAONE-3.5-8B": lambda: transformer(
        "exaone", layers=32, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=102400, context=32768,
        once={"rope_freqs.weight": (64,)},
    ),
    "Seed-OSS-36B": lambda: transformer(
        "seed_oss", layers=64, wide=5120, heads=80, kv_heads=8, ff=27648, vocabulary=155136, head=128, qkv_bias=True,
        first_norms=("attn_norm", "post_attention_norm"),
    ),
    "InternLM2.5-7B": lambda: transformer(
        "internlm2", layers=32, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=92544, context=32768
    ),
    "ERNIE-4.5-0.3B": lambda: transformer(
        "ernie4_5", layers=18, wide=1024, heads=16, kv_heads=2, ff=3072, vocabulary=103424, head=128, tied=True
    ),
    "ERNIE-4.5-21B-A3B": lambda: transformer(
        "ernie4_5-moe", layers=28, wide=2560, heads=20, kv_heads=4, ff=12288, vocabulary=103424, head=128, tied=True,
        experts=64, used=6, expert_ff=1536, shared_ff=3072, dense_layers=1, expert_bias=True,
        keys={"leading_dense_block_count": 1, "interleave_moe_layer_step": 1},
    ),
    "Hunyuan-7B": lambda: transformer(
        "hunyuan-dense", layers=32, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=128167, qk_norm="head",
        head=128, context=262144,
    ),
    "Hunyuan-A13B": lambda: transformer(
        "hunyuan-moe", layers=32, wide=4096, heads=32, kv_heads=8, ff=3072, vocabulary=128167, qk_norm="head",
        head=128, experts=64, used=8, expert_ff=3072, shared_ff=3072, context=262144,
    ),
    "MiniMax-M2": lambda: transformer(
        "minimax-m2", layers=62, wide=3072, heads=48, kv_heads=8, ff=1536, vocabulary=200064, qk_norm="flat",
        head=128, experts=256, used=8, expert_ff=1536, expert_bias=True,
        keys={"rope.dimension_count": 64, "expert_gating_func": 2},
    ),
    "dots.llm1": lambda: transformer(
        "dots1", layers=62, wide=4096, heads=32, kv_heads=32, ff=10944, vocabulary=152064, qk_norm="head",
        experts=128, used=6, expert_ff=1408, shared_ff=2816, dense_layers=1, expert_bias=True, context=32768,
        keys={"leading_dense_block_count": 1, "expert_gating_func": 2, "expert_weights_norm": True,
              "expert_weights_scale": 2.5, "expert_shared_count": 2},
    ),
    "Ling-mini-2.0": lambda: transformer(
        "bailingmoe2", layers=20, wide=2048, heads=16, kv_heads=4, ff=5120, vocabulary=157184, qk_norm="head",
        fused_qkv=True, experts=256, used=8, expert_ff=512, shared_ff=512, dense_layers=1, expert_bias=True,
        keys={"leading_dense_block_count": 1, "expert_gating_func": 2, "expert_weights_norm": True,
              "expert_weights_scale": 2.5, "expert_shared_count": 1, "rope.dimension_count": 64,
              "expert_group_count": 8, "expert_group_used_count": 4},
    ),
    "DeepSeek-MoE-16B": lambda: transformer(
        "deepseek", layers=28, wide=2048, heads=16, kv_heads=16, ff=10944, vocabulary=102400, experts=64, used=6,
        expert_ff=1408, shared_ff=2816, dense_layers=1, context=4096,
        keys={"leading_dense_block_count": 1, "expert_shared_count": 2, "expert_weights_scale": 1.0},
    ),
    "AFM-4.5B": lambda: transformer(
        "arcee", layers=36, wide=2560, heads=20, kv_heads=4, ff=18432, vocabulary=128004, gate=False, context=65536
    ),
    "Minitron-4B": lambda: transformer(
        "nemotron", layers=32, wide=3072, heads=24, kv_heads=8, ff=9216, vocabulary=256000, gate=False,
        layer_norm=True, context=4096,
        once={"output_norm.bias": (3072,)}
        | {f"blk.{layer}.{norm}.bias": (3072,) for layer in range(32) for norm in ("attn_norm", "ffn_norm")},
        keys={"rope.dimension_count": 64},
    ),
    "MiniCPM-2B": lambda: transformer(
        "minicpm", layers=40, wide=2304, heads=36, kv_heads=36, ff=5760, vocabulary=122753, tied=True, context=4096
    ),
    "LFM2-8B-A1B": lfm2_moe,
    "Gemma-3n-E4B": gemma3n,
    "Apertus-8B": lambda: transformer(
        "apertus", layers=32, wide=4096, heads=32, kv_heads=8, ff=21504, vocabulary=131072, gate=False,
        qk_norm="head", context=65536,
        keys={f"xielu.{name}": [0.5] * 32 for name in ("alpha_n", "alpha_p", "beta", "eps")},
    ),
    "jina-embeddings-v2": jina_v2,
}  # fmt: skip
