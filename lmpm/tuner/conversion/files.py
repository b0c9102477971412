"""Writing GGUF: a base with or without a LoRA merged into it, or the LoRA alone. Whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from lmpm.errors import IntegrityError
from lmpm.fs import atomic, disk_errors, printable
from lmpm.tuner.conversion.adapter import deltas, written
from lmpm.tuner.conversion.architectures import architecture_of, shape_of, write_keys
from lmpm.tuner.conversion.safetensors import Weights
from lmpm.tuner.conversion.vocabulary import read_json, read_vocabulary, write_vocabulary
from lmpm.tuner.extra import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lmpm.gguf import Header
    from lmpm.tuner.conversion.adapter import Adapter
    from lmpm.tuner.conversion.architectures import Architecture

Quant = Literal["F32", "F16", "Q8_0"]
BLOCK: Final = 32  # of Q8_0: rows that it does not divide stay F16


@dataclass(frozen=True, kw_only=True)
class About:
    """What a file says of itself, beside its weights. `facts` go into keys `lmpm.*`, which llama.cpp does not read."""

    name: str
    license: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def write_model(
    base: Path, target: Path, about: About, *, quant: Quant = "Q8_0", adapter: Adapter | None = None
) -> None:
    """The model of a folder of safetensors, a LoRA added to its weights.

    One tensor is in memory at a time. Raises SpecError for what cannot be written exactly, IntegrityError, DiskError.
    """
    gguf = require("gguf")
    config = read_json(base / "config.json")
    architecture, weights = architecture_of(config), Weights(base)
    vocabulary = read_vocabulary(base, int(config["vocab_size"]))
    names = _names(gguf, architecture, config, weights)
    added = deltas(adapter)
    if strange := [name for name in added if name not in names]:
        raise IntegrityError(f"The adapter changes `{printable(strange[0])}`, which the base does not have")
    kinds = {name: _kind(gguf, weights.tensors[name].shape, quant) for name in names}
    with _writer(gguf, target, architecture.name) as writer:
        _write_about(writer, about, "model")
        write_keys(writer, architecture, config)
        writer.add_file_type(gguf.LlamaFileType["ALL_F32" if quant == "F32" else f"MOSTLY_{quant}"])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        write_vocabulary(writer, vocabulary)
        for name, its in names.items():
            shape = weights.tensors[name].shape
            packed = gguf.quants.quant_shape_to_byte_shape(shape, kinds[name])
            nbytes = _product(packed)
            writer.add_tensor_info(its, shape, require("numpy").dtype("float32"), nbytes, raw_dtype=kinds[name])
        _write_head(writer)
        for name in names:
            values = weights.read(name)
            if name in added and adapter is not None:
                delta = adapter.delta(added[name])
                if delta.shape != values.shape:
                    raise IntegrityError(
                        f"The adapter's `{printable(name)}` is {delta.shape}, the base's {values.shape}"
                    )
                values = values + delta
            values = require("numpy").ascontiguousarray(architecture.changed(name, values, config))
            writer.write_tensor_data(gguf.quants.quantize(values, kinds[name]))


def write_adapter(base: Path, adapter: Adapter, target: Path, about: About) -> None:
    """A LoRA alone, for llama.cpp to add to its base: `base` is the folder with the base's `config.json`.

    Raises SpecError for what such a file cannot hold, IntegrityError, DiskError.
    """
    config = read_json(base / "config.json")
    _write_lora(architecture_of(config), config, adapter, target, about)


def write_adapter_for(base: Header, adapter: Adapter, target: Path, about: About) -> None:
    """The same for a base of which only a GGUF file is known, by its header. Raises also SpecError for its kind."""
    _write_lora(*shape_of(base), adapter, target, about)


def _write_lora(
    architecture: Architecture, config: Mapping[str, Any], adapter: Adapter, target: Path, about: About
) -> None:
    gguf = require("gguf")
    table = _table(gguf, architecture, config)
    with _writer(gguf, target, architecture.name) as writer:
        _write_about(writer, about, "adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", adapter.alpha)
        for pair, a, b in written(adapter):
            name = table.get_name(pair.module)
            if name is None:
                raise IntegrityError(
                    f"The adapter changes `{printable(pair.module)}`, which {architecture.name} has not"
                )
            b = architecture.changed_out(pair.module, b, config)
            writer.add_tensor(f"{name}.weight.lora_a", require("numpy").ascontiguousarray(a))
            writer.add_tensor(f"{name}.weight.lora_b", require("numpy").ascontiguousarray(b))
        _write_head(writer, infos=False)
        writer.write_tensors_to_file()


def _names(gguf: Any, architecture: Architecture, config: Mapping[str, Any], weights: Weights) -> dict[str, str]:
    """GGUF's name of each tensor, in the order of the files. Raises IntegrityError for one that is not known."""
    table, found = _table(gguf, architecture, config), {}
    is_tied = bool(config.get("tie_word_embeddings"))
    for name in weights.tensors:
        if (is_tied and name == "lm_head.weight") or name.endswith("rotary_emb.inv_freq"):
            continue
        its = table.get_name(name, try_suffixes=(".weight", ".bias"))
        if its is None:
            raise IntegrityError(f"The base holds `{printable(name)}`, which a {architecture.name} has not")
        found[name] = its
    expected = int(config["num_hidden_layers"])
    layers = {its.split(".")[1] for its in found.values() if its.startswith("blk.")}
    if not {"token_embd.weight", "output_norm.weight"} <= set(found.values()) or len(layers) != expected:
        raise IntegrityError(f"The base is not whole: {len(layers)} of {expected} layers are there")
    return found


def _table(gguf: Any, architecture: Architecture, config: Mapping[str, Any]) -> Any:
    kind = next(item for item, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture.name)
    return gguf.get_tensor_name_map(kind, int(config["num_hidden_layers"]))


def _kind(gguf: Any, shape: tuple[int, ...], quant: Quant) -> Any:
    """The type of a tensor: vectors are F32 whatever the quant, as llama.cpp's own tools write them."""
    types = gguf.GGMLQuantizationType
    if len(shape) < 2 or quant == "F32":
        return types.F32
    return types.F16 if quant == "F16" or shape[-1] % BLOCK else types.Q8_0


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:
        total *= int(length)
    return total


def _write_about(writer: Any, about: About, kind: str) -> None:
    writer.add_type(kind)
    writer.add_name(about.name)
    if about.license:
        writer.add_license(about.license)
    for key, value in sorted(about.facts.items()):
        writer.add_string(f"lmpm.{key}", value)


def _write_head(writer: Any, *, infos: bool = True) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    if infos:
        writer.write_ti_data_to_file()


@contextmanager
def _writer(gguf: Any, target: Path, architecture: str) -> Iterator[Any]:
    """A writer to a file beside `target`, which takes its place when all is written. Raises DiskError."""
    part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
    writer = gguf.GGUFWriter(part, architecture)
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield writer
            writer.flush()
            for file in writer.fout or ():
                os.fsync(file.fileno())
            writer.close()
            part.replace(target)
            atomic.sync_directory(target.parent)
    finally:
        with suppress(OSError, ValueError):
            writer.close()
        with suppress(OSError):
            part.unlink()
