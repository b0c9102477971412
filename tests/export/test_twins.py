"""Twins: found by what the cards say and never by names, every file hashed, pinned in the lock, and verified."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from lmpm.errors import IntegrityError
from lmpm.export.safetensors import read_weights
from lmpm.project.lock.file import load_lock
from lmpm.project.lock.twins import Twin
from tests.conftest import Cli
from tests.export.conftest import BASE, card, config, installed, packed, weights
from tests.loopback import LoopbackHub, faults


def twins(cli: Cli) -> tuple[Twin, ...]:
    return load_lock(cli.lock).models[0].twins


def gguf_sha256(cli: Cli) -> str:
    return load_lock(cli.lock).models[0].candidates[0].files[0].sha256 or ""


class TestVllm:
    def test_the_base_model_is_pinned_with_every_file_hashed(self, project: Cli, hub: LoopbackHub) -> None:
        done = project.call("export", "vllm", "chat").passed()
        (twin,) = twins(project)
        assert (twin.form, twin.of, twin.base_model) == ("safetensors", gguf_sha256(project), BASE)
        repository = hub.state.repositories[BASE]
        assert twin.source.repo == BASE and twin.source.revision == repository.commit
        for file in twin.files:  # those outside LFS too, of which the Hub has no sha256
            content = repository.files[file.path].content
            assert (file.size, file.sha256) == (content.size, content.sha256)
        assert {file.path for file in twin.files} == {
            "config.json", "tokenizer.json", "model.safetensors.index.json",
            "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        }  # fmt: skip
        lines = (project.directory / "chat-vllm/vllm.yaml").read_text("utf-8").splitlines()
        settings = {key: json.loads(value) for key, _, value in (line.partition(": ") for line in lines[1:])}
        assert (settings["model"], settings["revision"]) == (BASE, repository.commit)
        assert settings["tokenizer-revision"] == repository.commit and settings["served-model-name"] == "chat"
        assert "trust-remote-code" not in settings and settings["load-format"] == "safetensors"
        assert "not those of the GGUF file" in done.err
        stored = project.store / f"models--maker--base/snapshots/{repository.commit}"
        assert {path.name for path in stored.iterdir()} == {file.path for file in twin.files}

    def test_it_is_checked_and_the_second_time_taken_from_the_lock(self, project: Cli, hub: LoopbackHub) -> None:
        project.call("export", "vllm", "chat").passed()
        before = project.lock.read_bytes()
        hub.commit(BASE, {"config.json": b'{"vocab_size": 1}'})
        project.call("export", "vllm", "chat", "--offline").passed()
        project.call("export", "--check", "--offline").passed()
        assert project.lock.read_bytes() == before
        (shard,) = project.store.glob("models--maker--base/snapshots/*/model-00002*")
        blob = shard.resolve()
        blob.chmod(0o644)
        blob.write_bytes(blob.read_bytes()[:-1] + b"x")
        project.call("export", "vllm", "chat", "--offline").failed(4, "model-00002", "The same command brings it")
        project.call("export", "--check", "--offline").failed(4, "export")

    def test_a_lock_made_anew_keeps_its_twin(self, project: Cli) -> None:
        project.call("export", "vllm", "chat").passed()
        (twin,) = twins(project)
        project.call("lock", "--upgrade").passed()
        assert twins(project) == (twin,)

    def test_another_repository_counts_only_by_its_card(self, project: Cli) -> None:
        failed = project.call("export", "vllm", "chat", "--option", "twin=other/base-chat").failed(
            3, "No safetensors twin"
        )
        assert "somebody/else" in failed.err and "other/base-AWQ" in failed.err
        assert not twins(project)
        project.call("export", "vllm", "chat", "--option", "twin=other/base-AWQ").passed()
        (twin,) = twins(project)
        assert (twin.source.repo, twin.base_model) == ("other/base-AWQ", BASE)

    def test_dry_run_pins_and_downloads_nothing(self, project: Cli) -> None:
        before = project.lock.read_bytes()
        done = project.call("export", "vllm", "chat", "--dry-run", "--json").passed()
        assert json.loads(done.out)["twin"]["repo"] == BASE
        assert project.lock.read_bytes() == before and not list(project.store.glob("models--maker--base/blobs/*"))

    def test_the_policy_holds_for_twins(self, project: Cli) -> None:
        text = project.manifest.read_text("utf-8")
        project.manifest.write_text(text + '\n[policy.publishers]\ndeny = ["other"]\n', "utf-8")
        project.call("export", "vllm", "chat", "--option", "twin=other/base-AWQ").failed(9, "publisher other is denied")
        assert not twins(project)

    @pytest.mark.parametrize(
        ("changed", "code", "words"),
        [
            ({"config.json": config(7)}, 3, "knows 7 tokens"),
            ({"model-00002-of-00002.safetensors": weights("d")}, 4, "lack 1 tensors"),
            ({"model-00002-of-00002.safetensors": b"x" * 30}, 4, "not a sound safetensors"),
            ({"config.json": None}, 3, "holds no safetensors model"),
        ],
    )
    def test_what_is_no_twin_is_not_pinned(
        self, cli: Cli, hub: LoopbackHub, changed: dict[str, Any], code: int, words: str
    ) -> None:
        hub.commit(BASE, changed)
        project = installed(cli, hub)
        project.call("export", "vllm", "chat").failed(code, words)
        assert not twins(project) and not (project.directory / "chat-vllm").exists()

    def test_small_files_are_checked_against_git(self, project: Cli, hub: LoopbackHub) -> None:
        hub.faults.add(faults.FlipBit(3), f"*{BASE}/resolve/*/config.json")
        project.call("export", "vllm", "chat").failed(4)
        assert not twins(project)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"card_data": card(None)}, "names no base model"),
        ({"card_data": card([BASE, "x/y"])}, "names 2 base models"),
        ({"tags": (f"base_model:{BASE}", f"base_model:finetune:{BASE}")}, "a finetune of maker/base, so other weights"),
    ],
)
@pytest.mark.parametrize("target", ["vllm", "litert", "webllm"])
def test_without_a_link_there_is_no_twin(
    cli: Cli, hub: LoopbackHub, model: tuple[bytes, int], target: str, facts: dict[str, Any], words: str
) -> None:
    cli.environment["HF_ENDPOINT"] = hub.endpoint
    hub.add_repo("maker/other-GGUF", {"base-Q8_0.gguf": model[0]}, **facts)
    cli.call("install", "hf:maker/other-GGUF", "--name", "chat", "--no-smoke").passed()
    failed = cli.call("export", target, "chat").failed(3, words)
    assert "runs this very file" in failed.err


@pytest.mark.parametrize("target", ["vllm", "litert", "webllm"])
def test_the_starter_has_no_twin(cli: Cli, target: str) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    cli.call("export", target, "text-to-sql").failed(3, "no card says")


class TestLitert:
    def test_the_known_conversion_is_taken(self, project: Cli) -> None:
        project.call("export", "litert", "chat").passed()
        (twin,) = twins(project)
        assert (twin.form, twin.source.repo) == ("litert", "litert-community/base")
        made = project.directory / "chat-litert/base_q8_ekv1280.litertlm"
        assert hashlib.sha256(made.read_bytes()).hexdigest() == twin.files[0].sha256
        project.call("export", "--check").passed()
        made.chmod(0o644)
        made.write_bytes(b"LITERTLM" + b"x" * 40)
        project.call("export", "--check").failed(4, "export")

    def test_one_by_somebody_else_is_a_finetune_unless_it_says_otherwise(self, project: Cli) -> None:
        failed = project.call("export", "litert", "chat", "--option", "twin=stranger/base-litert").failed(3)
        assert "as its finetune" in failed.err and "litert-community/base" in failed.err

    def test_several_files_are_listed(self, project: Cli, hub: LoopbackHub) -> None:
        hub.commit("litert-community/base", {"base_npu.litertlm": b"LITERTLM" + bytes(9)})
        failed = project.call("export", "litert", "chat").failed(3, "holds 2 files")
        assert "base_npu.litertlm" in failed.err and "--option file=PATH" in failed.err
        project.call("export", "litert", "chat", "--option", "file=base_npu.litertlm").passed()
        assert [file.path for file in twins(project)[0].files] == ["base_npu.litertlm"]
        project.call("export", "litert", "chat", "--option", "file=none.litertlm").failed(2, "is not a file for LiteRT")

    def test_another_beginning_is_another_format(self, project: Cli, hub: LoopbackHub) -> None:
        hub.commit("litert-community/base", {"base_q8_ekv1280.litertlm": b"GGUF" + bytes(60)})
        project.call("export", "litert", "chat").failed(4, "does not begin as")
        assert not twins(project)


class TestWebllm:
    def test_an_app_config_with_integrity(self, project: Cli, hub: LoopbackHub) -> None:
        project.call("export", "webllm", "chat").failed(3, "needs the library")
        (project.directory / "base.wasm").write_bytes(b"\0asm" + bytes(20))
        project.call(
            "export", "webllm", "chat", "--option", "lib=base.wasm", "--option", "url=https://example.org/m/"
        ).passed()
        folder = project.directory / "chat-webllm"
        (record,) = json.loads((folder / "app-config.json").read_text("utf-8"))["model_list"]
        (twin,) = twins(project)
        assert record["model"] == f"https://example.org/m/model/resolve/{twin.source.revision}/"
        files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert hashlib.sha256(files["params_shard_0.bin"]).hexdigest() == next(
            file.sha256 for file in twin.files if file.path == "params_shard_0.bin"
        )

        def sri(name: str) -> str:
            return "sha256-" + base64.b64encode(hashlib.sha256(files[name]).digest()).decode()

        assert record["integrity"] == {
            "config": sri("mlc-chat-config.json"), "model_lib": sri("lib.wasm"),
            "tokenizer": {"tokenizer.json": sri("tokenizer.json")}, "onFailure": "error",
        }  # fmt: skip
        (project.directory / "no.wasm").write_bytes(b"MZ")
        project.call("export", "webllm", "chat", "--option", "lib=no.wasm").failed(2, "not a WebAssembly")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\2\0\0\0\0\0\0\0",
        struct.pack("<Q", 2**63) + b"{}",
        packed([], 0),
        packed({}, 4),
        packed({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}, 8),  # a tail
        packed({"a": {"dtype": "F16", "shape": [2], "data_offsets": [4, 8]}}, 8),  # a gap
        packed({"a": {"dtype": "F16", "shape": [3], "data_offsets": [0, 4]}}, 4),
        packed({"a": {"dtype": "X1", "shape": [2], "data_offsets": [0, 4]}}, 4),
        packed({"a": {"dtype": "F16", "shape": [-2], "data_offsets": [0, 4]}}, 4),
        packed({"a": {"dtype": "F16", "shape": [True, 2], "data_offsets": [0, 4]}}, 4),
        packed({"a": {"dtype": "F16", "shape": [2**40] * 3, "data_offsets": [0, 4]}}, 4),
        packed({"a": {"dtype": "F16", "shape": [1] * 500, "data_offsets": [0, 2]}}, 2),
        packed({"a": {"dtype": "F16", "shape": [2], "data_offsets": "04"}}, 4),
        packed({"a": {"dtype": ["F16"], "shape": [2], "data_offsets": [0, 4]}}, 4),
        packed({"a": 1}, 4),
        packed({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]},
                "b": {"dtype": "F16", "shape": [2], "data_offsets": [2, 6]}}, 6),  # they overlap
        struct.pack("<Q", 100_000) + b'{"a":' + b"[" * 99_995,
        struct.pack("<Q", 60) + b'{"a":{"dtype":"F16","shape":[0],"data_offsets":[0,0]},"a":1}' + b"    ",
    ],
)  # fmt: skip
def test_headers_of_strangers_are_read_with_bounds(tmp_path: Path, data: bytes) -> None:
    (path := tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(IntegrityError):
        read_weights(path)


def test_a_sound_header(tmp_path: Path) -> None:
    (path := tmp_path / "x.safetensors").write_bytes(weights("a", "b", elements=3))
    found = read_weights(path)
    assert (found.names, found.elements) == (frozenset("ab"), 6)
