"""A GGUF made on the spot, to measure a machine by: the shape of a small Llama, with weights that mean nothing.

The format is that of `ggml/docs/gguf.md`. The file is written in one pass, a block of noise over and over: llama.cpp
reads and computes with it as with any other.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from pathlib import Path

ALIGNMENT: Final = 32
F32, Q4_K = 0, 12  # ggml.h
FILE_TYPE_Q4_K_M: Final = 15  # llama.h
U32, I32, FLOAT, TEXT, ARRAY = 4, 5, 6, 8, 9  # types of values
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # types of tokens
BLOCK_WEIGHTS, BLOCK_BYTES = 256, 144  # of Q4_K: two half floats, twelve bytes of scales, a nibble for each weight
SCALE: Final = struct.pack("<ee", 0.002, 0.015) + b"\x01" * 8 + b"\x11" * 4  # weights around zero, deviation 0.009
NOISE_BLOCKS: Final = 4096

WIDTH, HEADS, KV_HEADS, FORWARD = 2048, 16, 4, 8192
VOCABULARY: Final = 512
SPECIAL: Final = (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL))
CONTEXT: Final = 2048


@dataclass(frozen=True, slots=True)
class Synthetic:
    """What was written: how many weights each token is multiplied with, and the bytes that they take."""

    path: Path
    weights: int
    size: int


def layer_bytes() -> int:
    """Bytes of one layer's matrices."""
    return sum(_bytes(Q4_K, shape) for _, kind, shape in _layer(0) if kind == Q4_K)


def write(path: Path, size: int) -> Synthetic:
    """Write a model of about `size` bytes, at least one layer. Raises OSError."""
    layers = max(1, round(size / layer_bytes()))
    tensors: list[tuple[str, int, tuple[int, ...]]] = [
        ("token_embd.weight", Q4_K, (WIDTH, VOCABULARY)),
        ("output_norm.weight", F32, (WIDTH,)),
        ("output.weight", Q4_K, (WIDTH, VOCABULARY)),
    ]
    for layer in range(layers):
        tensors += _layer(layer)
    noise = b"".join(SCALE + os.urandom(BLOCK_WEIGHTS // 2) for _ in range(NOISE_BLOCKS))
    with path.open("wb") as file:
        file.write(_header(layers, tensors))
        for name, kind, shape in tensors:
            _pad(file)
            if kind == F32:
                file.write(struct.pack("<f", 1.0) * shape[0])
            else:
                _write_noise(file, noise, _bytes(kind, shape), silent=len(SPECIAL) if name == "output.weight" else 0)
        _pad(file)
    matrices = [shape for name, kind, shape in tensors if kind == Q4_K and name != "token_embd.weight"]
    weights = sum(shape[0] * shape[1] for shape in matrices)
    return Synthetic(path, weights, weights // BLOCK_WEIGHTS * BLOCK_BYTES)


def _layer(number: int) -> list[tuple[str, int, tuple[int, ...]]]:
    kv = WIDTH // HEADS * KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH, kv),
        "attn_v": (WIDTH, kv),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (WIDTH, FORWARD),
        "ffn_up": (WIDTH, FORWARD),
        "ffn_down": (FORWARD, WIDTH),
        "attn_norm": (WIDTH,),
        "ffn_norm": (WIDTH,),
    }
    return [(f"blk.{number}.{name}.weight", Q4_K if len(shape) > 1 else F32, shape) for name, shape in shapes.items()]


def _bytes(kind: int, shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count * 4 if kind == F32 else count // BLOCK_WEIGHTS * BLOCK_BYTES


def _write_noise(file: BinaryIO, noise: bytes, size: int, *, silent: int) -> None:
    """Weights of a matrix; its first `silent` rows are zero, so that no answer ends before it should."""
    zeros = silent * WIDTH // BLOCK_WEIGHTS * BLOCK_BYTES
    file.write(bytes(zeros))
    size -= zeros
    file.writelines(noise for _ in range(size // len(noise)))
    file.write(noise[: size % len(noise)])


def _header(layers: int, tensors: list[tuple[str, int, tuple[int, ...]]]) -> bytes:
    values: list[tuple[str, int, object]] = [
        ("general.architecture", TEXT, "llama"),
        ("general.name", TEXT, "synthetic"),
        ("general.file_type", U32, FILE_TYPE_Q4_K_M),
        ("general.alignment", U32, ALIGNMENT),
        ("llama.context_length", U32, CONTEXT),
        ("llama.embedding_length", U32, WIDTH),
        ("llama.block_count", U32, layers),
        ("llama.feed_forward_length", U32, FORWARD),
        ("llama.attention.head_count", U32, HEADS),
        ("llama.attention.head_count_kv", U32, KV_HEADS),
        ("llama.attention.layer_norm_rms_epsilon", FLOAT, 1e-5),
        ("llama.rope.dimension_count", U32, WIDTH // HEADS),
        ("llama.vocab_size", U32, VOCABULARY),
        ("tokenizer.ggml.model", TEXT, "llama"),
        ("tokenizer.ggml.bos_token_id", U32, 1),
        ("tokenizer.ggml.eos_token_id", U32, 2),
    ]
    tokens = [*SPECIAL, *((f"<0x{byte:02X}>", BYTE) for byte in range(256))]
    tokens += [(f"t{number}", NORMAL) for number in range(len(tokens), VOCABULARY)]
    data = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(values) + 3)
    data += b"".join(_text(key) + struct.pack("<I", kind) + _value(kind, value) for key, kind, value in values)
    data += _array("tokenizer.ggml.tokens", TEXT, b"".join(_text(text) for text, _ in tokens), len(tokens))
    data += _array("tokenizer.ggml.scores", FLOAT, bytes(4 * len(tokens)), len(tokens))
    kinds = b"".join(struct.pack("<i", kind) for _, kind in tokens)
    data += _array("tokenizer.ggml.token_type", I32, kinds, len(tokens))
    offset = 0
    for name, kind, shape in tensors:
        data += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        offset += -(-_bytes(kind, shape) // ALIGNMENT) * ALIGNMENT
    return data


def _value(kind: int, value: object) -> bytes:
    if kind == TEXT:
        return _text(str(value))
    return struct.pack("<f" if kind == FLOAT else "<I", value)


def _array(key: str, kind: int, data: bytes, count: int) -> bytes:
    return _text(key) + struct.pack("<IIQ", ARRAY, kind, count) + data


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _pad(file: BinaryIO) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT))
