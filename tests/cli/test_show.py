"""`lmpm show`: one page of what is locked, of what would be taken, and of a file; its lines work when pasted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama


@pytest.fixture
def installed(cli: Cli) -> Cli:
    assert cli.call("install", "text-to-sql", "--offline", "--no-smoke").code == 0
    return cli


def test_a_locked_model_is_one_page(installed: Cli) -> None:
    page = installed.call("show", "text-to-sql").out
    lines = page.splitlines()
    assert lines[0] == "text-to-sql starter Q8_0 · pinned in lmpm.lock · installed"
    assert [line[:9].strip() for line in lines if line[:1].strip()] == [
        "text-to-s", "why", "files", "needs", "asked", "use", "deeper",
    ]  # fmt: skip
    assert len(lines) <= 24
    assert 'question, schema -> SQL · as plain text · stop ";\\n" "\\n\\n" "Question:" · greedy' in page
    for words in ("lmpm run text-to-sql", 'lmpm.load("text-to-sql")', "/v1/chat/completions"):
        assert words in page


def test_the_line_for_python_works_when_pasted(installed: Cli) -> None:
    data = json.loads(installed.call("show", "text-to-sql", "--json").out)
    done = subprocess.run(
        [sys.executable, "-c", data["use"]["python"]],
        cwd=installed.directory,
        env=installed.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SELECT COUNT(*) FROM users")
    assert data["recipe"]["raw"] and data["is_here"] and data["task"] == "text-to-sql"
    path = json.loads(installed.call("path", "text-to-sql", "--json").out)
    assert path["recipe"] == data["recipe"]


@pytest.mark.parametrize("name", ["chat", "embeddings", "reranking", "classification", "code-completion", "qwen3-8b"])
def test_what_is_not_installed_is_shown_as_it_would_be_taken(cli: Cli, name: str) -> None:
    data = json.loads(cli.call("show", name, "--json", "--hardware", "M2, 16GB").out)
    assert data["standing"] == ["not installed"] and not data["is_here"]
    assert data["use"]["install"] == f"lmpm install {name}"
    compile(data["use"]["python"], "line", "exec")
    assert data["need"] <= data["budget"]
    page = cli.call("show", name, "--hardware", "M2, 16GB").out
    assert f"lmpm why {name} · lmpm catalog show {name}" in page


def test_a_file_is_shown_with_its_task(cli: Cli, tmp_path: Path) -> None:
    path = write_llama(tmp_path / "own.gguf", chat_template=CHAT_TEMPLATE)[0]
    data = json.loads(cli.call("show", str(path), "--task", "classification", "--json").out)
    assert data["recipe"]["grammar"] == "labels" and not data["recipe"].get("raw")
    assert 'task="classification"' in data["use"]["python"] and "http" not in data["use"]
    plain = write_llama(tmp_path / "plain.gguf")[0]
    assert "as plain text" in cli.call("show", str(plain)).out


def test_wrong_names(cli: Cli, tmp_path: Path) -> None:
    refused = cli.call("show", "txt-to-sql")
    assert refused.code == 3 and "Did you mean `text-to-sql`?" in refused.err
    assert cli.call("show", str(tmp_path / "none.gguf")).code == 3
    (tmp_path / "x.gguf").write_bytes(b"nothing")
    assert cli.call("show", str(tmp_path / "x.gguf")).code == 4
    assert cli.call("info", "text-to-sql").code == 0  # as other tools call it
