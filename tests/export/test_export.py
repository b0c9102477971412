"""Exports: what each target gets, that it is the locked bytes, and that it can be checked and taken back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lmpm.export import exporters
from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.stored import age

TARGETS = [item.NAME for item in exporters()]
WRITES = ("docker", "oci", "lm-studio", "ollama", "kubernetes")
WITH_BYTES = WRITES[:4]


@pytest.fixture
def project(cli: Cli, tmp_path: Path) -> Cli:
    """A project with the starter, and folders of other tools."""
    cli.environment |= {"OLLAMA_MODELS": str(tmp_path / "ollama"), "HOME": str(tmp_path)}
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    return cli


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def locked(cli: Cli) -> Any:
    (file,) = load_lock(cli.lock).models[0].candidates[0].files
    return file


def files(root: Path) -> dict[str, Path]:
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


class TestTargets:
    def test_llama_cpp(self, project: Cli) -> None:
        done = project.call("export", "llama.cpp", "text-to-sql").passed()
        words = done.out.split()
        assert words[0] == "llama-server" and words[words.index("--ctx-size") + 1] == "1024"
        assert sha256(Path(words[words.index("--model") + 1])) == locked(project).sha256
        assert "stop strings go with each request" in done.err
        project.call("export", "llama.cpp", "text-to-sql", "--to", "preset.ini").passed()
        lines = (project.directory / "preset.ini").read_text("utf-8").splitlines()
        assert lines[:3] == ["version = 1", "", "[text-to-sql]"]
        assert f"model = {words[words.index('--model') + 1]}" in lines

    def test_ollama(self, project: Cli, tmp_path: Path) -> None:
        project.call("export", "ollama", "text-to-sql", "--option", "as=team/sql:v1").passed()
        root = tmp_path / "ollama"
        manifest = json.loads((root / "manifests/registry.ollama.ai/team/sql/v1").read_bytes())
        layers = {layer["mediaType"].rpartition(".")[2]: layer for layer in manifest["layers"]}
        for layer in (manifest["config"], *layers.values()):
            blob = root / "blobs" / layer["digest"].replace(":", "-")
            assert f"sha256:{sha256(blob)}" == layer["digest"] and blob.stat().st_size == layer["size"]
        assert layers["model"]["digest"] == f"sha256:{locked(project).sha256}"

        def read(kind: str) -> str:
            path: Path = root / "blobs" / layers[kind]["digest"].replace(":", "-")
            return path.read_text("utf-8")

        params = json.loads(read("params"))
        assert params["num_ctx"] == 1024 and params["temperature"] == 0 and ";\n" in params["stop"]
        assert read("template") == "{{ .Prompt }}"  # the file has none, and is asked in plain text
        assert read("license") == "apache-2.0"

    def test_ollama_takes_names_of_its_own_form(self, project: Cli) -> None:
        for name in ("a/b/c", "über", "x:y:z", ".x", "a b", "../x"):
            project.call("export", "ollama", "text-to-sql", "--option", f"as={name}").failed(2, "not a name")

    def test_lm_studio(self, project: Cli, tmp_path: Path) -> None:
        (tmp_path / ".lmstudio").mkdir()
        chosen = tmp_path / "my models"
        settings = json.dumps({"downloadsFolder": str(chosen)})
        (tmp_path / ".lmstudio" / "settings.json").write_text(settings, "utf-8")
        chosen.mkdir()
        project.call("export", "lm-studio", "text-to-sql").passed()
        path = chosen / "lmpm" / "text-to-sql" / "text-to-sql-starter-Q8_0.gguf"
        assert sha256(path) == locked(project).sha256 and not path.is_symlink()

    def test_docker(self, project: Cli) -> None:
        image = f"registry.example/llama@sha256:{'a' * 64}"
        done = project.call("export", "docker", "text-to-sql", "--option", f"image={image}").passed()
        assert "not pinned" not in done.err
        root = project.directory / "text-to-sql-docker"
        lines = (root / "Dockerfile").read_text("utf-8").splitlines()
        assert lines[0] == f"FROM {image}"
        command = json.loads(lines[-1].removeprefix("CMD "))
        model = command[command.index("--model") + 1]
        (line,) = (root / "SHA256SUMS").read_text("utf-8").splitlines()
        digest, path = line.split("  ")
        assert path == model and digest == sha256(root / path.removeprefix("/")) == locked(project).sha256
        plain = project.call("export", "docker", "text-to-sql", "--to", "other").passed()
        assert "not pinned by its digest" in plain.err

    def test_oci(self, project: Cli) -> None:
        project.call("export", "oci", "text-to-sql", "--option", "tag=v2").passed()
        root = project.directory / "text-to-sql-oci"
        assert json.loads((root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}

        def blob(described: dict[str, Any]) -> bytes:
            path: Path = root / "blobs" / described["digest"].replace(":", "/")
            assert f"sha256:{sha256(path)}" == described["digest"] and path.stat().st_size == described["size"]
            return path.read_bytes()

        (entry,) = json.loads((root / "index.json").read_bytes())["manifests"]
        assert entry["annotations"]["org.opencontainers.image.ref.name"] == "v2"
        manifest = json.loads(blob(entry))
        assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
        (layer,) = manifest["layers"]
        blob(layer)
        assert layer["digest"] == f"sha256:{locked(project).sha256}"
        assert layer["mediaType"] == "application/vnd.cncf.model.weight.v1.raw"
        config = json.loads(blob(manifest["config"]))
        assert config.keys() == {"descriptor", "config", "modelfs"}
        assert config["modelfs"] == {"type": "layers", "diffIds": [layer["digest"]]}
        assert config["descriptor"]["licenses"] == ["apache-2.0"]

    def test_kubernetes(self, project: Cli, tmp_path: Path) -> None:
        project.call("export", "k8s", "text-to-sql", "--option", "replicas=5").passed()
        text = (project.directory / "text-to-sql-kubernetes" / "model.yaml").read_text("utf-8")
        objects = {item["kind"]: item for item in map(json.loads, text.split("---\n"))}
        assert objects["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] == 5
        pod = objects["Deployment"]["spec"]["template"]["spec"]
        args = pod["containers"][0]["args"]
        model = Path(args[args.index("--model") + 1])
        # what the init container runs, run here, puts the file where the server looks for it
        (tmp_path / "work").mkdir()
        lock = objects["ConfigMap"]["data"]["lmpm.lock"]
        (tmp_path / "work" / "lmpm.lock").write_text(lock, "utf-8")
        script = pod["initContainers"][0]["command"][2].splitlines()[-1]
        words = script.removeprefix("python -m lmpm ").split()
        there = Cli(tmp_path / "work", {**project.environment, "HF_HOME": str(tmp_path / "store" / "hf")})
        there.call(*words).passed()
        assert sha256(tmp_path / model.relative_to("/")) == locked(project).sha256
        project.call("export", "k8s", "text-to-sql", "--option", "replicas=many").failed(2, "replicas=many")

    def test_kubernetes_by_its_schemas(self, project: Cli) -> None:
        validate = pytest.importorskip("kubernetes_validate").validate
        project.call("export", "k8s", "text-to-sql", "--option", "storage=fast").passed()
        text = (project.directory / "text-to-sql-kubernetes" / "model.yaml").read_text("utf-8")
        for item in map(json.loads, text.split("---\n")):
            validate(item, "1.29", strict=True)

    def test_snippets(self, project: Cli) -> None:
        out = project.call("export", "snippets", "text-to-sql", "--option", "url=http://host:1/v1").passed().out
        assert "curl http://host:1/v1/chat/completions" in out and "OpenAI(base_url='http://host:1/v1'" in out
        assert "# curl" in out
        compile(out.split("SDK\n")[1].split("\n\n#")[0], "snippet", "exec")


class TestAll:
    @pytest.mark.parametrize("target", WITH_BYTES)
    def test_shares_bytes_with_the_store(self, project: Cli, tmp_path: Path, target: str) -> None:
        place = tmp_path / "place"
        project.call("export", target, "text-to-sql", "--to", place).passed()
        stored = project.blobs()[0]
        (model,) = (path for path in files(place).values() if path.stat().st_size == stored.stat().st_size)
        if stored.stat().st_nlink > 1:  # else a reflink
            assert model.samefile(stored)
        project.call("export", "--undo").passed()
        project.call("export", target, "text-to-sql", "--to", place, "--copy").passed()
        (model,) = (path for path in files(place).values() if path.stat().st_size == stored.stat().st_size)
        assert not model.samefile(stored) and sha256(model) == sha256(stored)

    @pytest.mark.parametrize("target", WRITES)
    def test_dry_run_check_and_undo(self, project: Cli, tmp_path: Path, target: str) -> None:
        place = tmp_path / "place"
        planned = project.call("export", target, "text-to-sql", "--to", place, "--dry-run", "--json").passed().json
        assert not place.exists() and planned["written"] is False
        done = project.call("export", target, "text-to-sql", "--to", place, "--json").passed().json
        assert done == {**planned, "written": True}
        assert files(place).keys() == {file["path"] for file in done["files"]}
        for file in done["files"]:
            assert sha256(place / file["path"]) == file["sha256"]
        assert "✓ text-to-sql" in project.call("export", "--check").passed().out
        project.call("export", "--undo", target, "text-to-sql").passed()
        assert not files(tmp_path / "place")
        assert "Nothing" in project.call("export", "--check").passed().err

    @pytest.mark.parametrize("target", WRITES)
    def test_what_was_changed_since(self, project: Cli, tmp_path: Path, target: str) -> None:
        place = tmp_path / "place"
        done = project.call("export", target, "text-to-sql", "--to", place, "--json").passed().json
        paths = sorted(file["path"] for file in done["files"])
        for number, path in enumerate(paths):
            target_path = place / path
            before = target_path.read_bytes()
            target_path.unlink()
            if number % 2:
                target_path.write_bytes(before + b" ")
            result = project.call("export", "--check", "--json")
            assert result.code == 4
            (found,) = result.json["exports"]
            assert found["drifts"] == [{"path": str(target_path), "kind": "changed" if number % 2 else "missing"}]
            target_path.write_bytes(before)
        (place / paths[0]).unlink()
        (place / paths[0]).write_bytes(b"mine")
        assert "changed since" in project.call("export", "--undo").passed().err
        assert files(place).keys() == {paths[0]} and (place / paths[0]).read_bytes() == b"mine"

    @pytest.mark.parametrize("target", WRITES)
    def test_does_not_replace_what_is_not_ours(self, project: Cli, tmp_path: Path, target: str) -> None:
        place = tmp_path / "place"
        planned = project.call("export", target, "text-to-sql", "--to", place, "--dry-run", "--json").passed().json
        last = place / planned["files"][-1]["path"]
        last.parent.mkdir(parents=True)
        last.write_bytes(b"somebody's")
        project.call("export", target, "text-to-sql", "--to", place).failed(2, "already", "--to")
        assert files(place) == {last.relative_to(place).as_posix(): last} and last.read_bytes() == b"somebody's"

    @pytest.mark.parametrize("target", WRITES)
    def test_a_damaged_store_exports_nothing(self, project: Cli, tmp_path: Path, target: str) -> None:
        (blob,) = project.blobs()
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        facts = blob.stat()
        blob.chmod(0o644)
        blob.write_bytes(data)
        os.utime(blob, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        result = project.call("export", target, "text-to-sql", "--to", tmp_path / "place")
        if result.code != 0:
            assert not (tmp_path / "place").exists() or not files(tmp_path / "place")
        else:  # the starter was put into the store anew
            assert sha256(project.blobs()[0]) == locked(project).sha256

    def test_the_lock_has_moved_on(self, project: Cli, tmp_path: Path) -> None:
        project.call("export", "oci", "text-to-sql", "--to", tmp_path / "place").passed()
        text = project.lock.read_text("utf-8")
        project.lock.write_text(text.replace('quant = "Q8_0"', 'quant = "F16"'), "utf-8")
        result = project.call("export", "--check")
        result.failed(4, "not as the lock says")
        assert "is not what the lock says now" in result.out
        project.call("export", "oci", "text-to-sql", "--to", tmp_path / "place").passed()
        project.call("export", "--check").passed()
        assert len(files(tmp_path / "place")) == 5  # nothing of the former is left

    def test_unknown(self, project: Cli) -> None:
        project.call("export", "olama", "text-to-sql").failed(3, "ollama")
        project.call("export", "ollama", "text-to-sqll").failed(3, "text-to-sql")
        project.call("export", "ollama").failed(2, "a target and a model")
        project.call("export", "ollama", "text-to-sql", "--option", "as").failed(2, "KEY=VALUE")
        project.call("export", "ollama", "text-to-sql", "--option", "was=x").failed(2, "`was`", "`as`")

    def test_list(self, project: Cli) -> None:
        assert [item["name"] for item in project.call("export", "--list", "--json").passed().json["targets"]] == TARGETS


def test_prune_keeps_what_a_preset_names(project: Cli) -> None:
    project.call("export", "llama.cpp", "text-to-sql", "--to", "preset.ini").passed()
    project.call("remove", "text-to-sql").passed()
    age(project.store)
    assert project.call("cache", "prune", "--yes", "--json").passed().json["files"] == []
    assert len(project.blobs()) == 1
    project.call("export", "--undo").passed()
    project.call("cache", "prune", "--yes").passed()
    assert not project.blobs()


@pytest.mark.parametrize("target", WITH_BYTES)
@pytest.mark.parametrize("how", [(), ("--copy",)])
def test_what_went_out_is_adopted_back(project: Cli, tmp_path: Path, target: str, how: tuple[str, ...]) -> None:
    place = tmp_path / "place"
    project.call("export", target, "text-to-sql", "--to", place, *how).passed()
    shutil.rmtree(project.store)
    (exported,) = (path for path in files(place).values() if path.stat().st_size == locked(project).size)
    done = project.call("cache", "adopt", "--from", place, "--json").passed().json
    assert [file["sha256"] for file in done["adopted"]] == [locked(project).sha256]
    (back,) = project.blobs()
    assert back.samefile(exported) or done["adopted"][0]["how"] == "reflink"
    project.call("export", "--check").passed()
    project.call("verify", "--no-test").passed()


def test_ollama_is_where_it_is_looked_for(project: Cli) -> None:
    project.call("export", "ollama", "text-to-sql").passed()
    shutil.rmtree(project.store)
    done = project.call("cache", "adopt", "--json").passed().json
    assert [file["sha256"] for file in done["adopted"]] == [locked(project).sha256]


def test_two_models_share_small_layers(project: Cli, tmp_path: Path) -> None:
    project.call("export", "ollama", "text-to-sql").passed()
    other = project.beside("other")
    other.call("install", "text-to-sql", "--name", "sql", "--offline", "--no-smoke").passed()
    other.call("export", "ollama", "sql").passed()
    project.call("export", "--undo").passed()
    left = files(tmp_path / "ollama")
    manifest = json.loads(left["manifests/registry.ollama.ai/library/sql/latest"].read_bytes())
    for layer in (manifest["config"], *manifest["layers"]):
        assert f"blobs/{layer['digest'].replace(':', '-')}" in left
    assert "manifests/registry.ollama.ai/library/text-to-sql/latest" not in left
