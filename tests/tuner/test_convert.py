"""LoRAs of peft converted for a pinned GGUF base, with nothing of torch: exact, and named for that base alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from lmpm.engine import EngineLimits, Files
from lmpm.engine.adapters.xllamacpp import XLlamaCpp
from lmpm.gguf import base_of, read_file
from lmpm.project import load_lock
from lmpm.run_config import RunConfig
from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama
from tests.loopback import LoopbackHub
from tests.tuner.peft_files import write_peft

DIM, HEADS, KV_HEADS, LAYERS = 64, 4, 2, 2
SHAPES = {
    "self_attn.q_proj": (DIM, DIM),
    "self_attn.k_proj": (DIM // HEADS * KV_HEADS, DIM),
    "self_attn.v_proj": (DIM // HEADS * KV_HEADS, DIM),
    "mlp.gate_proj": (2 * DIM, DIM),
    "mlp.down_proj": (DIM, 2 * DIM),
}
PLAN = RunConfig(context=128, kv_type="f32", flash_attention="off", repack="none")


@pytest.fixture
def base(cli: Cli) -> Path:
    path = cli.directory / "models/base.gguf"
    path.parent.mkdir()
    write_llama(path, dim=DIM, heads=HEADS, kv_heads=KV_HEADS, layers=LAYERS, quant="F32", chat_template=CHAT_TEMPLATE)
    return path


@pytest.fixture
def hub(cli: Cli) -> Iterator[LoopbackHub]:
    """A Hub without any model."""
    with LoopbackHub() as served:
        cli.environment["HF_ENDPOINT"] = served.endpoint
        yield served


def merged(base: Path, target: Path, added: dict[str, Any]) -> Path:
    """The base with the changes added to its weights, in the order of rows that a llama has in GGUF."""
    reader = gguf.GGUFReader(base)
    shutil.copy(base, target)
    data = bytearray(target.read_bytes())
    for tensor in reader.tensors:
        if tensor.name not in added:
            continue
        delta = added[tensor.name]
        heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(tensor.name.split(".")[2])
        if heads:  # llama.cpp rotates neighbours, transformers halves: rows 2i, 2i+1 are row i of each half
            size = delta.shape[0] // heads
            order = [
                head * size + half * (size // 2) + at
                for head in range(heads)
                for at in range(size // 2)
                for half in (0, 1)
            ]
            delta = delta[order]
        values = np.array(tensor.data, dtype=np.float32) + delta
        start = int(tensor.data_offset)
        data[start : start + values.nbytes] = values.astype("<f4").tobytes()
    target.write_bytes(data)
    return target


def likely(model: Path, *adapters: Path) -> list[tuple[int, float]]:
    limits = EngineLimits(time_s=60, memory_bytes=1 << 30)
    with XLlamaCpp().open(Files(model, adapters=adapters), PLAN, limits) as session:
        return session.likeliest(session.tokenize("hello there"), 8)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"use_rslora": True},
        {"alpha_pattern": {"q_proj": 32, "mlp.down_proj": 2}},
        {"rank_pattern": {"k_proj": 2}},
        {"use_rslora": True, "rank_pattern": {"q_proj": 8}, "alpha_pattern": {"v_proj": 20}},
    ],
)
def test_the_converted_file_answers_as_the_merged_weights(config: dict[str, Any], cli: Cli, base: Path) -> None:
    added = write_peft(cli.directory / "peft", SHAPES, layers=LAYERS, **config)
    done = cli.call("convert", "peft", "--base", "models/base.gguf", "-o", "lora.gguf", "--json").passed().json
    assert done["weights"] == LAYERS * len(SHAPES)
    wanted = likely(merged(base, cli.directory / "merged.gguf", added))
    found, plain = likely(base, cli.directory / "lora.gguf"), likely(base)
    assert [token for token, _ in found] == [token for token, _ in wanted]
    assert max(abs(a - b) for (_, a), (_, b) in zip(found, wanted, strict=True)) < 1e-4
    assert max(abs(a - b) for (_, a), (_, b) in zip(plain, wanted, strict=True)) > 1e-2


def test_nothing_of_torch_is_imported(cli: Cli, base: Path) -> None:
    write_peft(cli.directory / "peft", SHAPES, layers=LAYERS)
    code = (
        "import sys; from lmpm.cli import run; code = run(sys.argv[1:]); "
        "print([name for name in ('torch', 'peft', 'transformers') if name in sys.modules]); sys.exit(code)"
    )
    words = ("convert", "peft", "--base", "models/base.gguf")
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=cli.directory, env=cli.environment, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip().endswith("[]")


def test_it_names_its_base_and_is_pinned_with_it(cli: Cli, base: Path) -> None:
    cli.call("install", "./models/base.gguf", "--offline", "--name", "own", "--no-test").passed()
    write_peft(cli.directory / "adapters/team", SHAPES, layers=LAYERS, base="org/quite-another-7b")
    done = cli.call("convert", "adapters/team", "--base", "own", "--offline").passed()
    assert "trained on `org/quite-another-7b`: is that this model?" in done.err
    named = base_of(read_file(cli.directory / "models/team.gguf"))
    assert named is not None and named.sha256 == hashlib.sha256(base.read_bytes()).hexdigest()
    install = ("install", "./models/base.gguf", "--offline", "--name", "own", "--no-test")
    cli.call(*install, "--adapter", "models/team.gguf").passed()
    assert len(load_lock(cli.lock).models[0].candidates[0].adapters) == 1
    again = ("convert", "adapters/team", "--base", "own", "-o", "again.gguf")
    cli.call(*again).failed(2, "with adapters on it")


def test_of_the_hub_it_names_repository_and_commit(cli: Cli, base: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    write_peft(tmp_path / "peft", SHAPES, layers=LAYERS)
    hub.add_repo("acme/team", {path.name: path.read_bytes() for path in (tmp_path / "peft").iterdir()})
    cli.call("convert", "acme/team", "--base", "models/base.gguf").passed()
    header = read_file(cli.directory / "models/team.gguf")
    assert header.text("lmpm.peft.repo") == "acme/team" and len(header.text("lmpm.peft.commit")) == 40
    cli.call("convert", "acme/nobody", "--base", "models/base.gguf").failed(3)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"peft_type": "IA3"}, "IA3"),
        ({"lora_bias": True}, "lora_bias"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(config: dict[str, Any], words: str, cli: Cli, base: Path) -> None:
    write_peft(cli.directory / "peft", SHAPES, layers=LAYERS, **config)
    cli.call("convert", "peft", "--base", "models/base.gguf").failed(2, words, "merge_and_unload")
    assert not (cli.directory / "models/peft.gguf").exists()


def test_one_of_another_shape_leaves_no_file(cli: Cli, base: Path) -> None:
    write_peft(cli.directory / "peft", {**SHAPES, "self_attn.v_proj": (DIM, DIM)}, layers=LAYERS)
    cli.call("convert", "peft", "--base", "models/base.gguf").failed(4, "cannot be put on this model", "attn_v")
    write_peft(cli.directory / "peft", SHAPES, layers=LAYERS + 1)
    cli.call("convert", "peft", "--base", "models/base.gguf").failed(4)
    assert [path.name for path in (cli.directory / "models").iterdir()] == ["base.gguf"]


def test_what_is_wrong_is_said_and_nothing_written_over(cli: Cli, base: Path) -> None:
    write_peft(cli.directory / "peft", SHAPES, layers=LAYERS)
    convert = ("convert", "peft", "--base", "models/base.gguf")
    cli.call("convert", "nowhere", "--base", "models/base.gguf").failed(3, "neither a folder nor a repository")
    cli.call("convert", "peft", "--base", "models/none.gguf").failed(3, "is not there")
    cli.call(*convert, "-o", "models/lora.bin").failed(2, "not the name of a GGUF file")
    cli.call(*convert, "-o", "models/base.gguf").failed(2, "is there already")
    weights = cli.directory / "peft/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    cli.call(*convert).failed(4, "not a complete safetensors")
    weights.unlink()
    cli.call(*convert).failed(4, "has no `adapter_model.safetensors`")
    (cli.directory / "peft/adapter_config.json").write_text(json.dumps([]))
    cli.call(*convert).failed(4, "is not an object")
    other = write_llama(cli.directory / "models/other.gguf", architecture="starcoder2")[0]
    write_peft(cli.directory / "peft", SHAPES, layers=LAYERS)
    cli.call("convert", "peft", "--base", str(other)).failed(2, "starcoder2", "cannot be converted exactly")
