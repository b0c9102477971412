"""The plugin in the real `llm`, on real models: `pytest llm-lmpm/tests`. Skips where `llm` is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gguf_files import CHAT_TEMPLATE, write_bert, write_llama

pytestmark = pytest.mark.skipif(importlib.util.find_spec("llm") is None, reason="llm is not installed")
FOLDER = Path(__file__).resolve().parents[1]
ROOT = FOLDER.parent
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`llm` or `lmpm` in a project of its own, with the plugin installed as its pyproject says."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    site = tmp_path / "site"
    info = site / f"llm_lmpm-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "\n".join(f"{name} = {module}" for name, module in project["entry-points"]["llm"].items())
    (info / "entry_points.txt").write_text(f"[llm]\n{points}\n")
    (site / "llm_lmpm.py").symlink_to(FOLDER / "llm_lmpm.py")
    work = tmp_path / "project"
    work.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LMPM_", "HF_", "LLM_"))}
    environment |= {
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "LMPM_HOME": str(tmp_path / "state"),
        "LMPM_OFFLINE": "1",
        "LLM_USER_PATH": str(tmp_path / "llm"),
        "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
    }

    def call(program: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", program, *words],
            cwd=work,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture
def project(run: Run, tmp_path: Path) -> Path:
    """A project with a model that talks and one that makes vectors."""
    folder = tmp_path / "project"
    write_llama(folder / "talker.gguf", chat_template=CHAT_TEMPLATE)
    write_bert(folder / "bert.gguf", meanings=[["cat", "kitten"], ["car", "truck"]])
    for words in (
        ("./talker.gguf", "--name", "chat", "--task", "chat"),
        ("./bert.gguf", "--name", "vectors", "--task", "embeddings"),
    ):
        done = run("lmpm", "install", *words, "--no-smoke")
        assert done.returncode == 0, done.stderr
    return folder


def test_models_are_listed_from_the_lock(run: Run, project: Path) -> None:
    listed = run("llm", "models").stdout
    assert "lmpm/chat" in listed and "lmpm/vectors" not in listed
    assert "lmpm/vectors" in run("llm", "embed-models").stdout


def test_listing_imports_nothing_of_lmpm(run: Run, project: Path) -> None:
    code = """
import sys, llm
print([model.model_id for model in llm.get_models()], [name for name in sys.modules if name.split(".")[0] == "lmpm"])
"""
    (project / "probe.py").write_text(code)
    found = run("probe").stdout
    assert "'lmpm/chat'" in found and found.strip().endswith("[]")


@pytest.mark.parametrize("text", ["not toml [", "", "model = 3", "[[model]]\nname = 1\n", "[[model]]\n", "\x00"])
def test_a_broken_lock_lists_nothing(run: Run, project: Path, text: str) -> None:
    (project / "lmpm.lock").write_text(text)
    listed = run("llm", "models")
    assert listed.returncode == 0 and "lmpm/chat" not in listed.stdout and "Traceback" not in listed.stderr


def test_a_prompt_is_answered_and_logged(run: Run, project: Path) -> None:
    words = ("-m", "lmpm/chat", "hello", "-o", "max_tokens", "6", "-o", "temperature", "0")
    first, again = run("llm", *words), run("llm", *words, "--no-stream")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == again.stdout.strip() != ""
    logged = json.loads(run("llm", "logs", "--json", "-n", "1").stdout)
    assert logged[0]["output_tokens"] == 6


def test_an_answer_obeys_a_schema(run: Run, project: Path) -> None:
    done = run("llm", "-m", "lmpm/chat", "--schema", "good bool", "is it?", "-o", "temperature", "0")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout)["good"], bool)


def test_vectors(run: Run, project: Path) -> None:
    vectors = [
        json.loads(run("llm", "embed", "-m", "lmpm/vectors", "-c", text).stdout) for text in ("cat", "kitten", "car")
    ]
    cat, kitten, car = vectors
    assert sum(a * b for a, b in zip(cat, kitten, strict=True)) > sum(a * b for a, b in zip(cat, car, strict=True))


def test_a_conversation_and_tools_reach_the_model(run: Run, project: Path) -> None:
    """A model of random weights calls nothing; that tools and history are sent, and the answer read, is what counts."""
    tool = "def now() -> str:\n    'The time.'\n    return 'noon'"
    words = ("-m", "lmpm/chat", "-o", "max_tokens", "4", "-o", "temperature", "0")
    first = run("llm", *words, "hello", "--functions", tool)
    assert first.returncode == 0, first.stderr
    second = run("llm", "-c", "and again", "-o", "max_tokens", "4")
    assert second.returncode == 0, second.stderr


def test_what_lmpm_says_is_shown(run: Run, project: Path) -> None:
    failed = run("llm", "-m", "lmpm/chat", "word " * 2000)
    assert failed.returncode != 0 and "too many" in failed.stderr and "Traceback" not in failed.stderr
