"""What users mistype and what files can be broken by: the exit code, what is wrong, where, and what to do."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from lmpm.errors import DiskError, SpecError
from lmpm.project import Environment
from tests.conftest import Cli
from tests.lock_samples import TEXT
from tests.loopback import LoopbackHub


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("install text-to-sq", 3, ["`text-to-sq`", "Did you mean `text-to-sql`?", "lmpm catalog list"]),
        ("install nonsense", 3, ["No task or model is called `nonsense`", "lmpm catalog list"]),
        ("install qwen2.5-coder-7b-instuct", 3, ["Did you mean `qwen2.5-coder-7b-instruct`"]),
        ("install qwen2.5-coder-7b-instruct:Q4_K_N", 2, ["`Q4_K_N` is not a quant", "Did you mean", "`Q4_K_M`"]),
        ("install qwen2.5-coder-7b-instruct:Q2_K", 3, ["No quant of this model is called `Q2_K`", "There are: "]),
        ("install embeddings --quant foo", 2, ["`foo` is not a quant", "Examples: `Q4_K_M`"]),
        ("resolve text-to-sql --task chat", 2, ["`--task` goes with a model"]),
        ("resolve bge-m3 --task chatt", 3, ["No task is called `chatt`", "`chat`"]),
        ("install hf:../../etc", 2, ["`hf:../../etc` is not a reference", "org/name"]),
        ("install a/b/c.txt", 2, ["`a/b/c.txt` is not a reference", ".gguf"]),
        ("install https://example.com/a/b", 2, ["`example.com` is not the Hugging Face Hub"]),
        ("install ./x.gguf", 2, ["There is no file"]),
        ("install é", 2, ["is not the name of a task or model"]),
        ("install --name x", 2, ["`--name` goes with exactly one reference"]),
        ("install embeddings --max-size foo", 2, ["--max-size", "`foo` is not a size", "`8GB`"]),
        ("install embeddings --context 0", 2, ["--context", "lmpm install --help"]),
        ("install embeddings --nope", 2, ["There is no option `--nope`", "lmpm install --help"]),
        ("instal embeddings", 2, ["There is no command `instal`", "Did you mean `lmpm install`?"]),
        ("frobnicate", 2, ["There is no command `frobnicate`", "lmpm --help"]),
        ("path", 2, ["Missing argument `NAME`", "lmpm path --help"]),
        ("install text-to-sql --hardware banana", 2, ["`banana`", "Examples: `--hardware"]),
        ("install text-to-sql --hardware=", 2, ["`--hardware` is empty", "M2, 16GB"]),
        (f"inspect ./{'n' * 300}.gguf", 6, ["Cannot use", "too long"]),
        ("hardware --hardware M2", 2, ["M2", "memory"]),
        ("install", 2, ["Nothing to install", "lmpm install text-to-sql"]),
        ("list", 7, ["No `lmpm.lock`", "lmpm install TASK"]),
        ("verify", 7, ["No `lmpm.lock`"]),
        ("install --locked embeddings --offline", 3, ["on this machine"]),
        ("smoke nothing.gguf", 2, ["There is no file `nothing.gguf`"]),
        ("catalog show sqll", 3, ["No task or model is called `sqll`", "Did you mean"]),
        ("why nonsense", 3, ["`nonsense`"]),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_a_way_out(cli: Cli, arguments: str, code: int, words: list[str]) -> None:
    shown = cli.call(*arguments.split())
    shown.failed(code, *words)
    assert shown.out == ""
    assert "\x1b" not in shown.err
    assert not shown.err.splitlines()[0].endswith(".")
    assert list(cli.directory.iterdir()) == []


def test_a_name_that_is_not_in_the_lock_gets_the_names_that_are(cli: Cli) -> None:
    cli.lock.write_text(TEXT)
    cli.manifest.write_text('[models]\nchat = { task = "chat" }\n')
    for command in ("path", "smoke", "verify", "remove"):
        cli.call(command, "chta").failed(3, "No model of this project is called `chta`", "Did you mean `chat`?")


def test_nothing_fits_lists_the_smallest_with_their_needs(cli: Cli) -> None:
    shown = cli.call("resolve", "text-to-sql", "--offline", "--hardware", "CPU, 1GB")
    shown.failed(3, "No text-to-sql model fits this machine", "the smallest needs", "--context 2048", "--hardware")
    rows = [line for line in shown.err.splitlines() if "needs" in line and line.startswith("  ")]
    assert 2 <= len(rows) <= 5 and all("MiB" in row and "budget" in row for row in rows)
    lower = cli.call("resolve", "chat", "--offline", "--hardware", "CPU, 0.5GB", "--context", "1024").failed(3)
    assert "Lower the context" not in lower.err


def test_a_licence_that_no_candidate_has_is_a_matter_of_permission(cli: Cli) -> None:
    shown = cli.call("resolve", "embeddings", "--offline", "--license", "gpl-3.0")
    shown.failed(9, "candidates were rejected", "is not among the allowed licences", "`--license`")


def test_a_policy_of_the_project_holds_for_every_command(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text('[policy]\nlicenses = { allow = ["mit"] }\n')
    assert "mit" in cli.call("install", "embeddings", "--dry-run").passed().err
    cli.call("install", "all-minilm-l6-v2").failed(9, "apache-2.0 is not among the allowed licences")
    cli.manifest.write_text('[policy]\npublishers = { allow = ["nobody"] }\n')
    cli.call("install", "embeddings").failed(9, "the policy does not allow the publisher")


def test_what_is_not_on_this_machine_cannot_be_had_offline(cli: Cli) -> None:
    cli.call("install", "embeddings", "--offline").failed(3, "on this machine", "Drop `--offline`")
    cli.call("install", "nobody/none-GGUF", "--offline").failed(5, "`nobody/none-GGUF`", "Drop `--offline`")
    shown = cli.call("install", "embeddings", LMPM_OFFLINE="1")
    shown.failed(3, "on this machine")
    cli.call("install", "embeddings", HF_HUB_OFFLINE="1").failed(3, "on this machine")


BROKEN_LOCKS = {
    "a path that leads out": ('path = "small-Q4_K_M.gguf"', 'path = "../small.gguf"', "files[0].path"),
    "an absolute path": ('path = "small-Q4_K_M.gguf"', 'path = "/small.gguf"', "files[0].path"),
    "63 digits": (f'sha256 = "{"d" * 64}"', f'sha256 = "{"d" * 63}"', "model[0].candidate[1].files[0].sha256"),
    "upper case": (f'sha256 = "{"d" * 64}"', f'sha256 = "{"D" * 64}"', "model[0].candidate[1].files[0].sha256"),
    "a branch": (f'revision = "{"2" * 40}"', 'revision = "main"', "model[0].candidate[1].source.revision"),
    "a size of nothing": ("size = 2147483648", "size = 0", "model[0].candidate[1].files[0].size"),
    "a size with a point": ("size = 2147483648", "size = 2147483648.0", "model[0].candidate[1].files[0].size"),
    "a repository with three parts": ("org/small-3b-GGUF", "org/small/GGUF", "model[0].candidate[1].source.hf"),
    "memory of nothing": ("memory = 2899102924", "memory = 0", "model[0].candidate[1].memory"),
    "a newer version": ("version = 2", "version = 3", "newer lmpm"),
    "an older version": ("version = 2", "version = 1", "`lmpm lock`"),
    "a version in words": ("version = 2", 'version = "2"', "version"),
    "no version": ("version = 2\n", "", "version"),
    "conflict markers": ("[[model]]", "<<<<<<< HEAD\n[[model]]", "line 5"),
    "no toml": ("[[model]]", "[[model", "line 5"),
    "an unknown key": ("layers = 28", "layers = 28\nsurprise = 1", "surprise"),
}


@pytest.mark.parametrize("name", BROKEN_LOCKS)
def test_a_broken_lock_is_refused_at_its_place_before_anything_is_done(cli: Cli, hub: LoopbackHub, name: str) -> None:
    old, new, place = BROKEN_LOCKS[name]
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    cli.lock.write_text(text)
    cli.manifest.write_text('[models]\nchat = { task = "chat", context = 8192 }\n')
    for command in ("install", "verify", "list", "path chat", "install chat", "install embeddings", "remove chat"):
        shown = cli.call(*command.split())
        shown.failed(7, "lmpm.lock", place, "hint:")
    assert len(hub.requests) == 0
    assert not cli.store.exists()
    assert cli.lock.read_text() == text


def test_a_lock_of_bytes_that_are_no_text_is_refused(cli: Cli) -> None:
    cli.lock.write_bytes(b"version = 2\n\xff\xfe\x00")
    cli.call("list").failed(7, "lmpm.lock")
    cli.lock.write_bytes(b"# " + b"x" * (5 << 20))
    cli.call("list").failed(7, "lmpm.lock")
    cli.lock.unlink()
    cli.lock.mkdir()
    assert cli.call("list").code in (6, 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models]\nchat = { task = 1 }\n", ["models.chat.task"]),
        ("[models]\nchat = { tusk = 'chat' }\n", ["models.chat"]),
        ("[models\n", ["line 1"]),
        ("[models]\n<<<<<<< HEAD\n", ["keep the lines that you want"]),
        ("[models]\nchat = { task = 'chat', context = -1 }\n", ["models.chat.context"]),
    ],
)
def test_a_broken_manifest_is_refused_at_its_place(cli: Cli, hub: LoopbackHub, text: str, words: list[str]) -> None:
    cli.manifest.write_text(text)
    for command in ("install", "install embeddings"):
        cli.call(*command.split()).failed(2, "lmpm.toml", *words)
    assert len(hub.requests) == 0
    assert cli.manifest.read_text() == text


def test_a_target_that_is_no_machine_is_named(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text('[targets]\nx = { hardware = "banana" }\n')
    cli.call("install", "embeddings").failed(2, "banana")
    assert hub.count("GET", "*/resolve/*") == 0
    assert not cli.lock.exists()


@pytest.mark.parametrize("place", ["a file", "below a file"])
def test_a_store_that_cannot_be_made(cli: Cli, hub: LoopbackHub, tmp_path: Path, place: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    store = file if place == "a file" else file / "hub"
    shown = cli.call("install", "embeddings", HF_HUB_CACHE=os.fspath(store))
    shown.failed(6, os.fspath(file))
    assert list(cli.directory.iterdir()) == []
    assert "fail  store" in cli.call("doctor", "--offline", HF_HUB_CACHE=os.fspath(store)).out


def test_a_home_that_cannot_be_written_to_is_told_before_the_download(
    cli: Cli, hub: LoopbackHub, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    cli.call("install", "embeddings", LMPM_HOME=os.fspath(file / "home")).failed(6, os.fspath(file))
    assert hub.count("GET", "*/resolve/*") == 0
    assert list(cli.directory.iterdir()) == []


def test_a_project_that_may_not_be_written_to_is_told_before_the_download(
    cli: Cli, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:  # whom no permission stops: ask as another user would be answered
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    cli.directory.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        cli.call("install", "embeddings").failed(6, os.fspath(cli.directory), "--no-save")
    finally:
        cli.directory.chmod(0o755)
    assert hub.count("GET", "*/resolve/*") == 0


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(DiskError) as caught:
        Environment.read({})
    assert "HF_HOME" in (caught.value.hint or "")
    Environment.read({"HF_HOME": "/x", "LMPM_HOME": "/y"})


def test_a_directory_that_is_gone_is_told(cli: Cli) -> None:
    script = f'cd "{cli.directory}" && rmdir "{cli.directory}" && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *cli.command("list")], env=cli.environment, capture_output=True, text=True
    )
    assert done.returncode == 6
    assert "The current directory is gone" in done.stderr and "Traceback" not in done.stderr


def test_an_endpoint_that_is_no_address_is_refused_without_quoting_it() -> None:
    with pytest.raises(SpecError) as caught:
        Environment.read({"HF_ENDPOINT": "user:secret@hub"})
    assert "HF_ENDPOINT" in caught.value.message and "secret" not in str(caught.value)


def test_debug_shows_where_an_error_came_from(cli: Cli) -> None:
    shown = cli.call("install", "nonsense", LMPM_LOG="debug")
    assert shown.code == 3
    assert "Traceback" in shown.err and "error: No task or model is called `nonsense`" in shown.err
