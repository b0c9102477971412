"""Adapters: which base they belong to, and what llama.cpp would not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from lmpm.errors import IntegrityError
from lmpm.gguf import Header, base_of, read_file, require_adapter_for

ONE, OTHER = "1" * 64, "2" * 64


def base(folder: Path, *, arch: str = "llama", wide: int = 64) -> Header:
    writer = gguf.GGUFWriter(folder / "base.gguf", arch)
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((32, wide), np.float32))
    return finished(writer, folder / "base.gguf")


def adapter(folder: Path, *, arch: str = "llama", kind: str = "adapter", **changes: Any) -> Header:
    writer = gguf.GGUFWriter(folder / "lora.gguf", arch)
    writer.add_type(kind)
    writer.add_string("adapter.type", changes.get("type", "lora"))
    if changes.get("alpha", True):
        writer.add_float32("adapter.lora.alpha", 16.0)
    if sha256 := changes.get("sha256", ONE):
        writer.add_string("lmpm.base.sha256", sha256)
        writer.add_string("lmpm.base.repo", "org/base")
        writer.add_string("lmpm.base.commit", "a" * 40)
    name = changes.get("name", "blk.0.attn_q.weight")
    a, b = changes.get("a", (8, 64)), changes.get("b", (32, 8))
    writer.add_tensor(f"{name}.lora_a", np.zeros(a, np.float32))
    if b:
        writer.add_tensor(f"{name}{changes.get('suffix', '.lora_b')}", np.zeros(b, np.float32))
    return finished(writer, folder / "lora.gguf")


def finished(writer: Any, path: Path) -> Header:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read_file(path)


def test_an_adapter_of_this_base_is_taken(tmp_path: Path) -> None:
    made = adapter(tmp_path)
    require_adapter_for(made, [base(tmp_path)], ONE, name="x.gguf")
    named = base_of(made)
    assert named is not None and (named.repo, named.commit, named.sha256) == ("org/base", "a" * 40, ONE)


def test_one_of_another_base_of_the_same_shape_is_refused_with_both_hashes(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="trained on another base") as caught:
        require_adapter_for(adapter(tmp_path), [base(tmp_path)], OTHER, name="x.gguf")
    assert caught.value.exit_code == 4 and ONE in str(caught.value) and OTHER in str(caught.value)


def test_one_that_names_no_base_is_taken_only_where_a_lock_names_it(tmp_path: Path) -> None:
    unnamed, its = adapter(tmp_path, sha256=""), [base(tmp_path)]
    with pytest.raises(IntegrityError, match="does not say which base"):
        require_adapter_for(unnamed, its, ONE, name="x.gguf")
    require_adapter_for(unnamed, its, ONE, name="x.gguf", accepted=ONE)
    with pytest.raises(IntegrityError, match="another base"):
        require_adapter_for(unnamed, its, ONE, name="x.gguf", accepted=OTHER)
    with pytest.raises(IntegrityError, match="another base"):  # what file and lock say must agree
        require_adapter_for(adapter(tmp_path), its, ONE, name="x.gguf", accepted=OTHER)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "model"}, "not an adapter"),
        ({"type": "control_vector"}, "expected `lora`"),
        ({"arch": "qwen2"}, "it is for qwen2"),
        ({"alpha": False}, "no alpha"),
        ({"name": "blk.7.attn_q.weight"}, "the model has no `blk.7"),
        ({"a": (8, 96)}, "its pair is"),
        ({"b": (48, 8)}, "its pair is"),
        ({"b": (32, 4)}, "its pair is"),
        ({"b": None}, "half of a pair"),
        ({"suffix": ".lora_magnitude"}, "not of a LoRA"),
    ],
)
def test_what_llama_cpp_would_not_take_is_refused_before(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="cannot be put on this model") as caught:
        require_adapter_for(adapter(tmp_path, **changes), [base(tmp_path)], ONE, name="x.gguf")
    assert words in str(caught.value)
