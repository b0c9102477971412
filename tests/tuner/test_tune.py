"""From examples to a pinned model, through the command: a LoRA on each architecture, and a model from nothing.

Toy tasks that are learnt in seconds; the bases have random weights and real tokenizers.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("gguf")

from lmpm.gguf import read_file
from lmpm.project import load_lock
from tests.conftest import Cli
from tests.loopback import LoopbackHub
from tests.tuner.bases import make_base
from tests.tuner.toys import SORTS, rows, write

LABELS = sorted(SORTS)
SMALL = ("--from-scratch", "--layers", 2, "--width", 64, "--max-tokens", 64)
THREADS = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def labelled(count: int) -> list[dict[str, Any]]:
    return [{"text": row["text"], "labels": LABELS, "answer": row["answer"]} for row in rows(count)]


@pytest.fixture
def data(cli: Cli) -> Path:
    return write(cli.directory / "train.jsonl", labelled(180))


@pytest.fixture
def hub(cli: Cli) -> Iterator[LoopbackHub]:
    """A Hub without any model."""
    with LoopbackHub() as served:
        cli.environment["HF_ENDPOINT"] = served.endpoint
        yield served


def tune(cli: Cli, *more: object, timeout: float = 300) -> Any:
    words = ("tune", "sorts", "--task", "classification", "--data", "train.jsonl", "--offline", "-y")
    return cli.run(*words, *more, timeout=timeout, **THREADS)


def test_from_nothing_to_a_pin_that_verifies_and_answers(cli: Cli, data: Path) -> None:
    done = tune(cli, *SMALL, "--epochs", 30, "--min-score", 0.8, "--data-license", "CC0-1.0", "--json").passed().json
    assert done["gate"]["scores"][0]["share"] >= 0.8
    model = cli.directory / "models/sorts-Q8_0.gguf"
    (locked,) = load_lock(cli.lock).models
    (rung,) = locked.candidates
    assert str(rung.source) and rung.files[0].sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert rung.training is not None and rung.training.examples == done["data"]["examples"] and not rung.training.base
    assert rung.tested is not None and rung.tested.score == done["gate"]["scores"][0]["share"]
    assert rung.training.data == done["data"]["sha256"]
    assert read_file(model).text("lmpm.training.data.sha256") == done["data"]["sha256"]
    page = (cli.directory / "models/sorts.md").read_text()
    for word in (rung.files[0].sha256, rung.training.data, "CC0-1.0", "from nothing", "torch", "right"):
        assert word in page
    assert "checks" in cli.run("verify").passed().out
    cases = [json.loads(line) for line in (cli.directory / "models/sorts-cases.jsonl").read_text().splitlines()]
    assert len(cases) == done["cases"]
    cli.run("lock", "--check").passed()
    answer = cli.run("run", "sorts", "--labels", ",".join(LABELS), "there is a hammer here").passed()
    assert answer.out.strip() in LABELS


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3"])
def test_a_lora_is_merged_judged_against_its_base_and_pinned(architecture: str, cli: Cli) -> None:
    """A base of random weights learns quickly to say one thing, and hardly more than that."""
    write(cli.directory / "train.jsonl", [dict(row, answer="tool") for row in labelled(70)])
    base = make_base(cli.directory / "base", architecture, tied=True)
    options = ("--base", "base", "--epochs", 5, "--rate", 0.01, "--max-tokens", 160, "--min-score", 0.9)
    done = tune(cli, *options, "--json").passed().json
    tuned, plain = done["gate"]["scores"]
    assert tuned["share"] >= 0.9 and tuned["right"] >= plain["right"]
    (rung,) = load_lock(cli.lock).models[0].candidates
    assert rung.training is not None and rung.training.base == "base" and len(rung.training.base_sha256) == 64
    adapter = read_file(cli.directory / "models/sorts-lora.gguf")
    assert adapter.architecture == read_file(cli.directory / "models/sorts-Q8_0.gguf").architecture
    assert adapter.text("general.type") == "adapter"
    cli.run("verify").passed()
    assert not list(base.parent.rglob("*.part"))


def test_a_model_that_is_not_good_enough_is_not_pinned(cli: Cli, data: Path) -> None:
    failed = tune(cli, *SMALL, "--epochs", 0.1, "--min-score", 0.9)
    failed.failed(8, "did not pass its gate; nothing is pinned", "90 % are needed", "wrong: line", "gate.md")
    assert not cli.lock.exists() and not cli.manifest.exists() and not (cli.directory / "models").exists()
    report = failed.err.split("See `")[1].split("`")[0]
    assert "| " in Path(report).read_text()


def test_one_that_is_worse_than_what_is_pinned_leaves_the_pin(cli: Cli, data: Path) -> None:
    write(cli.directory / "cases.jsonl", [
        {"text": f"{word} {more}", "labels": LABELS, "expected": sort}
        for sort, words in SORTS.items() for word in words for more in ("", "!!")
    ])  # fmt: skip
    tune(cli, *SMALL, "--epochs", 30, "--eval", "cases.jsonl").passed()
    before = (cli.lock.read_bytes(), cli.manifest.read_bytes(), (cli.directory / "models/sorts-Q8_0.gguf").read_bytes())
    assert b'checks = "cases.jsonl"' in before[1]
    worse = tune(cli, *SMALL, "--epochs", 0.1, "--seed", 7, "--eval", "cases.jsonl")
    worse.failed(8, "pinned now", "nothing is pinned")
    now = (cli.lock.read_bytes(), cli.manifest.read_bytes(), (cli.directory / "models/sorts-Q8_0.gguf").read_bytes())
    assert now == before
    cli.run("verify").passed()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_keeps_what_was_learnt_and_the_same_command_goes_on(cli: Cli, data: Path) -> None:
    words = ("tune", "sorts", "--task", "classification", "--data", "train.jsonl", "--offline", "-y", *SMALL)
    going = cli.start(*words, "--epochs", 60, **THREADS)
    assert going.stderr is not None
    for line in going.stderr:
        if line.startswith("Training"):
            break
    going.send_signal(signal.SIGINT)
    _, err = going.communicate(timeout=60)
    assert going.returncode == 130 and "Traceback" not in err, err
    assert not cli.lock.exists()
    done = tune(cli, *SMALL, "--epochs", 60).passed()
    assert "Resumed" in done.err and "after step" in done.err


def test_what_is_wrong_with_a_base_is_said(cli: Cli, data: Path) -> None:
    tune(cli, "--base", "nowhere").failed(3, "neither a folder nor a repository")
    base = make_base(cli.directory / "base", "qwen2")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"model_type": "mamba"}))
    tune(cli, "--base", "base").failed(2, "mamba", "cannot be tuned")
    (base / "config.json").write_text(json.dumps(config))
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    tune(cli, "--base", "base").failed(4, "not a complete safetensors")
    tune(cli, "--base", "org/base").failed(5, "switched off")
    assert not cli.lock.exists()


def test_a_loss_that_is_no_number_pins_nothing(cli: Cli, data: Path) -> None:
    tune(cli, *SMALL, "--rate", 1e18, "--epochs", 4).failed(1, "no number any more", "--rate")
    assert not cli.lock.exists() and not (cli.directory / "models").exists()


def test_the_same_command_twice_makes_the_same_bytes(cli: Cli, data: Path) -> None:
    tune(cli, *SMALL, "--epochs", 5).passed()
    one = cli.lock.read_bytes()
    other = cli.beside("other", empty_store=True)
    write(other.directory / "train.jsonl", labelled(180))
    tune(other, *SMALL, "--epochs", 5).passed()
    assert other.lock.read_bytes() == one


LORA = ("--base", "base", "--epochs", 5, "--rate", 0.01, "--max-tokens", 160, "--min-score", 0.9)


@pytest.fixture
def one_thing(cli: Cli) -> Path:
    """A base of random weights, and examples that say one thing: it learns that quickly."""
    write(cli.directory / "train.jsonl", [dict(row, answer="tool") for row in labelled(70)])
    return make_base(cli.directory / "base", "llama", tied=True)


def test_a_lora_that_is_not_merged_is_pinned_with_its_base(cli: Cli, one_thing: Path) -> None:
    done = tune(cli, *LORA, "--adapter", "--json").passed().json
    assert done["gate"]["scores"][0]["share"] >= 0.9
    (rung,) = load_lock(cli.lock).models[0].candidates
    (adapter,) = rung.adapters
    models = cli.directory / "models"
    assert rung.files[0].path == "models/base-Q8_0.gguf" and adapter.file.path == "models/sorts-lora.gguf"
    assert adapter.base.sha256 == rung.files[0].sha256 == sha256(models / "base-Q8_0.gguf")
    assert adapter.size < rung.size and rung.training is not None
    assert not (models / "sorts-Q8_0.gguf").exists()
    cli.run("verify").passed()
    answer = cli.run("run", "sorts", "--labels", ",".join(LABELS), "there is a hammer here").passed()
    assert answer.out.strip() == "tool"
    base = (models / "base-Q8_0.gguf").stat()
    words = ("tune", "others", "--task", "classification", "--data", "train.jsonl", "--offline", "-y")
    cli.run(*words, *LORA, "--adapter", timeout=300, **THREADS).passed()  # the base is there
    now = (models / "base-Q8_0.gguf").stat()
    assert (now.st_ino, now.st_mtime_ns) == (base.st_ino, base.st_mtime_ns)
    assert {model.name for model in load_lock(cli.lock).models} == {"sorts", "others"}
    cli.run("verify").passed()
    tune(cli, *SMALL, "--adapter").failed(2, "goes with a base")


def test_k_quants_are_made_by_llama_cpp_and_judged(cli: Cli, one_thing: Path) -> None:
    pytest.importorskip("llama_cpp")
    done = tune(cli, *LORA, "--quant", "q4_k_m", "--json").passed().json
    file = cli.directory / "models/sorts-Q4_K_M.gguf"
    assert done["file"] == str(file) and read_file(file).quant() == "Q4_K_M"
    (rung,) = load_lock(cli.lock).models[0].candidates
    assert rung.quant == "Q4_K_M" and rung.files[0].sha256 == sha256(file)
    page = (cli.directory / "models/sorts.md").read_text()
    assert "as Q4_K_M" in page and "| weights | Q5_0 " in page  # rows of 128: the file says what it has
    assert read_file(file).text("lmpm.training.data.sha256") == done["data"]["sha256"]
    cli.run("verify").passed()
    assert not list((Path(cli.environment["LMPM_HOME"]) / "tune").rglob("*-full.gguf"))
    tune(cli, *LORA, "--quant", "Q4_K_X").failed(2, "Q4_K_X", "Q4_K_M")
    before = cli.lock.read_bytes()
    again = tune(cli, *LORA, "--quant", "Q8_0").passed()  # what was learnt is not learnt again
    assert "Resumed" in again.err and cli.lock.read_bytes() != before


def test_without_llama_cpp_python_k_quants_are_refused_before_anything_is_trained(cli: Cli, one_thing: Path) -> None:
    hidden = cli.directory / "hidden/llama_cpp.py"
    hidden.parent.mkdir()
    (hidden.parent / "sitecustomize.py").write_text(
        "import importlib.util as u\nf = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'llama_cpp' else f(name, package)\n"
    )
    path = f"{hidden.parent}{os.pathsep}{cli.environment['PYTHONPATH']}"
    words = ("tune", "sorts", "--task", "classification", "--data", "train.jsonl", "--offline", "-y", *LORA)
    failed = cli.run(*words, "--quant", "Q4_K_M", PYTHONPATH=path)
    failed.failed(1, "made by llama-cpp-python, which is not installed", "pip install")
    assert not (Path(cli.environment["LMPM_HOME"]) / "tune").exists()


def test_a_base_of_the_hub_is_pinned_at_its_commit_and_its_space_is_looked_at(cli: Cli, hub: LoopbackHub) -> None:
    write(cli.directory / "train.jsonl", [dict(row, answer="tool") for row in labelled(70)])
    base = make_base(cli.directory.parent / "published", "llama", tied=True)
    hub.add_repo("acme/tiny", {path.name: path.read_bytes() for path in base.iterdir()}, card_data={"license": "mit"})
    words = ("tune", "sorts", "--task", "classification", "--data", "train.jsonl", "-y", "--base", "acme/tiny")
    done = cli.run(*words, *LORA[2:], timeout=300, **THREADS).passed()
    for said in ("Base      acme/tiny @ ", "Needs     about", "of memory", "of disk", "Download  model.safetensors"):
        assert said in done.err + done.out
    (rung,) = load_lock(cli.lock).models[0].candidates
    assert rung.training is not None and rung.training.base == "acme/tiny"
    assert rung.training.commit == hub.state.repositories["acme/tiny"].commit
    header = read_file(cli.directory / "models/sorts-lora.gguf")
    assert header.text("lmpm.base.repo") == "acme/tiny" and header.text("lmpm.base.commit") == rung.training.commit
    assert rung.license == "mit"
    hub.reset_log()
    before = rung.files[0].sha256
    cli.run(*words, *LORA[2:], "--seed", 3, "--offline", timeout=300, **THREADS).passed()  # all of it is here
    assert len(hub.requests) == 0
    (rung,) = load_lock(cli.lock).models[0].candidates  # what was pinned under the name gave way
    assert rung.files[0].sha256 == sha256(cli.directory / "models/sorts-Q8_0.gguf") != before
    cli.run("verify").passed()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_pins_nothing_and_keeps_what_was_learnt(cli: Cli, data: Path) -> None:
    (cli.directory / "models").mkdir()
    blocked = cli.directory / "models/sorts.md"
    blocked.symlink_to("/dev/full")
    kept = cli.directory / "models/sorts-Q8_0.gguf"
    code = (
        "import lmpm.fs.disk as d, sys\n"
        "import lmpm.tuner.publish as p\n"
        "p.free_space = lambda folder: 100\n"
        "from lmpm.cli import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    words = ("tune", "sorts", "--task", "classification", "--data", "train.jsonl", "--offline", "-y", *SMALL)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words), "--epochs", "5"], cwd=cli.directory,
        env={**cli.environment, **THREADS}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 6 and "Not enough space" in done.stderr and "the training is kept" in done.stderr
    assert not cli.lock.exists() and not cli.manifest.exists() and not kept.exists() and blocked.is_symlink()
    blocked.unlink()
    assert "Resumed" in tune(cli, *SMALL, "--epochs", 5).passed().err


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
