"""Plain transformers, dense and with experts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.shapes.files import ModelShape, Shapes


def transformer(
    architecture: str,
    *,
    layers: int,
    wide: int,
    heads: int,
    kv_heads: int,
    ff: int,
    vocabulary: int,
    context: int = 131072,
    head: int = 0,
    gate: bool = True,
    fused_up: bool = False,
    fused_qkv: bool = False,
    tied: bool = False,
    qkv_bias: bool = False,
    biases: bool = False,
    qk_norm: str = "",
    first_norms: tuple[str, ...] = ("attn_norm", "ffn_norm"),
    more_norms: tuple[str, ...] = (),
    experts: int = 0,
    used: int = 0,
    expert_ff: int = 0,
    shared_ff: int = 0,
    shared_gate: bool = False,
    dense_layers: int = 0,
    expert_bias: bool = False,
    layer_norm: bool = False,
    keys: Mapping[str, Any] | None = None,
    more: Callable[[int], Shapes] | None = None,
    once: Mapping[str, tuple[int, ...]] | None = None,
) -> ModelShape:
    """A transformer as most are."""
    head = head or wide // heads
    tensors: Shapes = {"token_embd.weight": (wide, vocabulary), "output_norm.weight": (wide,)}
    if not tied:
        tensors["output.weight"] = (wide, vocabulary)
    if biases:
        tensors["output_norm.bias"] = (wide,)
    for layer in range(layers):
        name = f"blk.{layer}"
        part: Shapes = {}
        for norm in (*first_norms, *more_norms):
            part[f"{norm}.weight"] = (wide,)
            if biases:
                part[f"{norm}.bias"] = (wide,)
        widths = {"attn_q": head * heads, "attn_k": head * kv_heads, "attn_v": head * kv_heads}
        if fused_qkv:
            widths = {"attn_qkv": sum(widths.values())}
        for matrix, width in widths.items():
            part[f"{matrix}.weight"] = (wide, width)
            if qkv_bias or biases:
                part[f"{matrix}.bias"] = (width,)
        part["attn_output.weight"] = (head * heads, wide)
        if biases:
            part["attn_output.bias"] = (wide,)
        if qk_norm:
            part["attn_q_norm.weight"] = (head if qk_norm == "head" else head * heads,)
            part["attn_k_norm.weight"] = (head if qk_norm == "head" else head * kv_heads,)
        if experts and layer >= dense_layers:
            part["ffn_gate_inp.weight"] = (wide, experts)
            part |= {
                "ffn_gate_exps.weight": (wide, expert_ff, experts),
                "ffn_up_exps.weight": (wide, expert_ff, experts),
                "ffn_down_exps.weight": (expert_ff, wide, experts),
            }
            if expert_bias:
                part["exp_probs_b.bias"] = (experts,)
            if shared_ff:
                part |= {
                    "ffn_gate_shexp.weight": (wide, shared_ff),
                    "ffn_up_shexp.weight": (wide, shared_ff),
                    "ffn_down_shexp.weight": (shared_ff, wide),
                }
            if shared_gate:
                part["ffn_gate_inp_shexp.weight"] = (wide,)
        else:
            if gate:
                part["ffn_gate.weight"] = (wide, ff)
            part["ffn_up.weight"] = (wide, 2 * ff if fused_up else ff)
            part["ffn_down.weight"] = (ff, wide)
            if biases:
                part |= {"ffn_up.bias": (ff,), "ffn_down.bias": (wide,)}
        part |= more(layer) if more else {}
        tensors |= {f"{name}.{key}": value for key, value in part.items()}
    tensors |= once or {}
    facts: dict[str, Any] = {
        "context_length": context,
        "embedding_length": wide,
        "block_count": layers,
        "feed_forward_length": ff,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
        "rope.freq_base": 10000.0,
    }
    facts["attention.layer_norm_epsilon" if layer_norm else "attention.layer_norm_rms_epsilon"] = 1e-5
    if head != wide // heads:
        facts |= {"attention.key_length": head, "attention.value_length": head}
    if experts:
        facts |= {"expert_count": experts, "expert_used_count": used, "expert_feed_forward_length": expert_ff}
    if shared_ff:
        facts["expert_shared_feed_forward_length"] = shared_ff
    return ModelShape(architecture, facts | dict(keys or {}), tensors, vocabulary)


MODELS: Final[Mapping[str, Callable[[], ModelShape]]] = {
    "Llama-3.1-8B": lambda: transformer(
        "llama", layers=32, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=128256,
        keys={"rope.dimension_count": 128}, once={"rope_freqs.weight": (64,)},
    ),
    "Llama-3.2-1B": lambda: transformer(
        "llama", layers=16, wide=2048, heads=32, kv_heads=8, ff=8192, vocabulary=128256, tied=True, head=64,
        keys={"rope.dimension_count": 64},
    ),
    "Mistral-7B-v0.3": lambda: transformer(
        "llama", layers=32, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=32768, context=32768
    ),
    "SmolLM2-135M": lambda: transformer(
        "llama", layers=30, wide=576, heads=9, kv_heads=3, ff=1536, vocabulary=49152, tied=True, context=8192
    ),
    "Mixtral-8x7B": lambda: transformer(
        "llama", layers=32, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=32000, experts=8, used=2,
        expert_ff=14336, context=32768,
    ),
    "Granite-3.3-8B": lambda: transformer(
        "granite", layers=40, wide=4096, heads=32, kv_heads=8, ff=12800, vocabulary=49159, tied=True,
        keys={"embedding_scale": 12.0, "residual_scale": 0.22, "attention.scale": 0.0078, "logit_scale": 16.0},
    ),
    "Qwen2.5-Coder-7B": lambda: transformer(
        "qwen2", layers=28, wide=3584, heads=28, kv_heads=4, ff=18944, vocabulary=152064, qkv_bias=True, context=32768
    ),
    "Qwen2.5-0.5B": lambda: transformer(
        "qwen2", layers=24, wide=896, heads=14, kv_heads=2, ff=4864, vocabulary=151936, qkv_bias=True, tied=True,
        context=32768,
    ),
    "Qwen3-8B": lambda: transformer(
        "qwen3", layers=36, wide=4096, heads=32, kv_heads=8, ff=12288, vocabulary=151936, qk_norm="head", head=128,
        context=40960,
    ),
    "Qwen3-0.6B": lambda: transformer(
        "qwen3", layers=28, wide=1024, heads=16, kv_heads=8, ff=3072, vocabulary=151936, qk_norm="head", head=128,
        tied=True, context=40960,
    ),
    "Qwen1.5-MoE-A2.7B": lambda: transformer(
        "qwen2moe", layers=24, wide=2048, heads=16, kv_heads=16, ff=5632, vocabulary=151936, qkv_bias=True,
        experts=60, used=4, expert_ff=1408, shared_ff=5632, shared_gate=True, context=8192,
    ),
    "Qwen3-30B-A3B": lambda: transformer(
        "qwen3moe", layers=48, wide=2048, heads=32, kv_heads=4, ff=6144, vocabulary=151936, qk_norm="head", head=128,
        experts=128, used=8, expert_ff=768,
    ),
    "OLMoE-1B-7B": lambda: transformer(
        "olmoe", layers=16, wide=2048, heads=16, kv_heads=16, ff=1024, vocabulary=50304, qk_norm="flat",
        experts=64, used=8, expert_ff=1024, context=4096,
    ),
    "GLM-4.5-Air": lambda: transformer(
        "glm4moe", layers=47, wide=4096, heads=96, kv_heads=8, ff=10944, vocabulary=151552, qkv_bias=True, head=128,
        first_norms=("attn_norm", "post_attention_norm"), experts=128, used=8, expert_ff=1408, shared_ff=1408,
        dense_layers=1, expert_bias=True,
        keys={"leading_dense_block_count": 1, "expert_gating_func": 2, "expert_weights_norm": True,
              "expert_weights_scale": 1.0, "expert_shared_count": 1, "rope.dimension_count": 64,
              "nextn_predict_layers": 1},
        once={"blk.46.nextn.eh_proj.weight": (8192, 4096)}
        | {f"blk.46.nextn.{name}.weight": (4096,) for name in ("enorm", "hnorm", "shared_head_norm")},
    ),
    "Gemma-2-9B": lambda: transformer(
        "gemma2", layers=42, wide=3584, heads=16, kv_heads=8, ff=14336, vocabulary=256000, tied=True, head=256,
        more_norms=("post_attention_norm", "post_ffw_norm"), context=8192,
        keys={"attention.sliding_window": 4096, "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0},
    ),
    "Gemma-3-4B": lambda: transformer(
        "gemma3", layers=34, wide=2560, heads=8, kv_heads=4, ff=10240, vocabulary=262208, tied=True, head=256,
        qk_norm="head", more_norms=("post_attention_norm", "post_ffw_norm"),
        keys={"attention.sliding_window": 1024},
    ),
    "Gemma-3-1B": lambda: transformer(
        "gemma3", layers=26, wide=1152, heads=4, kv_heads=1, ff=6912, vocabulary=262144, tied=True, head=256,
        qk_norm="head", more_norms=("post_attention_norm", "post_ffw_norm"), context=32768,
        keys={"attention.sliding_window": 512},
    ),
    "Phi-4": lambda: transformer(
        "phi3", layers=40, wide=5120, heads=40, kv_heads=10, ff=17920, vocabulary=100352, gate=False, fused_up=True,
        fused_qkv=True, context=16384, keys={"rope.dimension_count": 128},
    ),
    "Phi-3.5-mini": lambda: transformer(
        "phi3", layers=32, wide=3072, heads=32, kv_heads=32, ff=8192, vocabulary=32064, gate=False, fused_up=True,
        fused_qkv=True, keys={"attention.sliding_window": 262144},
    ),
    "gpt-oss-20b": lambda: transformer(
        "gpt-oss", layers=24, wide=2880, heads=64, kv_heads=8, ff=2880, vocabulary=201088, head=64,
        first_norms=("attn_norm", "post_attention_norm"), qkv_bias=True, experts=32, used=4, expert_ff=2880,
        keys={"attention.sliding_window": 128, "rope.dimension_count": 64},
        more=lambda _: {
            "attn_output.bias": (2880,), "attn_sinks.weight": (64,), "ffn_gate_inp.bias": (32,),
            "ffn_gate_exps.bias": (2880, 32), "ffn_up_exps.bias": (2880, 32), "ffn_down_exps.bias": (2880, 32),
        },
    ),
    "Command-R-7B": lambda: transformer(
        "cohere2", layers=32, wide=4096, heads=32, kv_heads=8, ff=14336, vocabulary=256000, tied=True,
        first_norms=("attn_norm",), layer_norm=True,
        keys={"attention.sliding_window": 4096, "logit_scale": 0.25, "rope.dimension_count": 128},
    ),
    "Command-R-35B": lambda: transformer(
        "command-r", layers=40, wide=8192, heads=64, kv_heads=64, ff=22528, vocabulary=256000, tied=True,
        first_norms=("attn_norm",), layer_norm=True, keys={"logit_scale": 0.0625},
    ),
    "OLMo-2-7B": lambda: transformer(
        "olmo2", layers=32, wide=4096, heads=32, kv_heads=32, ff=11008, vocabulary=100352, qk_norm="flat",
        first_norms=("post_attention_norm", "post_ffw_norm"), context=4096,
    ),
    "OLMo-3-7B": lambda: transformer(
        "olmo2", layers=32, wide=4096, heads=32, kv_heads=32, ff=11008, vocabulary=100278, qk_norm="flat",
        first_norms=("post_attention_norm", "post_ffw_norm"), context=65536,
        keys={"attention.sliding_window": 4096},
    ),
    "EXAONE-4-1.2B": lambda: transformer(
        "exaone4", layers=30, wide=2048, heads=32, kv_heads=8, ff=4096, vocabulary=102400, qk_norm="head", tied=True,
        first_norms=("post_attention_norm", "post_ffw_norm"), context=65536,
    ),
    "EXAONE-4-32B": lambda: transformer(
        "exaone4", layers=64, wide=5120, heads=40, kv_heads=8, ff=27392, vocabulary=102400, qk_norm="head",
        first_norms=("post_attention_norm", "post_ffw_norm"),
    ),
    "StarCoder2-3B": lambda: transformer(
        "starcoder2", layers=30, wide=3072, heads=24, kv_heads=2, ff=12288, vocabulary=49152, tied=True, gate=False,
        biases=True, layer_norm=True, context=16384,
    ),
    "GLM-4-9B": lambda: transformer(
        "glm4", layers=40, wide=4096, heads=32, kv_heads=2, ff=13696, vocabulary=151552, qkv_bias=True, gate=False,
        fused_up=True, more_norms=("post_attention_norm", "post_ffw_norm"), context=32768, head=128,
        keys={"rope.dimension_count": 64},
    ),
}  # fmt: skip
