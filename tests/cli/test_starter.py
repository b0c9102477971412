"""The built-in models: the whole job without a network, and what takes their place with one."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.project import load_lock
from lmpm.types import HubSource
from tests.conftest import ROOT, Cli
from tests.gguf_files import write_bert, write_llama
from tests.loopback import LoopbackHub, faults
from tests.loopback.demo import _meanings

STARTER = ROOT / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"
with_starter = pytest.mark.skipif(not STARTER.exists(), reason="the starter model is not trained yet")

ORIGINAL = catalog.directory()
SHIPPED = re.compile(r"^\[starter(\.\w+)?\].*\n(?:(?!\[).*\n)*", re.MULTILINE)
TABLE = """
[starter]
file = "{name}"
title = "tiny starter"
quant = "Q8_0"
license = "apache-2.0"
size = {size}
sha256 = "{sha256}"
parameters = 100000
context_length = 256
architecture = "bert"

[starter.shape]
layers = 1
embedding_length = 64
heads = 2
kv_heads = 2
key_length = 32
value_length = 32
feed_forward_length = 128
vocabulary = 200
causal = false
"""


def catalog_with(directory: Path, task: str, model: bytes) -> Path:
    """The catalog with one starter, for a task."""
    shutil.copytree(ORIGINAL, directory, ignore=shutil.ignore_patterns("starter", "models"))
    (directory / "models").symlink_to(ORIGINAL / "models")
    (directory / "starter").mkdir()
    name = f"{task}-starter-Q8_0.gguf"
    (directory / "starter" / name).write_bytes(model)
    for page in (directory / "tasks").iterdir():
        page.write_text(SHIPPED.sub("", page.read_text("utf-8")), "utf-8")
    with (directory / "tasks" / f"{task}.toml").open("a", encoding="utf-8") as file:
        file.write(TABLE.format(name=name, size=len(model), sha256=hashlib.sha256(model).hexdigest()))
    return directory


@pytest.fixture
def tiny(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """lmpm with a starter for embeddings; calls in this process see it."""
    model = write_bert(tmp_path / "tiny.gguf", quant="Q8_0", meanings=_meanings()).read_bytes()
    place = catalog_with(tmp_path / "catalog", "embeddings", model)
    monkeypatch.setattr(catalog, "directory", lambda: place)
    assert catalog.check(place) == []
    return cli


def test_the_whole_job_without_a_network(tiny: Cli) -> None:
    installed = tiny.call("install", "embeddings", "--offline").passed()
    for words in ("tiny starter  Q8_0", "(built in)", "offline: the only embeddings model on this machine", "Verified"):
        assert words in installed.err
    assert 'source = { starter = "embeddings" }' in tiny.lock.read_text()
    assert tiny.call("install", "embeddings", "--offline").passed().err.count("\n") == 1
    assert "tiny starter" in tiny.call("list").passed().out
    assert "sha256 matches" in tiny.call("verify", "--offline").passed().out
    tiny.call("smoke", "embeddings").passed()
    assert Path(tiny.call("path", "embeddings").passed().out.strip()).is_file()
    (listed,) = tiny.call("list", "--json").passed().json["models"]
    assert listed["repo"] == "starter:embeddings" and listed["revision"] is None


def test_a_clone_gets_it_from_its_own_lmpm(tiny: Cli) -> None:
    tiny.call("install", "embeddings", "--offline").passed()
    clone = tiny.clone()
    clone.call("verify").failed(4, "lmpm install")
    clone.call("install", "--locked", "--offline").passed()
    clone.call("verify").passed()


LINE = '[models]\nembeddings = {{ task = "embeddings" }}\n\n[targets]\nmac = {{ hardware = "{}" }}\n'


def test_declared_machines_get_what_the_catalog_pins_and_never_the_starter(tiny: Cli) -> None:
    tiny.manifest.write_text(LINE.format("M2, 16GB"))
    tiny.call("lock", "--offline").passed()
    (model,) = load_lock(tiny.lock).models
    serving = [rung for rung in model.candidates if "mac" in rung.targets]
    assert serving and all(isinstance(rung.source, HubSource) and rung.source.revision for rung in serving)
    assert all(file.sha256 for rung in serving for file in rung.files)
    tiny.call("lock", "--check").passed()
    tiny.call("install", "--offline").failed(4, "switched off")  # the lock gives this machine that, too


def test_without_a_pinned_entry_that_fits_a_declared_machine_is_refused(tiny: Cli) -> None:
    tiny.manifest.write_text(LINE.format("CPU, 1 core, 100MB"))
    tiny.call("lock", "--offline").failed(5, "for the target `mac`", "only for the machine at hand", "--offline")
    assert not tiny.lock.exists()


def test_a_real_model_takes_its_place_once_there_is_a_network(tiny: Cli, hub: LoopbackHub) -> None:
    hub.faults.add(faults.Status(404, "Repository not found", "RepoNotFound"), "*mbeddinggemma*")
    tiny.call("install", "embeddings", "--offline").passed()
    tiny.call("install", "embeddings", "--locked").passed()
    assert "starter" in tiny.lock.read_text() and len(hub.requests) == 0
    tiny.call("install", "embeddings").passed()
    assert "starter" not in tiny.lock.read_text()
    offline = tiny.beside("other").call("install", "embeddings", "--offline").passed()
    assert re.search(r"^Chosen .*(?<!built in\))$", offline.err, re.MULTILINE)


def test_by_its_name_it_is_taken_with_a_network_and_for_every_machine(tiny: Cli, hub: LoopbackHub) -> None:
    tiny.manifest.write_text('[models]\n\n[targets]\nmac = { hardware = "M2, 16GB" }\n')
    installed = tiny.call("install", "embeddings-starter").passed()
    assert "you named the small model that is shipped with lmpm" in installed.err
    assert len(hub.requests) == 0
    assert 'embeddings-starter = { task = "embeddings", ref = "embeddings-starter" }' in tiny.manifest.read_text()
    (model,) = load_lock(tiny.lock).models
    assert [rung.source.name for rung in model.candidates] == ["starter:embeddings"]
    assert model.candidates[0].targets == ("mac",)
    tiny.call("lock", "--check").passed()
    tiny.call("verify", "--offline").passed()
    assert "nothing to do" in tiny.call("install", "embeddings-starter").passed().err
    tiny.call("install", "Embeddings-Starter:Q4_K_M", "--dry-run").failed(3, "No quant of this model", "Q8_0")
    tiny.call("install", "chat-starter", "--dry-run", "--offline").failed(3, "chat-starter")  # a task without one


def test_the_starter_of_another_version_is_told(tiny: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.call("install", "embeddings", "--offline").passed()
    clone = tiny.clone()
    other = write_bert(tmp_path / "other.gguf", seed=1, quant="Q8_0", meanings=_meanings()).read_bytes()
    place = catalog_with(tmp_path / "newer", "embeddings", other)
    monkeypatch.setattr(catalog, "directory", lambda: place)
    clone.call("install").failed(4, "is not the one of this lmpm", "lmpm install embeddings")
    tiny.call("install").passed()  # who has the bytes keeps them


def test_a_damaged_installation_is_found(tiny: Cli, tmp_path: Path) -> None:
    (file,) = (tmp_path / "catalog" / "starter").iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    tiny.call("install", "embeddings", "--offline").failed(4, "Hash mismatch", "install it again")
    assert not tiny.lock.exists() and tiny.blobs() == []


def test_one_that_answers_garbage_is_not_pinned(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_llama(tmp_path / "tiny.gguf")[0].read_bytes()
    place = catalog_with(tmp_path / "catalog", "text-to-sql", model)
    page = place / "tasks" / "text-to-sql.toml"
    page.write_text(page.read_text("utf-8").replace("context_length = 256", "context_length = 512"), "utf-8")
    monkeypatch.setattr(catalog, "directory", lambda: place)
    cli.call("install", "text-to-sql", "--offline", "--context", "512").failed(8, "does not do its task")
    assert not cli.lock.exists()


def test_no_variable_of_the_environment_is_needed(tiny: Cli, tmp_path: Path) -> None:
    bare = {name: tiny.environment[name] for name in ("HOME", "PATH", "PYTHONPATH")}
    Cli(tiny.directory, bare).call("install", "embeddings", "--offline").passed()
    assert os.fspath(tmp_path / ".cache" / "huggingface" / "hub") in Cli(tiny.directory, bare).call("cache", "dir").out


@with_starter
def test_a_task_with_a_starter_is_installed_without_a_network(cli: Cli) -> None:
    installed = cli.run("install", "text-to-sql", "--offline").passed()
    assert "(built in)" in installed.err and "offline" in installed.err
    assert "Pinned in lmpm.lock" in installed.err
    assert 'source = { starter = "text-to-sql" }' in cli.lock.read_text()
    assert "text-to-sql" in cli.call("list").passed().out
    cli.run("verify", "--offline").passed()
    again = cli.call("install", "text-to-sql", "--offline").passed()
    assert again.err.count("\n") == 1 and "nothing to do" in again.err
    clone = cli.clone()
    clone.call("verify").failed(4, "lmpm install")
    clone.run("install", "--offline").passed()
    clone.run("verify").passed()


@with_starter
def test_the_context_that_install_notes_is_no_demand(cli: Cli) -> None:
    cli.call("install", "text-to-sql", "--offline").passed()
    assert "context" not in cli.manifest.read_text()  # nobody asked; the task's is more than the starter has
    pinned = cli.lock.read_text()
    cli.call("lock", "--upgrade", "--offline").passed()
    cli.call("update", "--offline", "--no-smoke").passed()
    assert cli.lock.read_text() == pinned
    cli.call("lock", "--check").passed()
    cli.call("install", "text-to-sql", "--offline", "--context", "4096").failed(3, "trained for 1,024 tokens")


@with_starter
def test_with_a_network_a_real_model_takes_the_place_of_the_starter(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "text-to-sql", "--offline").passed()
    cli.call("install", "text-to-sql", "--locked").passed()
    assert "starter" in cli.lock.read_text()
    cli.call("install", "text-to-sql", "--hardware", "M2, 16GB").passed()
    assert "Arctic-Text2SQL-R1-7B" in cli.lock.read_text()
    assert "starter" not in cli.lock.read_text()
