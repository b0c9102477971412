"""Transformers of the first years that are still used, and a few that are put together in a way of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.shapes.files import ModelShape, Shapes
from tests.shapes.transformers import transformer


def minicpm3() -> ModelShape:
    """Keys and values come from a compressed form that is unfolded before the cache."""
    layers, wide, heads, rank, queries, turned, key = 62, 2560, 40, 256, 768, 32, 96
    plain = transformer(
        "minicpm3", layers=layers, wide=wide, heads=heads, kv_heads=heads, head=key, ff=6400, vocabulary=73448,
        tied=True, context=32768,
        keys={"attention.q_lora_rank": queries, "attention.kv_lora_rank": rank, "attention.value_length": 64,
              "attention.key_length": key, "rope.dimension_count": turned},
        once={"rope_factors_long.weight": (turned // 2,), "rope_factors_short.weight": (turned // 2,)},
    )  # fmt: skip
    tensors: Shapes = {
        name: shape for name, shape in plain.tensors.items() if not any(part in name for part in ("_q.", "_k.", "_v."))
    }
    for layer in range(layers):
        block = f"blk.{layer}"
        tensors |= {
            f"{block}.attn_q_a.weight": (wide, queries),
            f"{block}.attn_q_a_norm.weight": (queries,),
            f"{block}.attn_q_b.weight": (queries, heads * key),
            f"{block}.attn_kv_a_mqa.weight": (wide, rank + turned),
            f"{block}.attn_kv_a_norm.weight": (rank,),
            f"{block}.attn_kv_b.weight": (rank, heads * (key - turned + 64)),
            f"{block}.attn_output.weight": (heads * 64, wide),
        }
    return ModelShape(plain.architecture, plain.keys, tensors, plain.vocabulary)


MODELS: Final[Mapping[str, Callable[[], ModelShape]]] = {
    "Pythia-6.9B": lambda: transformer(
        "gptneox", layers=32, wide=4096, heads=32, kv_heads=32, ff=16384, vocabulary=50432, context=2048, gate=False,
        fused_qkv=True, biases=True, layer_norm=True,
        keys={"use_parallel_residual": True, "rope.dimension_count": 32},
    ),
    "RedPajama-3B": lambda: transformer(
        "gptneox", layers=32, wide=2560, heads=32, kv_heads=32, ff=10240, vocabulary=50432, context=2048, gate=False,
        fused_qkv=True, biases=True, layer_norm=True,
        keys={"use_parallel_residual": False, "rope.dimension_count": 80},
    ),
    "BLOOMZ-7B1": lambda: transformer(
        "bloom", layers=30, wide=4096, heads=32, kv_heads=32, ff=16384, vocabulary=250880, context=2048, gate=False,
        fused_qkv=True, biases=True, layer_norm=True, tied=True,
        once={"token_embd_norm.weight": (4096,), "token_embd_norm.bias": (4096,)},
    ),
    "MPT-7B": lambda: transformer(
        "mpt", layers=32, wide=4096, heads=32, kv_heads=32, ff=16384, vocabulary=50432, context=2048, gate=False,
        fused_qkv=True, layer_norm=True, tied=True, keys={"attention.max_alibi_bias": 8.0},
    ),
    "Refact-1.6B": lambda: transformer(
        "refact", layers=32, wide=2048, heads=32, kv_heads=1, ff=5632, vocabulary=49216, context=4096,
    ),
    "CodeShell-7B": lambda: transformer(
        "codeshell", layers=42, wide=4096, heads=32, kv_heads=8, ff=16384, vocabulary=70144, context=8192, gate=False,
        biases=True, layer_norm=True, keys={"rope.dimension_count": 128},
    ),
    "Qwen-7B": lambda: transformer(
        "qwen", layers=32, wide=4096, heads=32, kv_heads=32, ff=11008, vocabulary=151936, context=32768,
        fused_qkv=True, keys={"feed_forward_length": 22016, "rope.dimension_count": 128},
        more=lambda _: {"attn_qkv.bias": (12288,)},
    ),
    "MiniCPM3-4B": minicpm3,
    "SmallThinker-4B": lambda: transformer(
        "smallthinker", layers=32, wide=1536, heads=12, kv_heads=2, head=128, ff=768, vocabulary=151936,
        context=32768, experts=32, used=4, expert_ff=768, tied=True,
        keys={"expert_gating_func": 2, "rope.dimension_count": 128},
    ),
    "SmallThinker-21B": lambda: transformer(
        "smallthinker", layers=52, wide=2560, heads=28, kv_heads=4, head=128, ff=768, vocabulary=151936,
        context=16384, experts=64, used=6, expert_ff=768,
        keys={"expert_gating_func": 2, "attention.sliding_window": 4096, "rope.dimension_count": 128},
    ),
    "Command A MoE (30B-A3B)": lambda: transformer(
        "cohere2moe", layers=49, wide=2048, heads=32, kv_heads=4, head=128, ff=8192, vocabulary=262144, tied=True,
        first_norms=("attn_norm",), layer_norm=True, experts=128, used=8, expert_ff=768, shared_ff=768,
        dense_layers=1,
        keys={"attention.sliding_window": 4096, "logit_scale": 0.25, "leading_dense_block_count": 1,
              "expert_shared_count": 1, "expert_gating_func": 2, "expert_weights_norm": True,
              "rope.dimension_count": 128},
    ),
}  # fmt: skip
