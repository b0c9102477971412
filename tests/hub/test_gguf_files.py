"""The files that tests write are what they claim: llama.cpp runs the good ones and refuses the bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from tests import gguf_files
from tests.hub.content import Bytes
from tests.hub.demo import stand_in
from tests.hub.gguf_facts import gguf_facts

# llama.cpp may end its process on a bad file, so it never runs in that of the tests.
_RUN = """
import json, sys, llama_cpp
path, embedding, texts = sys.argv[1], sys.argv[2] == "embed", json.loads(sys.argv[3])
try:
    model = llama_cpp.Llama(path, n_ctx=128, n_threads=1, verbose=False, embedding=embedding)
except ValueError:
    sys.exit(3)
if embedding:
    print(json.dumps([model.embed(text) for text in texts]))
else:
    print(json.dumps([model(text, max_tokens=4, temperature=0)["usage"] for text in texts]))
"""


def llama_cpp(path: Path, mode: str, texts: list[str]) -> tuple[int, Any]:
    command = [sys.executable, "-c", _RUN, str(path), mode, json.dumps(texts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("quant", get_args(gguf_files.Quant))
def test_a_llama_model_runs(tmp_path: Path, quant: gguf_files.Quant) -> None:
    dim = 256 if quant.endswith("_K") else 64
    files = gguf_files.write_llama(tmp_path / "m.gguf", quant=quant, dim=dim, layers=1)
    status, answers = llama_cpp(files[0], "generate", ["SELECT"])
    assert status == 0, answers
    assert answers[0]["prompt_tokens"] > 0


def test_a_split_model_runs(tmp_path: Path) -> None:
    files = gguf_files.write_llama(tmp_path / "m.gguf", shards=3)
    assert [file.name for file in files] == [f"m-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    assert llama_cpp(files[0], "generate", ["SELECT"])[0] == 0


def test_an_embedding_model_knows_its_meanings(tmp_path: Path) -> None:
    path = gguf_files.write_bert(tmp_path / "m.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])
    status, vectors = llama_cpp(path, "embed", ["a cat sleeps", "the kitten is here", "my truck"])
    assert status == 0, vectors

    def product(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    cat, kitten, truck = vectors
    assert product(cat, kitten) > product(cat, truck)


def test_a_seed_gives_the_same_bytes_and_another_other_ones(tmp_path: Path) -> None:
    def data(seed: int) -> bytes:
        return gguf_files.write_llama(tmp_path / f"{seed}.gguf", seed=seed)[0].read_bytes()

    assert data(1) == data(1) != data(2)


def test_unknown_architecture_is_refused(tmp_path: Path) -> None:
    path = gguf_files.write_unknown_architecture(tmp_path / "m.gguf")
    assert llama_cpp(path, "generate", ["SELECT"])[0] == 3


def test_no_bad_file_is_taken_for_a_model(tmp_path: Path) -> None:
    for name, data in gguf_files.BAD_FILES.items():
        assert len(data) < 100_000, name
    path = tmp_path / "bad.gguf"
    for name in ("empty", "wrong magic", "string length", "dimension overflow"):
        path.write_bytes(gguf_files.BAD_FILES[name])
        assert llama_cpp(path, "generate", ["SELECT"])[0] != 0, name


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
    assert llama_cpp(path, "generate", ["SELECT"])[0] == 0
