"""LoRAs as peft saves them, of random numbers, written without peft and torch."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj")
GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "mlp.gate_proj": "ffn_gate", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def write_safetensors(path: Path, tensors: Mapping[str, Any]) -> None:
    """https://huggingface.co/docs/safetensors/index#format."""
    header: dict[str, Any] = {}
    data = b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_peft(
    folder: Path,
    shapes: Mapping[str, tuple[int, int]],
    *,
    layers: int,
    base: str = "",
    seed: int = 0,
    modules: Sequence[str] = MODULES,
    **config: Any,
) -> dict[str, Any]:
    """A folder with a LoRA for weights of these shapes (rows, columns) by module; what it adds to each weight.

    What it adds is computed from peft's documentation of `LoraConfig`, not by lmpm.
    """
    rng = np.random.default_rng(seed)
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": base, **config}
    tensors: dict[str, Any] = {}
    added: dict[str, Any] = {}
    for layer in range(layers):
        for module in modules:
            name = f"model.layers.{layer}.{module}"
            rank = _by_pattern(told.get("rank_pattern"), name, told["r"])
            alpha = _by_pattern(told.get("alpha_pattern"), name, told["lora_alpha"])
            rows, columns = shapes[module]
            a = rng.standard_normal((rank, columns), dtype=np.float32) / np.float32(math.sqrt(columns))
            b = rng.standard_normal((rows, rank), dtype=np.float32) / np.float32(math.sqrt(rank) * 4)
            tensors |= {
                f"base_model.model.{name}.lora_A.weight": a,
                f"base_model.model.{name}.lora_B.weight": b,
            }
            scale = alpha / (math.sqrt(rank) if told.get("use_rslora") else rank)
            added[f"blk.{layer}.{GGUF_NAMES[module]}.weight"] = scale * (b @ a)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(told))
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    return added


def _by_pattern(pattern: Mapping[str, int] | None, name: str, usual: int) -> int:
    return next((value for key, value in (pattern or {}).items() if re.match(rf".*\.{key}$", name)), usual)
