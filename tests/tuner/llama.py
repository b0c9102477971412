"""llama.cpp with exact settings: caches of f32, no flash attention, one thread; and LoRAs by the C calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def logits_of(model: Path, ids: list[int], *, adapter: Path | None = None) -> Any:
    """The logits after each token. A LoRA is put on by the C call, whose refusal the package does not notice."""
    import llama_cpp

    llama = llama_cpp.Llama(
        str(model), n_ctx=256, n_threads=1, logits_all=True, type_k=0, type_v=0, flash_attn=False, verbose=False,
        n_gpu_layers=0,
    )  # fmt: skip
    try:
        if adapter is not None:
            found = llama_cpp.llama_adapter_lora_init(llama.model, str(adapter).encode())
            assert found, "llama.cpp refuses the adapter"
            array = (type(found) * 1)(found)
            scales = (llama_cpp.ctypes.c_float * 1)(1.0)
            assert llama_cpp.llama_set_adapters_lora(llama.ctx, array, 1, scales) == 0
        llama.eval(ids)
        return np.array(llama.scores[: len(ids)])
    finally:
        llama.close()


def tokens_of(model: Path, text: str, *, bos: bool) -> list[int]:
    import llama_cpp

    llama = llama_cpp.Llama(str(model), vocab_only=True, verbose=False)
    try:
        return list(llama.tokenize(text.encode(), add_bos=bos, special=True))
    finally:
        llama.close()
