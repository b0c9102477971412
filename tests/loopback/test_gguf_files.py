"""The files that tests write are what they claim: llama.cpp runs the good ones and refuses the bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from tests import gguf_files
from tests.loopback.content import Bytes
from tests.loopback.demo import stand_in
from tests.loopback.gguf_facts import gguf_facts

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

# llama.cpp may end its process on a bad file, so it never runs in that of the tests.
_RUN = """
import json, sys, llama_cpp
mode, texts, paths = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
for path in paths:
    try:
        model = llama_cpp.Llama(path, n_ctx=128, n_threads=1, verbose=False, embedding=mode == "embed")
    except ValueError:
        print(json.dumps("refused"))
        continue
    if mode == "embed":
        print(json.dumps([model.embed(text) for text in texts]))
    else:
        print(json.dumps([model(text, max_tokens=4, temperature=0)["usage"] for text in texts]))
"""


def llama_cpp(mode: str, texts: list[str], *paths: Path) -> list[Any]:
    """What each file answered to each text, or "refused"; fewer than the files if one ended the process."""
    command = [sys.executable, "-c", _RUN, mode, json.dumps(texts), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_llama_models_of_every_quant_and_split_ones_run(tmp_path: Path) -> None:
    firsts = []
    for quant in get_args(gguf_files.Quant):
        path = tmp_path / f"{quant}.gguf"
        dim = 256 if quant.endswith("_K") else 64
        firsts += gguf_files.write_llama(path, quant=quant, dim=dim, layers=1)
    shards = gguf_files.write_llama(tmp_path / "m.gguf", shards=3)
    assert [file.name for file in shards] == [f"m-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    answers = llama_cpp("generate", ["SELECT"], *firsts, shards[0])
    assert len(answers) == len(firsts) + 1
    assert all(answer[0]["prompt_tokens"] > 0 for answer in answers)


def test_an_embedding_model_knows_its_meanings(tmp_path: Path) -> None:
    path = gguf_files.write_bert(tmp_path / "m.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])
    [vectors] = llama_cpp("embed", ["a cat sleeps", "the kitten is here", "my truck"], path)

    def product(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    cat, kitten, truck = vectors
    assert product(cat, kitten) > product(cat, truck)


def test_a_seed_gives_the_same_bytes_and_another_other_ones(tmp_path: Path) -> None:
    def data(seed: int) -> bytes:
        return gguf_files.write_llama(tmp_path / f"{seed}.gguf", seed=seed)[0].read_bytes()

    assert data(1) == data(1) != data(2)


def test_what_llama_cpp_refuses(tmp_path: Path) -> None:
    paths = [gguf_files.write_unknown_architecture(tmp_path / "unknown.gguf")]
    for name in ("empty", "wrong magic", "dimension overflow"):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(gguf_files.BAD_FILES[name])
        paths.append(path)
    assert llama_cpp("generate", ["SELECT"], *paths) == ["refused"] * len(paths)


def test_the_hub_reads_the_facts_of_a_model(tmp_path: Path) -> None:
    path = gguf_files.write_llama(tmp_path / "m.gguf", context=777, chat_template="{{ x }}")[0]
    facts = gguf_facts([Bytes(b"no model"), Bytes(path.read_bytes())])
    assert facts is not None
    assert (facts["architecture"], facts["context_length"]) == ("llama", 777)
    assert (facts["chat_template"], facts["eos_token"]) == ("{{ x }}", "</s>")
    assert facts["totalFileSize"] == path.stat().st_size
    assert gguf_facts([Bytes(data) for data in gguf_files.BAD_FILES.values() if len(data) < 40]) is None


def test_stand_ins_differ_and_run(tmp_path: Path) -> None:
    one, other = stand_in("a/Some-Model-Q4_K_M.gguf"), stand_in("a/Some-Model-Q8_0.gguf")
    assert one.sha256 != other.sha256
    path = tmp_path / "m.gguf"
    path.write_bytes(one.read(0, one.size))
    assert llama_cpp("generate", ["SELECT"], path) != ["refused"]
