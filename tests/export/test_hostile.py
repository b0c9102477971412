"""Exports by people who mean harm, or mistype: what they say, where it goes, and what models are made of."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lmpm.export.targets import ollama
from lmpm.project.lock.file import load_lock, write_lock
from lmpm.project.lock.records import Lock
from lmpm.store.cache import Store
from tests.conftest import Cli
from tests.gguf_files import write_llama, write_projector
from tests.stored import Piece, bring, model, piece


@pytest.fixture
def project(cli: Cli, tmp_path: Path) -> Cli:
    cli.environment |= {"OLLAMA_MODELS": str(tmp_path / "ollama"), "HOME": str(tmp_path)}
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    return cli


@pytest.mark.parametrize(
    ("target", "option"),
    [
        ("docker", "image=x y"),
        ("docker", "image=a\nRUN rm -rf /"),
        ("kubernetes", "image=a b"),
        ("kubernetes", "fetcher=$(x)"),
        ("kubernetes", 'storage=a"b'),
        ("kubernetes", "access=Sometimes"),
        ("kubernetes", "replicas=0"),
        ("oci", "tag=a b/c"),
        ("oci", "tag="),
        ("snippets", "url=http://a'; rm -rf ~ #"),
        ("snippets", "url=ftp://a"),
        ("ray", "host=a b"),
    ],
)
def test_what_would_mean_something_elsewhere_is_refused(project: Cli, target: str, option: str) -> None:
    key = option.partition("=")[0]
    project.call("export", target, "text-to-sql", "--option", option).failed(2, f"`{key}=", "is not")
    assert not list(project.directory.glob(f"*-{target}"))


@pytest.mark.parametrize("target", ["docker", "oci", "ray", "kubernetes", "lm-studio", "ollama"])
def test_places_that_cannot_be_written_to(project: Cli, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    project.call("export", target, "text-to-sql", "--to", tmp_path / "file").failed(6, "Cannot")
    assert (tmp_path / "file").read_bytes() == b"mine"
    project.call("export", target, "text-to-sql", "--to", tmp_path / "long" / ("n" * 300)).failed(6, "name too long")
    assert not (tmp_path / "long").exists() or not list((tmp_path / "long").iterdir())
    project.call("export", target, "text-to-sql", "--to", " ").failed(2, "names no place")


def test_a_preset_is_a_file(project: Cli, tmp_path: Path) -> None:
    project.call("export", "llama.cpp", "text-to-sql", "--to", tmp_path).failed(2, "is a directory")


@pytest.mark.parametrize("place", ['a b"ü', "line\nbreak", "$(x)", "-x", "名"])
def test_places_with_odd_names(project: Cli, tmp_path: Path, place: str) -> None:
    project.call("export", "docker", "text-to-sql", f"--to={tmp_path / place}").passed()
    project.call("export", "--check").passed()
    assert len([path for path in (tmp_path / place).rglob("*") if path.is_file()]) == 5
    project.call("export", "--undo").passed()
    assert not (tmp_path / place).exists()


def test_by_way_of_a_link(project: Cli, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    project.call("export", "docker", "text-to-sql", "--to", tmp_path / "link" / "made").passed()
    project.call("export", "--undo").passed()
    assert not list((tmp_path / "real").iterdir())


def test_a_link_in_the_place_is_not_followed(project: Cli, tmp_path: Path) -> None:
    (place := tmp_path / "made").mkdir()
    (tmp_path / "victim").write_bytes(b"mine")
    (place / "Dockerfile").symlink_to(tmp_path / "victim")
    project.call("export", "docker", "text-to-sql", "--to", place).failed(2, "is there already")
    assert (tmp_path / "victim").read_bytes() == b"mine" and [path.name for path in place.iterdir()] == ["Dockerfile"]


class TestOtherModels:
    """A model in shards, and one with an encoder of pictures."""

    def lock(self, cli: Cli, tmp_path: Path, paths: list[Path], *, projector: bool = False) -> list[Piece]:
        pieces = [piece(path.stem, path.read_bytes()) for path in paths]
        store = Store(cli.store, Path(cli.environment["LMPM_HOME"]))
        for item in pieces:
            bring(store, item, tmp_path / "scratch")
        entry = model("big", *pieces)
        if projector:
            from dataclasses import replace

            (rung,) = entry.candidates
            files = (*rung.files[:-1], replace(rung.files[-1], role="mmproj"))
            entry = replace(entry, candidates=(replace(rung, files=files),))
        write_lock(cli.lock, Lock((entry,)))
        cli.environment |= {"OLLAMA_MODELS": str(tmp_path / "ollama"), "HOME": str(tmp_path)}
        cli.manifest.write_text('[models]\nbig = { ref = "maker/m-GGUF" }\n', "utf-8")
        cli.call("install", "--no-smoke", "--offline").passed()  # writes into the lock what the files say
        return pieces

    def test_shards(self, cli: Cli, tmp_path: Path) -> None:
        pieces = self.lock(cli, tmp_path, write_llama(tmp_path / "m.gguf", name="m", shards=3, context=4096))
        names = {f"{hashlib.sha256(item.data).hexdigest()}" for item in pieces}
        cli.call("export", "ollama", "big").failed(3, "as 3 shards")
        cli.call("export", "browser", "big", "--offline").failed(3, "in 3 pieces")
        for target, pattern in (
            ("docker", "models/*.gguf"),
            ("lm-studio", "maker/m-GGUF/*.gguf"),
            ("oci", "blobs/sha256/*"),
        ):
            place = tmp_path / target
            cli.call("export", target, "big", "--to", place).passed()
            found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in place.glob(pattern)}
            assert names <= found, target
            if target != "oci":  # llama.cpp finds the others by their names
                assert {path.name for path in place.glob(pattern)} == {item.file.path for item in pieces}
        cli.call("export", "--check").passed()

    def test_an_encoder_of_pictures(self, cli: Cli, tmp_path: Path) -> None:
        (weights,) = write_llama(tmp_path / "m.gguf", name="m", context=4096)
        self.lock(cli, tmp_path, [weights, write_projector(tmp_path / "mmproj-m.gguf")], projector=True)
        assert "--mmproj" in cli.call("export", "llama.cpp", "big").passed().out
        cli.call("export", "ollama", "big").passed()
        manifest = json.loads((tmp_path / "ollama/manifests/registry.ollama.ai/library/big/latest").read_bytes())
        assert {"application/vnd.ollama.image.model", "application/vnd.ollama.image.projector"} <= {
            layer["mediaType"] for layer in manifest["layers"]
        }
        cli.call("export", "lm-studio", "big", "--to", tmp_path / "studio").passed()
        assert {path.name for path in (tmp_path / "studio/maker/m-GGUF").iterdir()} == {"m.gguf", "mmproj-m.gguf"}
        text = (cli.call("export", "docker", "big").passed(), (cli.directory / "big-docker/Dockerfile").read_text())[1]
        assert '"--mmproj", "/models/mmproj-m.gguf"' in text


@pytest.mark.parametrize(
    ("family", "name"), [("gemma4", "gemma4"), ("laguna", "laguna"), ("nemotron_h", "nemotron-3-nano")]
)
def test_ollama_gets_what_its_create_would_set(project: Cli, family: str, name: str) -> None:
    class Asked:
        """A job whose model is of another architecture than the starter."""

        class subject:  # noqa: N801
            quant, recipe = "Q8_0", load_lock(project.lock).models[0].recipe

        files: tuple[Any, ...] = ()

    class Header:
        architecture, tensors = family, ()

    config = json.loads(ollama._config(Asked, Header))  # type: ignore[arg-type]
    assert (config["renderer"], config["parser"]) == (name, name)


def test_lm_studio_is_adopted_back_without_new_bytes(project: Cli, tmp_path: Path) -> None:
    project.call("export", "lm-studio", "text-to-sql").passed()
    exported = next((tmp_path / ".lmstudio").rglob("*.gguf"))
    shutil.rmtree(project.store)
    assert len(project.call("cache", "adopt", "--json").passed().json["adopted"]) == 1
    (back,) = project.blobs()
    assert back.samefile(exported) or back.stat().st_nlink == 1  # a reflink


def test_slots_have_the_whole_context_each(project: Cli) -> None:
    words = project.call("export", "llama.cpp", "text-to-sql", "--option", "slots=4").passed().out.split()
    assert words[words.index("--parallel") + 1] == "4"
    assert int(words[words.index("--ctx-size") + 1]) == 4 * 1024

    def memory(*option: str) -> int:
        project.call("export", "kubernetes", "text-to-sql", *option).passed()
        text = (project.directory / "text-to-sql-kubernetes/model.yaml").read_text("utf-8")
        return int(re.findall(r'"memory": "([0-9]+)Mi"', text)[0])

    assert memory() < memory("--option", "slots=64")
    project.call("export", "llama.cpp", "text-to-sql", "--option", "slots=0").failed(2, "`slots=0`")
