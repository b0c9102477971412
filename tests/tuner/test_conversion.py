"""Parts of the conversion that need neither torch nor a model: reading weights, what is refused, what it costs."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmpm.errors import IntegrityError, LmpmError, NoSpaceError, SpecError
from lmpm.tuner.conversion.adapter import Adapter, refusal
from lmpm.tuner.conversion.architectures import architecture_of, interleaved, rope_base
from lmpm.tuner.conversion.safetensors import Weights
from lmpm.tuner.conversion.vocabulary import SPLITS, read_vocabulary
from lmpm.tuner.costs import costs_of, require_room
from lmpm.tuner.settings import Settings

LLAMA = {"model_type": "llama", "num_attention_heads": 4, "hidden_size": 64}
SHAPE = {"num_hidden_layers": 24, "hidden_size": 896, "intermediate_size": 4864, "num_attention_heads": 14,
         "num_key_value_heads": 2, "vocab_size": 151936}  # fmt: skip


def safetensors(path: Path, tensors: dict[str, tuple[str, Any]]) -> Path:
    """A file as the format's page has it, written by hand."""
    header, data = {}, b""
    for name, (kind, values) in tensors.items():
        packed = values.tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(values.shape),
            "data_offsets": [len(data), len(data) + len(packed)],
        }
        data += packed
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_each_type_is_read_as_it_was_written(tmp_path: Path) -> None:
    exact = np.array([[1.5, -2.0], [0.0, 3.25]], np.float32)
    halves = (exact.view(np.uint32) >> 16).astype(np.uint16)
    path = safetensors(
        tmp_path / "m.safetensors", {"f": ("F32", exact), "h": ("F16", exact.astype(np.float16)), "b": ("BF16", halves)}
    )
    weights = Weights(path)
    for name in "fhb":
        assert np.array_equal(weights.read(name), exact) and weights.read(name).dtype == np.float32


@pytest.mark.parametrize("damage", ["cut", "huge", "text", "outside", "type", "empty"])
def test_a_damaged_file_is_said_to_be_so(damage: str, tmp_path: Path) -> None:
    path = safetensors(tmp_path / "m.safetensors", {"f": ("F32", np.zeros((4, 4), np.float32))})
    data = path.read_bytes()
    changed = {
        "cut": data[:-8],
        "huge": struct.pack("<Q", 2**60) + data[8:],
        "text": data[:8] + b"[" + data[9:],
        "outside": data.replace(b'"shape": [4, 4]', b'"shape": [4, 9]'),
        "type": data.replace(b'"F32"', b'"I64"'),
        "empty": b"",
    }[damage]
    path.write_bytes(changed)
    with pytest.raises(IntegrityError, match="not a complete safetensors"):
        Weights(path).tensors  # noqa: B018 - reading it is the test


def test_rows_are_interleaved_by_head() -> None:
    rows = np.arange(8)[:, None]  # two heads of width four: halves (0 1 | 2 3)
    assert interleaved(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "mixtral"}, "cannot be tuned"),
        ({**LLAMA, "rope_scaling": {"rope_type": "llama3", "factor": 8}}, "scaled (`llama3`)"),
        ({**LLAMA, "rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6}}, "scaled (`yarn`)"),
        ({**LLAMA, "mlp_bias": True}, "biases"),
        ({**LLAMA, "model_type": "qwen2", "use_sliding_window": True}, "window"),
        ({**LLAMA, "model_type": "gemma3_text", "final_logit_softcapping": 30.0}, "capped"),
        ({**LLAMA, "model_type": "gemma3_text", "query_pre_attn_scalar": 168}, "another number"),
        ({**LLAMA, "model_type": "gemma3_text", "layer_types": ["full_attention"] * 6}, "alternate"),
    ],
)
def test_what_cannot_be_written_exactly_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        architecture_of(config)
    assert words in str(caught.value)


def test_the_base_of_the_rotation_is_found_wherever_it_stands() -> None:
    assert rope_base({"rope_theta": 5e5}) == 5e5
    assert rope_base({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}) == 1e6
    assert rope_base({"rope_parameters": {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {}}}) == 1e6


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"peft_type": "LORA"}, ""),
        ({"peft_type": "LORA", "use_dora": True}, "DoRA"),
        ({"peft_type": "LORA", "modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "LORA", "trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"peft_type": "LORA", "lora_bias": True}, "lora_bias"),
        ({"peft_type": "IA3"}, "expected LORA"),
    ],
)
def test_what_a_lora_file_cannot_hold_is_known_from_its_config(config: dict[str, Any], word: str) -> None:
    assert word in refusal(config) and bool(refusal(config)) == bool(word)


def peft(folder: Path, *, bias: float | None = None, **config: Any) -> Adapter:
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, **config}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors: dict[str, tuple[str, Any]] = {
        f"{name}.lora_A.weight": ("F32", np.ones((4, 6), np.float32)),
        f"{name}.lora_B.weight": ("F32", np.ones((5, 4), np.float32)),
    }
    if bias is not None:
        tensors[f"{name}.base_layer.bias"] = ("F32", np.full(5, bias, np.float32))
    safetensors(folder / "adapter_model.safetensors", tensors)
    return Adapter(folder)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 4.0),
        ({"alpha_pattern": {"q_proj": 20}}, 5.0),
        ({"alpha_pattern": {"v_proj": 20}}, 2.0),
        ({"alpha_pattern": {r"layers\.0\.self_attn\.q_proj": 20}, "use_rslora": True}, 10.0),
    ],
)
def test_the_scale_is_that_of_peft_in_deltas_and_in_files(config: dict[str, Any], scale: float, tmp_path: Path) -> None:
    adapter = peft(tmp_path, **config)
    (pair,) = adapter.pairs
    assert adapter.delta(pair).tolist() == np.full((5, 6), 4 * scale).tolist()
    a, b = adapter.in_file(pair)
    assert np.allclose(adapter.alpha / pair.rank * (b @ a), adapter.delta(pair))  # as llama.cpp scales


def test_a_bias_that_was_trained_is_refused_and_one_of_zeros_is_nothing(tmp_path: Path) -> None:
    assert len(peft(tmp_path, bias=0.0).pairs) == 1
    with pytest.raises(SpecError, match="bias"):
        peft(tmp_path, bias=0.5).pairs  # noqa: B018 - reading it is the test


def test_a_rank_that_differs_from_its_config_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="rank"):
        peft(tmp_path, rank_pattern={"q_proj": 2}).pairs  # noqa: B018


@pytest.mark.parametrize(
    ("split", "name"),
    [
        ({"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}, "gpt-2"),
        (
            [{"type": "Digits", "individual_digits": True},
             {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}],
            "smollm",
        ),
        *(
            ([{"type": "Split", "pattern": {"Regex": rule}, "behavior": "Isolated"},
              {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}], known)
            for rule, known in SPLITS.items()
        ),
        ({"type": "Whitespace"}, None),
        ([{"type": "Split", "pattern": {"Regex": "."}}, {"type": "ByteLevel", "use_regex": False}], None),
    ],
)  # fmt: skip
def test_the_split_of_a_tokenizer_has_llama_cpps_name_or_is_refused(
    split: Any, name: str | None, tmp_path: Path
) -> None:
    rule = {"type": "Sequence", "pretokenizers": split} if isinstance(split, list) else split
    told = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}, "pre_tokenizer": rule,
            "added_tokens": [{"id": 3, "content": "<end>", "special": True}]}  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(told))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "<end>"}}))
    (tmp_path / "config.json").write_text("{}")
    if name is None:
        with pytest.raises(SpecError, match="split"):
            read_vocabulary(tmp_path, 6)
        return
    found = read_vocabulary(tmp_path, 6)
    assert (found.split, found.merges, found.ids) == (name, ("a b",), {"eos": 3})
    assert found.tokens == ("a", "b", "ab", "<end>", "[PAD4]", "[PAD5]") and found.types == (1, 1, 1, 3, 5, 5)
    with pytest.raises(IntegrityError, match="more tokens than the model"):
        read_vocabulary(tmp_path, 3)


def test_costs_are_near_what_was_measured() -> None:
    """Qwen2.5-0.5B, r = 16, batches of 2 x 256 tokens on two cores: 68 tokens a second and 7.3 GB were measured."""
    settings = Settings(batch=2, max_tokens=256, rank=16, epochs=1, device="cpu")
    costs = costs_of(settings, SHAPE, 494_000_000, examples=400, tokens=400 * 256, longest=256, cores=2)
    assert 0.4 < costs.tokens / costs.seconds / 68 < 2.0
    assert 0.5 < costs.memory / 7.3e9 < 1.5
    assert costs.steps == 200


def test_a_machine_that_is_too_small_is_said_before_anything_begins(tmp_path: Path) -> None:
    settings = Settings(batch=8, epochs=1)
    costs = costs_of(settings, SHAPE, 494_000_000, examples=400, tokens=400 * 256, longest=256, cores=2)
    require_room(costs, tmp_path, 2**40)
    with pytest.raises(LmpmError, match="of memory") as caught:
        require_room(costs, tmp_path, 2**30)
    assert caught.value.kind == "memory" and "--batch 1" in str(caught.value.hint)
    import dataclasses

    with pytest.raises(NoSpaceError):
        require_room(dataclasses.replace(costs, disk=2**60), tmp_path, None)
