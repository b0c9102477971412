"""Files with the header of a real model and a hole instead of its weights, by name."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.shapes import early, encoders, latent, more, others, recurrent, transformers
from tests.shapes.files import ModelShape, write

MODELS: Final[Mapping[str, Callable[[], ModelShape]]] = {
    **transformers.MODELS,
    **others.MODELS,
    "Gemma-4-E2B": encoders.gemma4,
    "Gemma-4-26B-A4B": lambda: encoders.gemma4(experts=True),
    "DeepSeek-V2-Lite": lambda: latent.deepseek(latent=True),
    "DeepSeek-V2-Lite (old)": lambda: latent.deepseek(latent=False),
    "DeepSeek-V3": lambda: latent.deepseek(latent=True, large=True),
    "Mistral-4 (as DeepSeek-V3)": latent.mistral4,
    "Qwen3.5-4B": latent.qwen35,
    "Qwen3.5-35B-A3B": lambda: latent.qwen35(experts=True),
    "Qwen3-Next-80B-A3B": latent.qwen3_next,
    "LFM2-1.2B": recurrent.lfm2,
    "Granite-4-Tiny": recurrent.granite_hybrid,
    "Nemotron-H-8B": recurrent.nemotron_h,
    "Nemotron-3-Nano-30B-A3B": recurrent.nemotron_h_moe,
    "Nemotron-3 (latent experts)": lambda: recurrent.nemotron_h_moe(latent=1024),
    "Falcon-H1-1.5B": recurrent.falcon_h1,
    "Jamba-3B": recurrent.jamba,
    "Mamba-2.8B": recurrent.mamba1,
    "Mamba2-2.7B": recurrent.mamba2,
    "RWKV7-1.5B": recurrent.rwkv7,
    "BGE-large": encoders.bert,
    "nomic-embed-v1.5": lambda: encoders.bert("nomic-bert"),
    "nomic-embed-v2-moe": lambda: encoders.bert("nomic-bert-moe"),
    "EmbeddingGemma": encoders.embedding_gemma,
    **more.MODELS,
    **early.MODELS,
}

__all__ = ["MODELS", "ModelShape", "write"]
