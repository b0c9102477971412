"""Files of the user's own: pinned by their hash, read where they are, and never to be downloaded again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama

OWN, OUTSIDE = "./models/own.gguf", "../shelf/ok.gguf"
INSTALL = ("install", "--no-smoke", "--offline", "--context", "256")


@pytest.fixture
def own(cli: Cli) -> Path:
    """A file of the project."""
    path = cli.directory / "models" / "own.gguf"
    path.parent.mkdir()
    write_llama(path, name="our own", chat_template=CHAT_TEMPLATE)
    return path


@pytest.fixture
def outside(cli: Cli, own: Path) -> Path:
    """A file with the same bytes that lies beside the project."""
    path = cli.directory.parent / "shelf" / "ok.gguf"
    path.parent.mkdir()
    shutil.copy(own, path)
    return path


def test_a_file_outside_of_the_project_is_taken_from_where_the_manifest_points(cli: Cli, outside: Path) -> None:
    cli.call(*INSTALL, OUTSIDE, "--name", "outside").passed()
    assert Path(cli.call("path", "outside").passed().out.strip()).samefile(outside)
    cli.call("verify", "--no-smoke").passed()
    shutil.rmtree(cli.store)
    cli.call("verify", "--no-smoke", "--fetch").passed()


class TestTwoWithTheSameBytes:
    @pytest.fixture(autouse=True)
    def _both(self, cli: Cli, own: Path, outside: Path) -> None:
        cli.call(*INSTALL, OWN, "--name", "own").passed()
        cli.call(*INSTALL, OUTSIDE, "--name", "outside").passed()

    def test_one_that_is_moved_away_leaves_the_other(self, cli: Cli, own: Path, outside: Path) -> None:
        own.rename(own.with_suffix(".away"))
        cli.call("verify", "outside", "--no-smoke").passed()
        cli.call("sync", "outside").passed()
        assert Path(cli.call("path", "outside").passed().out.strip()).samefile(outside)

    def test_one_that_is_damaged_leaves_the_other_and_is_not_to_be_downloaded(self, cli: Cli, own: Path) -> None:
        own.write_bytes(bytes(range(256)) * (own.stat().st_size // 256) + bytes(own.stat().st_size % 256))
        failed = cli.call("verify", "--no-smoke").failed(4, "1 of 2 models verified", "Put it at `models/own.gguf`")
        assert "fetch it again" not in failed.err and "Hash mismatch for `models/own.gguf`" in failed.out
        cli.call("sync", "outside").passed()
        cli.call("sync", "own").failed(4, "Hash mismatch", "Put it at `models/own.gguf`", "lmpm update")


def test_a_colleague_is_told_to_get_the_file_and_not_to_download_it(cli: Cli, own: Path) -> None:
    cli.call(*INSTALL, OWN, "--name", "own").passed()
    (model,) = load_lock(cli.lock).models
    clone = cli.clone()
    place = f"Put it at `models/own.gguf`, sha256 {model.candidates[0].files[0].sha256}"
    for command in ("path", "smoke", "verify", "sync"):
        assert "download" not in clone.call(command, "own").failed(4, place).err
    assert place in clone.call("list").passed().err


def test_a_file_is_pinned_for_no_more_than_it_was_trained_for_and_can_be_updated(cli: Cli, own: Path) -> None:
    cli.call("install", OWN, "--task", "text-to-sql", "--no-smoke", "--offline").passed()
    assert "context = 512" in cli.manifest.read_text()
    cli.call("update", "--offline", "--no-smoke").passed()
    cli.manifest.write_text(cli.manifest.read_text().replace("512", "8192"))
    failed = cli.call("update", "--offline").failed(3, "in lmpm.toml: ", "its only candidate was rejected", "8,192")
    assert "`context` in the manifest" in failed.err and "`--quant`" not in failed.err and "licen" not in failed.err


@pytest.mark.parametrize("command", [["sync"], ["install", "--locked"], ["install"]])
def test_a_file_that_is_missing_does_not_keep_other_models_from_coming(cli: Cli, own: Path, command: list[str]) -> None:
    cli.call(*INSTALL, OWN, "--name", "a-file").passed()
    cli.call("install", "text-to-sql", "--no-smoke", "--offline").passed()
    clone = cli.clone()
    clone.call(*command, "--no-smoke", "--offline").failed(4, "models/own.gguf")
    clone.call("verify", "text-to-sql", "--no-smoke").passed()


def test_who_did_not_name_the_task_is_told_to(cli: Cli, own: Path) -> None:
    asked = "It was asked the questions of `chat`. If it is for another task, name that with `--task`"
    cli.call("install", OWN, "--offline", "-c", "256").failed(8, asked, "`--no-test`")
    cli.call("smoke", OWN).failed(8, asked)
    cli.call(*INSTALL, OWN, "--name", "own").passed()
    cli.call("smoke", "own").failed(8, asked)
    for command in (["install", OWN, "--offline", "--name", "other"], ["smoke", OWN]):
        assert "`--task`" not in cli.call(*command, "--task", "text-to-sql", "-c", "256").failed(8).err


@pytest.mark.parametrize("data", [b"hello, world", b"GGUF\3\0\0\0", b""])
def test_what_is_no_model_is_an_error_of_the_file(cli: Cli, own: Path, data: bytes) -> None:
    own.write_bytes(data)
    for command in (["smoke"], ["inspect"], ["install", "--offline"]):
        cli.call(*command, OWN).failed(4, "own.gguf` is not a usable GGUF file: it ")


@pytest.mark.parametrize("kind", ["directory", "pipe", "link"])
def test_what_is_no_file_is_said_to_be_what_it_is(cli: Cli, own: Path, kind: str) -> None:
    own.unlink()
    words = {"directory": "is a directory", "pipe": "is not a regular file", "link": "is a link to `gone`"}[kind]
    if kind == "directory":
        own.mkdir()
    elif kind == "pipe":
        os.mkfifo(own)
    else:
        own.symlink_to("gone")
    for command in (["smoke"], ["inspect"], ["install", "--offline"]):
        cli.call(*command, OWN).failed(2, words)
