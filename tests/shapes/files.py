"""Files with the header of a real model and a hole instead of its weights: llama.cpp can plan with them.

The shapes are those of the models' published configurations. There is no tokenizer, only its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter

from lmpm.estimate.memory.ggml.tensor import TYPES

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class ModelShape:
    """An architecture, its keys without the prefix, and the shapes of its tensors (rows' length first)."""

    architecture: str
    keys: Mapping[str, Any]
    tensors: Shapes
    vocabulary: int
    types: Mapping[str, str] = field(default_factory=dict)  # ending of a name -> type


def write(path: Path, shape: ModelShape, quant: str = "Q4_K") -> Path:
    """Write the header and make the file as long as it says, without its bytes on the disk."""
    writer = GGUFWriter(path, shape.architecture)
    writer.add_string("tokenizer.ggml.model", "no_vocab")
    prefix = shape.architecture
    writer.add_uint32(f"{prefix}.vocab_size", shape.vocabulary)
    for key, value in shape.keys.items():
        _add(writer, key if key.startswith(("tokenizer.", "xielu.", "general.")) else f"{prefix}.{key}", value)
    size = 0
    for name, dims in shape.tensors.items():
        kind = _type(name, dims, quant, shape.types)
        block, block_size = TYPES[kind]
        nbytes = int(np.prod(dims)) // block * block_size
        rows = (*reversed(dims[1:]), dims[0] // block * block_size)
        if kind in ("F32", "F16"):
            dtype: Any = np.float32 if kind == "F32" else np.float16
            writer.add_tensor_info(name, tuple(reversed(dims)), np.dtype(dtype), nbytes)
        else:
            writer.add_tensor_info(name, rows, np.dtype(np.uint8), nbytes, raw_dtype=GGMLQuantizationType[kind])
        size += -(-nbytes // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout is not None
    writer.fout[0].flush()
    start = -(-path.stat().st_size // 32) * 32
    writer.fout[0].truncate(start + size)
    writer.close()
    return path


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, list(value))


def _type(name: str, dims: tuple[int, ...], quant: str, types: Mapping[str, str]) -> str:
    for ending, kind in types.items():
        if name.endswith(ending):
            return kind
    if (
        len(dims) == 1
        or name == "v.position_embd.weight"
        or "norm" in name
        or "rope_f" in name
        or "gate_inp" in name
        or name.endswith(".bias")
    ):
        return "F32"
    kind = "Q6_K" if quant == "Q4_K" and name in ("token_embd.weight", "output.weight") else quant
    return kind if dims[0] % TYPES[kind][0] == 0 else "Q8_0" if dims[0] % 32 == 0 else "F16"


def write_random(path: Path, shape: ModelShape, seed: int = 0) -> Path:
    """Write an encoder of pictures that llama.cpp loads and runs, its weights random: what it sees means nothing."""
    writer, rng = GGUFWriter(path, shape.architecture), np.random.default_rng(seed)
    writer.add_type("mmproj")
    writer.add_name("tiny projector")
    for key, value in shape.keys.items():
        _add(writer, f"{shape.architecture}.{key}", value)
    for name, dims in shape.tensors.items():
        values = rng.standard_normal(tuple(reversed(dims)), dtype=np.float32) * np.float32(0.05)
        writer.add_tensor(name, values.astype(np.float16) if name == "v.patch_embd.weight" else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
