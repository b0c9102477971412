"""What is converted answers as it did: logits and token ids against transformers and peft, for each architecture.

Tolerances are of logits that span about -3 to 5, with caches of f32: 1e-4, and 5e-3 for Gemma, whose GELU
ggml takes from a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")

import numpy as np
import torch
import transformers

from lmpm.errors import SpecError
from lmpm.gguf import read_file
from lmpm.tuner.conversion.adapter import Adapter
from lmpm.tuner.conversion.files import About, write_adapter, write_adapter_for, write_model
from tests.tuner.bases import ARCHITECTURES, make_adapter, make_base, sentences
from tests.tuner.llama import logits_of, tokens_of

ABOUT = About(name="tiny")
IDS = [int(number) for number in np.random.default_rng(5).integers(10, 300, 90)]  # longer than Gemma's window


def tolerance(architecture: str) -> float:
    return 5e-3 if architecture == "gemma3" else 1e-4


def truth(model: Any) -> Any:
    with torch.no_grad():
        return model(input_ids=torch.tensor([IDS])).logits[0].float().numpy()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, make_base(tmp_path_factory.mktemp("base") / request.param, request.param)


def test_base_adapter_and_merged_model_have_the_logits_of_peft(base: tuple[str, Path], tmp_path: Path) -> None:
    architecture, folder = base
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    untouched = truth(plain)
    tuned = truth(make_adapter(folder, tmp_path / "adapter"))
    adapter = Adapter(tmp_path / "adapter")
    write_model(folder, tmp_path / "base.gguf", ABOUT, quant="F32")
    write_adapter(folder, adapter, tmp_path / "lora.gguf", ABOUT)
    write_model(folder, tmp_path / "merged.gguf", ABOUT, quant="F32", adapter=adapter)
    write_adapter_for(read_file(tmp_path / "base.gguf"), adapter, tmp_path / "again.gguf", ABOUT)
    assert (tmp_path / "again.gguf").read_bytes() == (tmp_path / "lora.gguf").read_bytes()  # without the safetensors
    assert np.abs(tuned - untouched).max() > 0.5  # the adapter says something
    near = tolerance(architecture)
    assert np.abs(logits_of(tmp_path / "base.gguf", IDS) - untouched).max() < near
    assert np.abs(logits_of(tmp_path / "base.gguf", IDS, adapter=tmp_path / "lora.gguf") - tuned).max() < near
    assert np.abs(logits_of(tmp_path / "merged.gguf", IDS) - tuned).max() < near


def test_tokens_are_those_of_transformers(base: tuple[str, Path], tmp_path: Path) -> None:
    _, folder = base
    write_model(folder, tmp_path / "base.gguf", ABOUT, quant="F32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = [*sentences(30, seed=9), "  two spaces\n\n\nlines 1234567 éàü 漢字 🙂", "", "x" * 50, "a  b   c"]
    for text in texts:
        assert tokens_of(tmp_path / "base.gguf", text, bos=True) == tokenizer(text)["input_ids"], text
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi 12"}], tokenize=False, add_generation_prompt=True
    )
    assert tokens_of(tmp_path / "base.gguf", chat, bos=False) == tokenizer(chat, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    "options",
    [
        {"use_rslora": True},
        {"alpha_pattern": {"q_proj": 40, "layers.1.mlp.down_proj": 2}},
        {"rank_pattern": {"k_proj": 3, "up_proj": 12}},
        {"use_rslora": True, "alpha_pattern": {"v_proj": 5}, "rank_pattern": {"v_proj": 2}},
    ],
    ids=["rslora", "alpha_pattern", "rank_pattern", "all"],
)
def test_scales_of_peft_are_kept(options: dict[str, Any], tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base", "llama")
    tuned = truth(make_adapter(folder, tmp_path / "adapter", **options))
    adapter = Adapter(tmp_path / "adapter")
    write_model(folder, tmp_path / "base.gguf", ABOUT, quant="F32")
    write_adapter(folder, adapter, tmp_path / "lora.gguf", ABOUT)
    write_model(folder, tmp_path / "merged.gguf", ABOUT, quant="F32", adapter=adapter)
    assert np.abs(logits_of(tmp_path / "base.gguf", IDS, adapter=tmp_path / "lora.gguf") - tuned).max() < 1e-4
    assert np.abs(logits_of(tmp_path / "merged.gguf", IDS) - tuned).max() < 1e-4


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "lora_only"}, "bias"),
    ],
    ids=["dora", "modules_to_save", "bias"],
)
def test_what_a_file_cannot_hold_is_refused_with_the_way_out(
    options: dict[str, Any], word: str, tmp_path: Path
) -> None:
    folder = make_base(tmp_path / "base", "qwen2")
    make_adapter(folder, tmp_path / "adapter", steps=3, **options)
    with pytest.raises(SpecError, match=word) as caught:
        write_adapter(folder, Adapter(tmp_path / "adapter"), tmp_path / "lora.gguf", ABOUT)
    assert "merge_and_unload" in str(caught.value.hint)
    assert not [*tmp_path.glob("*.gguf"), *tmp_path.glob(".*")]


@pytest.mark.parametrize("tied", [False, True])
def test_weights_in_bfloat16_are_widened_exactly(tied: bool, tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base", "qwen3", dtype="bfloat16", tied=tied)
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    write_model(folder, tmp_path / "base.gguf", ABOUT, quant="F32")
    assert np.abs(logits_of(tmp_path / "base.gguf", IDS) - truth(plain)).max() < 1e-4


def test_q8_0_changes_little(tmp_path: Path) -> None:
    folder = make_base(tmp_path / "base", "llama")
    write_model(folder, tmp_path / "full.gguf", ABOUT, quant="F32")
    write_model(folder, tmp_path / "small.gguf", ABOUT)
    full, small = (logits_of(tmp_path / name, IDS) for name in ("full.gguf", "small.gguf"))
    assert 0 < np.abs(full - small).max() < 0.3
    assert (tmp_path / "small.gguf").stat().st_size < 0.4 * (tmp_path / "full.gguf").stat().st_size
