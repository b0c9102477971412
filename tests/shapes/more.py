"""Transformers that came early, and the newest ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from tests.shapes import encoders
from tests.shapes.files import ModelShape, Shapes
from tests.shapes.transformers import transformer


def olmo() -> ModelShape:
    """No norm has a weight."""
    shape = transformer(
        "olmo", layers=16, wide=2048, heads=16, kv_heads=16, ff=8192, vocabulary=50304, tied=True, context=4096,
        first_norms=(), layer_norm=True,
    )  # fmt: skip
    return replace(shape, tensors={name: size for name, size in shape.tensors.items() if "norm" not in name})


def norm_biases(wide: int, layers: int, *norms: str) -> Shapes:
    """Biases of norms alone, the last one's among them."""
    every = {f"blk.{layer}.{norm}.bias": (wide,) for layer in range(layers) for norm in norms}
    return {"output_norm.bias": (wide,), **every}


def laguna(layers: int, wide: int, heads: int, experts: int, used: int, ff: int) -> ModelShape:
    """The first of four layers sees all; each head has a gate."""
    return transformer(
        "laguna", layers=layers, wide=wide, heads=heads, kv_heads=8, head=128, ff=4 * wide, vocabulary=131072,
        qk_norm="head", experts=experts, used=used, expert_ff=ff, shared_ff=ff, dense_layers=1, expert_bias=True,
        keys={"attention.sliding_window": 512, "leading_dense_block_count": 1, "expert_gating_func": 2,
              "expert_weights_norm": True, "expert_weights_scale": 2.5, "rope.dimension_count": 64},
        more=lambda _: {"attn_gate.weight": (wide, heads)},
    )  # fmt: skip


def encoder(architecture: str, layers: int, wide: int, heads: int, ff: int, vocabulary: int) -> ModelShape:
    """ModernBERT, or EuroBERT."""
    is_modern = architecture == "modern-bert"
    shape = transformer(
        architecture, layers=layers, wide=wide, heads=heads, kv_heads=heads, ff=ff, vocabulary=vocabulary,
        context=8192, fused_qkv=is_modern, gate=not is_modern, fused_up=is_modern, layer_norm=is_modern, tied=True,
        once={"token_embd_norm.weight": (wide,)} if is_modern else {},
        keys={"attention.causal": False, "pooling_type": 1}
        | ({"attention.sliding_window": 128, "rope.freq_base_swa": 10000.0} if is_modern else {}),
    )  # fmt: skip
    unused = "blk.0.attn_norm.weight" if is_modern else ""
    return replace(shape, tensors={name: size for name, size in shape.tensors.items() if name != unused})


def jina_v3() -> ModelShape:
    """BERT with positions by rope and biases throughout."""
    shape = encoders.bert()
    tensors = {name: size for name, size in shape.tensors.items() if name != "position_embd.weight"}
    return replace(shape, architecture="jina-bert-v3", tensors=tensors)


MODELS: Final[Mapping[str, Callable[[], ModelShape]]] = {
    "XVERSE-7B": lambda: transformer(
        "xverse", layers=32, wide=4096, heads=32, kv_heads=32, ff=11008, vocabulary=100534, context=8192,
        keys={"rope.dimension_count": 128},
    ),
    "Baichuan2-7B": lambda: transformer(
        "baichuan", layers=32, wide=4096, heads=32, kv_heads=32, ff=11008, vocabulary=125696, context=4096,
        keys={"rope.dimension_count": 128},
    ),
    "Orion-14B": lambda: transformer(
        "orion", layers=40, wide=5120, heads=40, kv_heads=40, ff=15360, vocabulary=84608, context=4096,
        layer_norm=True, once=norm_biases(5120, 40, "attn_norm", "ffn_norm"),
    ),
    "OLMo-1B": olmo,
    "StableLM-2-1.6B": lambda: transformer(
        "stablelm", layers=24, wide=2048, heads=32, kv_heads=32, ff=5632, vocabulary=100352, context=4096,
        qkv_bias=True, layer_norm=True, once=norm_biases(2048, 24, "attn_norm", "ffn_norm"),
        keys={"rope.dimension_count": 16, "use_parallel_residual": False},
    ),
    "Falcon-7B": lambda: transformer(
        "falcon", layers=32, wide=4544, heads=71, kv_heads=1, ff=18176, vocabulary=65024, context=2048, gate=False,
        fused_qkv=True, first_norms=("attn_norm",), layer_norm=True, once=norm_biases(4544, 32, "attn_norm"),
    ),
    "Falcon-40B": lambda: transformer(
        "falcon", layers=60, wide=8192, heads=128, kv_heads=8, ff=32768, vocabulary=65024, context=2048, gate=False,
        fused_qkv=True, first_norms=("attn_norm", "attn_norm_2"), layer_norm=True,
        once=norm_biases(8192, 60, "attn_norm", "attn_norm_2"),
    ),
    "GPT-2": lambda: transformer(
        "gpt2", layers=12, wide=768, heads=12, kv_heads=12, ff=3072, vocabulary=50257, context=1024, gate=False,
        fused_qkv=True, biases=True, layer_norm=True, once={"position_embd.weight": (768, 1024)},
    ),
    "StarCoderBase-1B": lambda: transformer(
        "starcoder", layers=24, wide=2048, heads=16, kv_heads=1, ff=8192, vocabulary=49152, context=8192, gate=False,
        fused_qkv=True, biases=True, layer_norm=True, once={"position_embd.weight": (2048, 8192)},
    ),
    "HunyuanOCR": lambda: transformer(
        "hunyuan_vl", layers=24, wide=1024, heads=16, kv_heads=8, head=128, ff=3584, vocabulary=120818, tied=True,
        qk_norm="head", keys={"rope.dimension_sections": [16, 16, 16, 16], "rope.dimension_count": 128},
    ),
    "PaddleOCR-VL": lambda: transformer(
        "paddleocr", layers=18, wide=1024, heads=16, kv_heads=2, head=128, ff=3072, vocabulary=103424,
        keys={"rope.dimension_sections": [16, 24, 24, 0], "rope.dimension_count": 128},
    ),
    "Laguna-XS": lambda: laguna(40, 2048, 64, experts=256, used=8, ff=512),
    "Laguna-S": lambda: laguna(48, 3072, 72, experts=256, used=8, ff=1024),
    "Step-3.7-Flash": lambda: transformer(
        "step35", layers=45, wide=4096, heads=64, kv_heads=8, head=128, ff=11264, vocabulary=128896, qk_norm="head",
        experts=288, used=8, expert_ff=1280, shared_ff=1280, dense_layers=3, expert_bias=True,
        keys={"attention.sliding_window": 512, "expert_gating_func": 2, "expert_weights_norm": True,
              "attention.sliding_window_pattern": [layer % 4 != 0 for layer in range(45)],
              "expert_weights_scale": 3.0, "rope.dimension_count": 128},
        more=lambda _: {"attn_gate.weight": (4096, 64)},
    ),
    "MiMo-V2-Flash": lambda: transformer(
        "mimo2", layers=48, wide=4096, heads=64, kv_heads=4, head=192, ff=16384, vocabulary=152576, experts=256,
        used=8, expert_ff=2048, dense_layers=1, expert_bias=True,
        keys={"attention.sliding_window": 128, "attention.value_scale": 0.7, "rope.dimension_count": 64,
              "attention.sliding_window_pattern": [layer % 6 != 0 for layer in range(48)]},
        more=lambda layer: {"attn_sinks.weight": (64,)} if layer % 6 else {},
    ),
    "Trinity-Mini": lambda: transformer(
        "afmoe", layers=32, wide=2048, heads=32, kv_heads=4, head=128, ff=6144, vocabulary=200192, qk_norm="head",
        more_norms=("post_attention_norm", "post_ffw_norm"), experts=128, used=8, expert_ff=1024, shared_ff=1024,
        dense_layers=2, expert_bias=True,
        keys={"attention.sliding_window": 2048, "leading_dense_block_count": 2, "expert_shared_count": 1,
              "expert_gating_func": 2, "expert_weights_norm": True, "expert_weights_scale": 2.8},
        more=lambda _: {"attn_gate.weight": (2048, 4096)},
    ),
    "GLM-4-9B-Chat": lambda: transformer(
        "chatglm", layers=40, wide=4096, heads=32, kv_heads=2, ff=13696, vocabulary=151552, fused_qkv=True,
        qkv_bias=True, gate=False, fused_up=True, keys={"rope.dimension_count": 64},
    ),
    "Maincoder-1B": lambda: transformer(
        "maincoder", layers=32, wide=1536, heads=16, kv_heads=4, ff=4096, vocabulary=151936, qk_norm="head", tied=True,
        context=2048,
    ),
    "Mellum-2-12B": lambda: transformer(
        "mellum", layers=28, wide=2304, heads=32, kv_heads=4, head=128, ff=7168, vocabulary=98304, qk_norm="head",
        experts=64, used=8, expert_ff=896, keys={"attention.sliding_window": 1024},
    ),
    "openPangu-Embedded-7B": lambda: transformer(
        "pangu-embedded", layers=34, wide=4096, heads=32, kv_heads=8, ff=12800, vocabulary=153376, qkv_bias=True,
        context=32768, more=lambda _: {"attn_output.bias": (4096,)},
    ),
    "Ling-Lite": lambda: transformer(
        "bailingmoe", layers=28, wide=2048, heads=16, kv_heads=4, ff=5632, vocabulary=126464, context=16384,
        experts=64, used=6, expert_ff=1408, shared_ff=2816,
        keys={"expert_shared_count": 2, "expert_weights_norm": True, "rope.dimension_count": 128,
              "leading_dense_block_count": 0},
    ),
    "ModernBERT-base": lambda: encoder("modern-bert", 22, 768, 12, 1152, 50368),
    "EuroBERT-210m": lambda: encoder("eurobert", 12, 768, 12, 3072, 128256),
    "jina-embeddings-v3": jina_v3,
    "Muse-Glimmer-30B": lambda: transformer(
        "muse-glimmer", layers=52, wide=6656, heads=32, kv_heads=2, head=128, ff=19968, vocabulary=202048,
        qk_norm="head", more_norms=("post_attention_norm", "post_ffw_norm"),
        keys={"attention.sliding_window": 2048, "final_logit_softcapping": 30.0, "logit_scale": 0.5},
        more=lambda _: {"attn_gate.weight": (6656, 4096)},
    ),
}  # fmt: skip
