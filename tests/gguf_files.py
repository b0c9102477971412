"""Writes small GGUF files for tests: models that llama.cpp really runs, and files not to be trusted."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, PoolingType, TokenType, quants

Quant = Literal["F32", "F16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K"]
Array = np.ndarray[Any, Any]

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_FILE_TYPE: Final[Mapping[Quant, int]] = {
    "F32": LlamaFileType.ALL_F32,
    "F16": LlamaFileType.MOSTLY_F16,
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
    "Q4_0": LlamaFileType.MOSTLY_Q4_0,
    "Q4_K": LlamaFileType.MOSTLY_Q4_K_M,
    "Q5_K": LlamaFileType.MOSTLY_Q5_K_M,
    "Q6_K": LlamaFileType.MOSTLY_Q6_K,
}


@dataclass(frozen=True, slots=True)
class _Blocks:
    """How a quant lays out a block, so that random bytes with right scales are valid weights."""

    weights: int
    size: int  # bytes
    scales: tuple[tuple[int, float], ...]  # offset of a half float, its value for weights of deviation 1


_BLOCKS: Final[Mapping[Quant, _Blocks]] = {
    "Q8_0": _Blocks(32, 34, ((0, 1 / 74),)),
    "Q4_0": _Blocks(32, 18, ((0, 1 / 4.6),)),
    "Q4_K": _Blocks(256, 144, ((0, 1 / 330), (2, 7.5 / 330))),
    "Q5_K": _Blocks(256, 176, ((0, 1 / 680), (2, 15.5 / 680))),
    "Q6_K": _Blocks(256, 210, ((208, 1 / 1370),)),
}
_DEVIATION: Final = 0.05  # of random weights: large enough for answers that differ, far from overflow


def write_llama(
    path: Path,
    *,
    name: str = "tiny",
    seed: int = 0,
    vocab: int = 320,
    layers: int = 2,
    dim: int = 64,
    ffn: int | None = None,
    heads: int = 2,
    kv_heads: int = 1,
    context: int = 512,
    quant: Quant = "Q8_0",
    chat_template: str | None = None,
    license: str | None = None,  # noqa: A002 - the word of the model page
    architecture: str = "llama",
    shards: int = 1,
    extra: Mapping[str, str | int] | None = None,
) -> list[Path]:
    """Write a llama model with random weights and a working byte-level tokenizer; its text is garbage.

    The defaults make about 130 kB. K quants need `dim` and `ffn` in multiples of 256, the others of 32. With
    shards, the files are named `<stem>-00001-of-0000N.gguf`. Returns the files in load order.
    """
    ffn = ffn or 2 * dim
    kv_dim = dim // heads * kv_heads
    matrices = {"token_embd.weight": (vocab, dim)}
    for layer in range(layers):
        block = f"blk.{layer}"
        matrices |= {
            f"{block}.attn_q.weight": (dim, dim),
            f"{block}.attn_k.weight": (kv_dim, dim),
            f"{block}.attn_v.weight": (kv_dim, dim),
            f"{block}.attn_output.weight": (dim, dim),
            f"{block}.ffn_gate.weight": (ffn, dim),
            f"{block}.ffn_up.weight": (ffn, dim),
            f"{block}.ffn_down.weight": (dim, ffn),
        }
    matrices["output.weight"] = (vocab, dim)
    norms = [f"blk.{layer}.{norm}.weight" for layer in range(layers) for norm in ("attn_norm", "ffn_norm")]
    shapes: dict[str, tuple[int, ...]] = {**matrices, **dict.fromkeys([*norms, "output_norm.weight"], (dim,))}

    def describe(writer: GGUFWriter) -> None:
        writer.add_name(name)
        if license is not None:
            writer.add_license(license)
        writer.add_context_length(context)
        writer.add_embedding_length(dim)
        writer.add_block_count(layers)
        writer.add_feed_forward_length(ffn)
        writer.add_head_count(heads)
        writer.add_head_count_kv(kv_heads)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_dimension_count(dim // heads)
        writer.add_vocab_size(vocab)
        writer.add_quantization_version(2)
        writer.add_file_type(_FILE_TYPE[quant])
        _add_byte_tokenizer(writer, vocab)
        if chat_template is not None:
            writer.add_chat_template(chat_template)
        for key, value in (extra or {}).items():
            if isinstance(value, str):
                writer.add_string(key, value)
            else:
                writer.add_uint32(key, value)

    rng = np.random.default_rng(seed)
    names = list(shapes)
    files = [path] if shards == 1 else [_shard_path(path, number, shards) for number in range(shards)]
    for number, file in enumerate(files):
        part = {tensor: shapes[tensor] for tensor in names[number::shards]}
        writer = GGUFWriter(file, architecture)
        if number == 0:
            describe(writer)
        if shards > 1:
            writer.add_uint16("split.no", number)
            writer.add_uint16("split.count", shards)
            writer.add_int32("split.tensors.count", len(names))
        _write_random(writer, part, quant, rng)
    return files


def write_bert(
    path: Path,
    *,
    name: str = "tiny-embedding",
    seed: int = 0,
    dim: int = 64,
    layers: int = 1,
    heads: int = 2,
    context: int = 256,
    meanings: Sequence[Sequence[str]] = (),
    pooling: PoolingType = PoolingType.MEAN,
    quant: Literal["F32", "F16", "Q8_0"] = "F16",
    classifier: bool = False,
) -> Path:
    """Write an embedding model whose vectors are near the mean of its words' vectors.

    The words of one of the `meanings` share a vector, so that texts can be made to be alike: with
    `[["cat", "kitten"], ["car", "truck"]]`, "a kitten" is nearer to "a cat" than "a truck" is. With a
    `classifier` it is a reranker: one score for a pair of texts, of random weights.
    """
    rng = np.random.default_rng(seed)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    words = list(dict.fromkeys(word.lower() for group in meanings for word in group if len(word) > 1))
    tokens = special + [f"▁{letter}" for letter in letters] + letters + [f"▁{word}" for word in words]
    embeddings = rng.standard_normal((len(tokens), dim)) * 0.1  # letters and marks say little
    for group in meanings:
        vector = rng.standard_normal(dim)
        for word in group:
            embeddings[tokens.index(f"▁{word.lower()}")] = vector

    writer = GGUFWriter(path, "bert")
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_embedding_length(dim)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * dim)
    writer.add_head_count(heads)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    writer.add_quantization_version(2)
    writer.add_file_type(_FILE_TYPE[quant])
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * len(special) + [TokenType.NORMAL] * (len(tokens) - 5))
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
    writer.add_mask_token_id(4)

    def matrix(tensor: str, values: Array) -> None:
        kind = GGMLQuantizationType[quant]
        writer.add_tensor(tensor, quants.quantize(values.astype(np.float32), kind), raw_dtype=kind)

    def vector_of(tensor: str, value: float, length: int = dim) -> None:
        writer.add_tensor(tensor, np.full(length, value, dtype=np.float32))

    def norm(tensor: str) -> None:
        vector_of(f"{tensor}.weight", 1.0)
        vector_of(f"{tensor}.bias", 0.0)

    matrix("token_embd.weight", embeddings)
    writer.add_tensor("position_embd.weight", np.zeros((context, dim), dtype=np.float32))
    writer.add_tensor("token_types.weight", np.zeros((2, dim), dtype=np.float32))
    norm("token_embd_norm")
    for layer in range(layers):
        block = f"blk.{layer}"
        for part, (rows, columns) in {
            "attn_q": (dim, dim), "attn_k": (dim, dim), "attn_v": (dim, dim), "attn_output": (dim, dim),
            "ffn_up": (2 * dim, dim), "ffn_down": (dim, 2 * dim),
        }.items():  # fmt: skip
            matrix(f"{block}.{part}.weight", rng.standard_normal((rows, columns)) * 0.02)
            vector_of(f"{block}.{part}.bias", 0.0, rows)
        norm(f"{block}.attn_output_norm")
        norm(f"{block}.layer_output_norm")
    if classifier:
        matrix("cls.weight", rng.standard_normal((dim, dim)))
        vector_of("cls.bias", 0.0)
        matrix("cls.output.weight", rng.standard_normal((1, dim)))
        vector_of("cls.output.bias", 0.0, 1)
    _finish(writer)
    return path


def write_unknown_architecture(path: Path) -> Path:
    """Write a sound file of an architecture that no llama.cpp knows."""
    return write_llama(path, architecture="unheard-of", layers=1)[0]


def write_projector(path: Path, *, name: str = "tiny projector") -> Path:
    """Write what stands beside a vision model as its mmproj; no model by itself."""
    writer = GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_name(name)
    writer.add_tensor("v.patch_embd.weight", np.zeros((32, 32), dtype=np.float32))
    _finish(writer)
    return path


def _add_byte_tokenizer(writer: GGUFWriter, vocab: int) -> None:
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL] + [TokenType.BYTE] * 256
    words = ["▁"] + [f"▁w{number}" for number in range(vocab - len(tokens) - 1)]
    if vocab <= len(tokens):
        raise ValueError(f"the byte tokenizer alone needs {len(tokens) + 1} tokens, not {vocab}")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens + words)
    writer.add_token_scores([0.0] * len(tokens) + [-1.0 - number for number in range(len(words))])
    writer.add_token_types(types + [TokenType.NORMAL] * len(words))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(True)


def _write_random(
    writer: GGUFWriter, shapes: Mapping[str, tuple[int, ...]], quant: Quant, rng: np.random.Generator
) -> None:
    """Write tensors one after another, so that a file of any size needs the memory of one tensor."""
    for name, shape in shapes.items():
        kind = GGMLQuantizationType[quant if len(shape) == 2 else "F32"]
        block, size = (1, 4) if kind is GGMLQuantizationType.F32 else (1, 2)
        dtype: Any = np.float32 if kind is GGMLQuantizationType.F32 else np.float16
        if kind.name in _BLOCKS:
            block, size, dtype = _BLOCKS[quant].weights, _BLOCKS[quant].size, np.uint8
            shape = (shape[0], shape[1] // block * size)
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        writer.add_tensor_info(name, shape, np.dtype(dtype), nbytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for shape in shapes.values():
        writer.write_tensor_data(_random_tensor(shape, quant, rng))
    writer.close()


def _random_tensor(shape: tuple[int, ...], quant: Quant, rng: np.random.Generator) -> Array:
    if len(shape) == 1:
        return np.ones(shape, dtype=np.float32)
    if quant not in _BLOCKS:
        values = rng.standard_normal(shape, dtype=np.float32) * np.float32(_DEVIATION)
        return values.astype(np.float16) if quant == "F16" else values
    layout = _BLOCKS[quant]
    if shape[1] % layout.weights:
        raise ValueError(f"{quant} needs rows in multiples of {layout.weights}, not {shape[1]}")
    count = shape[0] * shape[1] // layout.weights
    data = np.frombuffer(rng.bytes(count * layout.size), dtype=np.uint8).reshape(count, layout.size).copy()
    for offset, scale in layout.scales:
        data[:, offset : offset + 2] = np.frombuffer(np.float16(scale * _DEVIATION).tobytes(), dtype=np.uint8)
    return data.reshape(shape[0], -1)


def _finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shard_path(path: Path, number: int, shards: int) -> Path:
    return path.with_name(f"{path.stem}-{number + 1:05d}-of-{shards:05d}.gguf")


_UINT8, _UINT32, _STRING, _ARRAY = 0, 4, 8, 9


def _text(data: str | bytes) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<Q", len(data)) + data


def _key(key: str | bytes, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _tensor(name: str, shape: Sequence[int], offset: int = 0, kind: int = 0) -> bytes:
    dims = b"".join(struct.pack("<Q", size) for size in shape)
    return _text(name) + struct.pack("<I", len(shape)) + dims + struct.pack("<IQ", kind, offset)


def raw_gguf(
    keys: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    key_count: int | None = None,
    tensor_count: int | None = None,
) -> bytes:
    """A file put together by hand, whose counts need not be true."""
    architecture = _key("general.architecture", _STRING, _text("llama"))
    keys = [architecture, *keys]
    counts = (
        len(tensors) if tensor_count is None else tensor_count,
        len(keys) if key_count is None else key_count,
    )
    head = magic + struct.pack("<IQQ", version, *counts) + b"".join(keys) + b"".join(tensors)
    return head + b"\0" * (-len(head) % 32) + data


def _nested(depth: int) -> bytes:
    inner = struct.pack("<IQ", _UINT8, 1) + b"\0"
    return _key("deep", _ARRAY, struct.pack("<IQ", _ARRAY, 1) * depth + inner)


# Files that must be refused, by what is wrong with them; the engine may crash on some.
BAD_FILES: Final[Mapping[str, bytes]] = {
    "empty": b"",
    "magic only": b"GGUF",
    "wrong magic": raw_gguf(magic=b"GGML"),
    "big endian": b"FUGG" + raw_gguf()[4:],
    "version 0": raw_gguf(version=0),
    "version 1": raw_gguf(version=1),
    "version 99": raw_gguf(version=99),
    "cut off": raw_gguf([_key("general.name", _STRING, _text("x" * 100))])[:90],
    "key count": raw_gguf(key_count=1 << 63),
    "tensor count": raw_gguf(tensor_count=1 << 62),
    "string length": raw_gguf([_key("s", _STRING, struct.pack("<Q", (1 << 64) - 1) + b"x")]),
    "array length": raw_gguf([_key("a", _ARRAY, struct.pack("<IQ", _UINT8, 1 << 62))]),
    "nested arrays": raw_gguf([_nested(5000)]),
    "unknown value type": raw_gguf([_key("k", 77, b"\0" * 8)]),
    "empty key": raw_gguf([_key("", _UINT8, b"\0")]),
    "key not utf-8": raw_gguf([_key(b"\xff\xfe", _UINT8, b"\0")]),
    "duplicate key": raw_gguf([_key("k", _UINT8, b"\0")] * 2),
    "duplicate tensor": raw_gguf(tensors=[_tensor("t", (8,))] * 2, data=b"\0" * 64),
    "alignment 0": raw_gguf([_key("general.alignment", _UINT32, struct.pack("<I", 0))]),
    "alignment 3": raw_gguf([_key("general.alignment", _UINT32, struct.pack("<I", 3))]),
    "dimension 0": raw_gguf(tensors=[_tensor("t", (0, 32))], data=b"\0" * 64),
    "dimension count": raw_gguf(tensors=[_text("t") + struct.pack("<I", (1 << 32) - 1)]),
    "dimension overflow": raw_gguf(tensors=[_tensor("t", (1 << 32, 1 << 32))], data=b"\0" * 64),
    "unknown tensor type": raw_gguf(tensors=[_tensor("t", (32,), kind=250)], data=b"\0" * 256),
    "offset past the end": raw_gguf(tensors=[_tensor("t", (32,), offset=1 << 40)], data=b"\0" * 128),
    "tensor past the end": raw_gguf(tensors=[_tensor("t", (1 << 20,))], data=b"\0" * 128),
}  # fmt: skip


def write_lora(
    path: Path,
    base: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    strength: float = 1.0,
    base_sha256: str | None = None,
    extra: Mapping[str, str | int] | None = None,
) -> Path:
    """Write a LoRA with random numbers for the attention and feed-forward weights of a model.

    With the default `strength` its answers are others than the model's own; the file names no base unless told one.
    """
    from lmpm.gguf import read_file

    header = read_file(base)
    writer = GGUFWriter(path, header.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    facts = dict(extra or {}) | ({"lmpm.base.sha256": base_sha256} if base_sha256 else {})
    for key, value in facts.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_uint32(key, value)
    rng = np.random.default_rng(seed)
    for tensor in header.tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2:
            width, height = tensor.shape
            a = rng.standard_normal((rank, width), dtype=np.float32) / np.sqrt(width)
            b = rng.standard_normal((height, rank), dtype=np.float32) * strength / np.sqrt(rank)
            writer.add_tensor(f"{tensor.name}.lora_a", a.astype(np.float32))
            writer.add_tensor(f"{tensor.name}.lora_b", b.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
