"""A twin that the lock pins: brought when it is asked for, listed, verified, audited, kept, carried and mirrored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.export.conftest import BASE, GGUF
from tests.loopback import LoopbackHub
from tests.stored import age


@pytest.fixture
def pinned(project: Cli) -> Cli:
    """A project whose lock has a safetensors twin, which is here."""
    project.call("export", "vllm", "chat").passed()
    return project


@pytest.fixture
def clone(pinned: Cli) -> Cli:
    """What a colleague has after `git clone`: nothing of the models."""
    return pinned.clone()


def folder(cli: Cli) -> Path:
    return cli.store / "models--maker--base"


def snapshot(cli: Cli) -> set[str]:
    return {path.name for path in folder(cli).glob("snapshots/*/*")}


def names(cli: Cli) -> set[str]:
    (twin,) = load_lock(cli.lock).models[0].twins
    return {file.path for file in twin.files}


def damage(cli: Cli) -> str:
    (shard,) = folder(cli).glob("snapshots/*/model-00002*")
    blob = shard.resolve()
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    return shard.name


def deny(cli: Cli, publisher: str) -> None:
    text = cli.manifest.read_text("utf-8")
    cli.manifest.write_text(f'{text}\n[policy.publishers]\ndeny = ["{publisher}"]\n', "utf-8")


class TestBring:
    @pytest.mark.parametrize("command", [("sync",), ("install",), ("install", "--locked"), ("install", f"hf:{GGUF}")])
    def test_only_where_it_is_asked_for(self, clone: Cli, command: tuple[str, ...]) -> None:
        before = clone.lock.read_bytes()
        clone.call(*command, "--no-test").passed()
        assert clone.blobs() and not folder(clone).exists()
        planned = clone.call(*command, "--no-test", "--twins", "--dry-run").passed()
        assert "1 twin" in planned.err and BASE in planned.err and not folder(clone).exists()
        done = clone.call(*command, "--no-test", "--twins", "--json").passed().json
        (twin,) = done["twins"]
        assert (twin["repo"], twin["form"], twin["present"]) == (BASE, "safetensors", False)
        assert snapshot(clone) == names(clone) and clone.lock.read_bytes() == before
        again = clone.call("sync", "--twins", "--json").passed().json
        assert again["twins"][0]["present"] and again["download_size"] == 0
        clone.call("export", "vllm", "chat", "--offline").passed()

    def test_offline_it_says_what_is_missing(self, clone: Cli) -> None:
        clone.call("sync", "--no-test").passed()
        clone.call("sync", "--twins", "--offline", "--no-test").failed(4, "safetensors twin", "config.json")
        clone.call("export", "vllm", "chat", "--offline").failed(4, "safetensors twin", "config.json")
        assert not (clone.directory / "chat-vllm").exists()

    def test_the_policy_goes_first(self, project: Cli) -> None:
        project.call("export", "litert", "chat").passed()
        clone = project.clone()
        deny(clone, "litert-community")
        clone.call("sync", "--twins", "--no-test").failed(9, "litert-community is denied")
        assert not clone.blobs()
        clone.call("sync", "--no-test").passed()


def test_list(pinned: Cli, clone: Cli) -> None:
    clone.call("sync", "--no-test").passed()
    for cli, state in ((pinned, "✓ twin"), (clone, "twin, not here")):
        shown = cli.call("list").passed().out
        assert f"{BASE}  safetensors" in shown and state in shown
        (model,) = cli.call("list", "--json").passed().json["models"]
        assert [(it["form"], it["present"]) for it in model["twins"]] == [("safetensors", cli is pinned)]


def test_verify(pinned: Cli, clone: Cli) -> None:
    clone.call("sync", "--no-test").passed()
    assert BASE not in clone.call("verify", "--no-test").passed().out  # nobody lacks it
    assert BASE in pinned.call("verify", "--no-test").passed().out
    pinned.call("export", "--undo").passed()
    name = damage(pinned)
    found = pinned.call("verify", "--no-test", "--json")
    assert found.code == 4
    (model,) = found.json["models"]
    assert model["damaged"][0]["path"] == name and model["twins"] == []
    pinned.call("verify", "--no-test").failed(4, "0 of 1", "`lmpm sync --twins`")
    pinned.call("sync", "--twins", "--no-test").passed()
    pinned.call("verify", "--no-test").passed()


def test_audit_and_bill_of_materials(pinned: Cli, hub: LoopbackHub) -> None:
    def findings(*more: str) -> set[tuple[str, str]]:
        found = pinned.call("audit", "--json", *more).json["findings"]
        return {(item["rule"], item["candidate"]) for item in found if item["candidate"].startswith("twin ")}

    title = f"twin {BASE} safetensors"
    assert findings("--offline") == {("publisher-unknown", title)}
    del hub.state.repositories[BASE]
    assert findings() == {("publisher-unknown", title), ("gone", title)}
    sarif = json.loads(pinned.call("audit", "--format", "sarif").out)
    lines = pinned.lock.read_text("utf-8").splitlines()
    (result,) = [item for item in sarif["runs"][0]["results"] if item["ruleId"] == "gone"]
    line = result["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert lines[line - 1] == "[[model.candidate]]"
    bom = json.loads(pinned.call("audit", "--format", "cyclonedx").passed().out)
    (twin,) = [it for it in bom["components"] if it["name"] == BASE]
    revision = load_lock(pinned.lock).models[0].twins[0].source.revision
    assert twin["purl"] == f"pkg:huggingface/maker/base@{revision}"
    assert {it["name"] for it in twin["components"]} == names(pinned)
    facts = {it["name"]: it["value"] for it in twin["properties"]}
    assert facts["lmpm:form"] == "safetensors" and facts["lmpm:twin-of"].startswith("sha256:")
    pinned.call("export", "litert", "chat").passed()
    deny(pinned, "litert-community")
    assert ("policy", "twin litert-community/base litert") in findings("--offline")


def test_prune_keeps_it_as_long_as_a_lock_has_it(pinned: Cli) -> None:
    pinned.call("export", "--undo").passed()
    age(pinned.store)
    pinned.call("cache", "prune", "--yes").passed()
    assert snapshot(pinned) == names(pinned)
    pinned.call("remove", "chat").passed()
    age(pinned.store)
    pinned.call("cache", "prune", "--yes").passed()
    assert not snapshot(pinned) and not pinned.blobs()


class TestCarried:
    @pytest.mark.parametrize("place", ["carried", "carried.tar"])
    def test_over_an_air_gap(self, pinned: Cli, clone: Cli, tmp_path: Path, place: str) -> None:
        left = pinned.call("bundle", "create", tmp_path / "without", "--json").passed().json["left_out"]
        assert any(item["quant"] == "safetensors" and "--twins" in item["why"] for item in left)
        pinned.call("bundle", "create", tmp_path / place, "--twins").passed()
        assert BASE in pinned.call("bundle", "create", tmp_path / f"all-{place}", "--all").passed().out
        pinned.call("bundle", "verify", tmp_path / place).passed()
        clone.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
        clone.call("bundle", "import", tmp_path / place, "--no-test").passed()
        assert snapshot(clone) == names(clone)
        clone.call("export", "vllm", "chat", "--offline").passed()
        index: dict[str, Any] = pinned.call("bundle", "verify", tmp_path / place, "--json").passed().json["index"]
        (twin,) = index["models"][0]["twins"]
        assert twin["source"]["hf"] == BASE and {it["path"] for it in twin["files"]} == names(pinned)

    def test_what_is_not_here_is_fetched(self, clone: Cli, tmp_path: Path) -> None:
        clone.call("sync", "--no-test").passed()
        clone.call("bundle", "create", tmp_path / "made", "--twins").failed(4, "config.json", "--fetch")
        clone.call("bundle", "create", tmp_path / "made", "--twins", "--fetch").passed()
        clone.call("bundle", "verify", tmp_path / "made").passed()

    def test_through_a_mirror(self, pinned: Cli, clone: Cli) -> None:
        from tests.mirror.test_mirror import serving

        with serving(pinned) as url:
            clone.environment["HF_ENDPOINT"] = url
            clone.call("sync", "--twins", "--no-test").passed()
        assert snapshot(clone) == names(clone)


def test_it_is_adopted_from_another_cache(pinned: Cli, clone: Cli) -> None:
    """A store elsewhere that has the files already, as vLLM or `hf download` would have brought them."""
    from huggingface_hub import hf_hub_download, scan_cache_dir

    (twin,) = load_lock(pinned.lock).models[0].twins
    for file in twin.files:  # the cache is the Hub's own
        path = hf_hub_download(
            BASE, file.path, revision=twin.source.revision, cache_dir=pinned.store, local_files_only=True
        )
        assert Path(path).stat().st_size == file.size
    found = scan_cache_dir(pinned.store)
    assert not found.warnings
    (repo,) = [it for it in found.repos if it.repo_id == BASE]
    assert repo.size_on_disk == twin.size
    clone.call("sync", "--no-test").passed()
    shutil.copytree(folder(pinned), folder(clone), symlinks=True)
    assert clone.call("sync", "--twins", "--json", "--no-test").passed().json["download_size"] == 0


@pytest.mark.parametrize(
    ("target", "form", "more"), [("litert", "litert", ()), ("webllm", "mlc", ("--option", "lib=base.wasm"))]
)
def test_what_went_out_is_adopted_back(project: Cli, target: str, form: str, more: tuple[str, ...]) -> None:
    (project.directory / "base.wasm").write_bytes(b"\0asm" + bytes(20))
    project.call("export", target, "chat", *more).passed()
    (twin,) = load_lock(project.lock).models[0].twins
    shutil.rmtree(project.store / ("models--" + twin.source.repo.replace("/", "--")))
    place = project.directory / f"chat-{target}"
    done = project.call("cache", "adopt", "--from", place, "--json").passed().json
    assert {item["sha256"] for item in done["adopted"]} == {file.sha256 for file in twin.files}
    assert all(item["how"] in ("reflink", "hard link") for item in done["adopted"])
    (listed,) = project.call("list", "--json").passed().json["models"][0]["twins"]
    assert (listed["form"], listed["present"]) == (form, True)


def test_a_bundle_is_adopted_from(pinned: Cli, clone: Cli, tmp_path: Path) -> None:
    pinned.call("bundle", "create", tmp_path / "made", "--twins").passed()
    done = clone.call("cache", "adopt", "--from", tmp_path / "made", "--json").passed().json
    assert len(done["adopted"]) == 1 + len(names(clone))
    assert snapshot(clone) == names(clone)
