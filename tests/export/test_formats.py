"""What is exported, read by parsers and validators of those who made the formats; each skips where it is not here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.loopback import LoopbackHub


@pytest.fixture
def starter(cli: Cli, tmp_path: Path) -> Cli:
    cli.environment |= {"OLLAMA_MODELS": str(tmp_path / "ollama"), "HOME": str(tmp_path)}
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    return cli


def test_oci_layout_by_oras(starter: Cli) -> None:
    layout = pytest.importorskip("oras.layout")
    starter.call("export", "oci", "text-to-sql", "--option", "tag=v2").passed()
    place = starter.directory / "text-to-sql-oci"
    found = layout.NewLayout(str(place))
    (file,) = load_lock(starter.lock).models[0].candidates[0].files
    digests = found.get_ordered_blobs("v2")
    assert f"sha256:{file.sha256}" in digests
    assert {digest.replace(":", "/") for digest in digests} == {
        path.relative_to(place / "blobs").as_posix() for path in (place / "blobs").rglob("*") if path.is_file()
    }
    (place / "oci-layout").write_text("{}", "utf-8")
    with pytest.raises(ValueError):
        layout.NewLayout(str(place))


def test_compose_by_its_schema(starter: Cli) -> None:
    pytest.importorskip("check_jsonschema")
    starter.call("export", "docker", "text-to-sql", "--option", "slots=4").passed()
    place = starter.directory / "text-to-sql-docker" / "compose.yaml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    place.write_text(place.read_text("utf-8").replace("read_only: true", "read_only: [1]"), "utf-8")
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 1


def test_litertlm_by_its_own_tools(project: Cli, hub: LoopbackHub, tmp_path: Path) -> None:
    """A container that the builder of LiteRT-LM made goes through the export, and its inspector reads it there."""
    builder = pytest.importorskip("litert_lm_builder")
    peek = pytest.importorskip("litert_lm_builder.litertlm_peek")
    (tmp_path / "graph.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    made = builder.LitertLmFileBuilder()
    made.add_system_metadata(builder.Metadata(key="Authors", value="tests", dtype=builder.DType.STRING))
    made.add_tflite_model(str(tmp_path / "graph.tflite"), builder.TfLiteModelType.PREFILL_DECODE)
    with (tmp_path / "built.litertlm").open("wb") as opened:
        made.build(opened)
    hub.commit("litert-community/base", {"base_q8_ekv1280.litertlm": (tmp_path / "built.litertlm").read_bytes()})
    project.call("export", "litert", "chat").passed()
    exported = project.directory / "chat-litert" / "base_q8_ekv1280.litertlm"
    with (tmp_path / "said.txt").open("w") as said:
        peek.peek_litertlm_file(str(exported), None, said)
    assert "prefill_decode" in (tmp_path / "said.txt").read_text("utf-8").lower()


VLLM = """\
import json, sys
import vllm.platforms
from vllm.platforms.cpu import CpuPlatform
vllm.platforms.current_platform = vllm.platforms._current_platform = CpuPlatform()
from vllm.entrypoints.common.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser
top = FlexibleArgumentParser()
make_arg_parser(top.add_subparsers(dest="subparser").add_parser("serve"))
said = top.parse_args(["serve", "--config", sys.argv[1]])
validate_parsed_serve_args(said)
names = ("model", "revision", "tokenizer_revision", "load_format", "served_model_name", "host", "port",
         "max_model_len", "override_generation_config", "default_chat_template_kwargs")
print("said", json.dumps({name: getattr(said, name) for name in names}))
"""


def test_vllm_by_its_own_parser(project: Cli) -> None:
    """Where VLLM_PYTHON names a Python that has vLLM: what `vllm serve --config` understands."""
    python = os.environ.get("VLLM_PYTHON") or pytest.skip("VLLM_PYTHON names no Python with vLLM")
    project.call("export", "vllm", "chat", "--option", "port=8123").passed()
    (twin,) = load_lock(project.lock).models[0].twins
    place = project.directory / "chat-vllm" / "vllm.yaml"
    done = subprocess.run([python, "-c", VLLM, str(place)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("said "))[5:])
    assert (said["model"], said["revision"]) == (twin.source.repo, twin.source.revision)
    assert said["tokenizer_revision"] == twin.source.revision and said["load_format"] == "safetensors"
    assert (said["host"], said["port"], said["served_model_name"]) == ("127.0.0.1", 8123, ["chat"])
    assert said["max_model_len"] > 0 and "temperature" in said["override_generation_config"]


def test_webllm_by_its_own_types_and_hashes(project: Cli, tmp_path: Path) -> None:
    """Where WEBLLM_MODULES is a `node_modules` with @mlc-ai/web-llm and typescript."""
    modules, node = os.environ.get("WEBLLM_MODULES"), shutil.which("node")
    if not modules or not node:
        pytest.skip("WEBLLM_MODULES names no folder with @mlc-ai/web-llm and typescript")
    (project.directory / "base.wasm").write_bytes(b"\0asm" + bytes(20))
    project.call("export", "webllm", "chat", "--option", "lib=base.wasm").passed()
    folder = project.directory / "chat-webllm"
    text = (folder / "app-config.json").read_text("utf-8")
    (tmp_path / "node_modules").symlink_to(Path(modules).resolve())
    (tmp_path / "config.ts").write_text(
        f'import type {{ AppConfig }} from "@mlc-ai/web-llm";\nexport const config: AppConfig = {text};\n', "utf-8"
    )
    checked = subprocess.run(
        [node, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "esnext",
         "--moduleResolution", "bundler", "--target", "es2022", "--lib", "es2022,dom", "--types", "", "config.ts"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "check.mjs").write_text(
        'import { verifyIntegrity } from "@mlc-ai/web-llm";\n'
        'import { readFileSync } from "node:fs";\n'
        "for (const [path, sri] of JSON.parse(process.argv[2])) {\n"
        "  const data = new Uint8Array(readFileSync(path));\n"
        "  await verifyIntegrity(data.buffer, sri, path);\n"
        "  data[0] ^= 1;\n"
        "  let refused = false;\n"
        "  try { await verifyIntegrity(data.buffer, sri, path); } catch { refused = true; }\n"
        '  if (!refused) throw new Error("a changed " + path + " was taken");\n'
        "}\n",
        "utf-8",
    )
    integrity = json.loads(text)["model_list"][0]["integrity"]
    (model,) = folder.glob("model/resolve/*")
    pairs = [
        (str(model / "mlc-chat-config.json"), integrity["config"]),
        (str(folder / "lib.wasm"), integrity["model_lib"]),
        *((str(model / name), sri) for name, sri in integrity["tokenizer"].items()),
    ]
    done = subprocess.run(
        [node, "check.mjs", json.dumps(pairs)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert len(pairs) == 3 and done.returncode == 0, done.stderr
