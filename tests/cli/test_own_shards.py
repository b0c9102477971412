"""A set of shards that the user has on disk: installed by any of its files, and loaded as one model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lmpm.project.lock.file import load_lock
from tests.conftest import Cli
from tests.gguf_files import write_llama

INSTALL = ("install", "--task", "chat", "--no-smoke")


@pytest.fixture
def shards(cli: Cli) -> list[Path]:
    (cli.directory / "models").mkdir()
    (cli.directory / "other").mkdir()
    return write_llama(cli.directory / "models" / "m.gguf", shards=3)


def named(path: Path, cli: Cli) -> str:
    return f"./{path.relative_to(cli.directory)}"


@pytest.mark.parametrize("number", [0, 2])
def test_the_shards_stand_side_by_side_and_load(cli: Cli, shards: list[Path], number: int) -> None:
    cli.call(*INSTALL, named(shards[number], cli)).passed()
    model = load_lock(cli.lock).models[0]
    assert [file.path for file in model.candidates[0].files] == [f"models/{path.name}" for path in shards]
    shown = cli.call("path", model.name, "--json").passed().json
    first = Path(shown["path"] if "path" in shown else shown["files"][0]["file"])
    assert sorted(path.name for path in first.parent.iterdir()) == sorted(path.name for path in shards)
    assert all((first.parent / path.name).read_bytes() == path.read_bytes() for path in shards)
    # llama.cpp finds the others beside the first; random weights answer nothing right, but they load
    answer = cli.call("smoke", model.name)
    assert answer.code in (0, 8) and "tok/s" in answer.err, answer.err
    clone = cli.clone()
    shutil.copytree(cli.directory / "models", clone.directory / "models")
    clone.call("sync", "--no-smoke").passed()
    clone.call("verify", "--no-smoke").passed()


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "of another set", "of another model", "twice the same"])
def test_a_set_that_is_none_is_found_before_it_is_pinned(cli: Cli, shards: list[Path], damage: str) -> None:
    third = shards[2]
    if damage == "missing":
        third.unlink()
    elif damage == "empty":
        third.write_bytes(b"")
    elif damage == "cut":
        third.write_bytes(third.read_bytes()[:-100])
    elif damage == "of another set":
        others = write_llama(cli.directory / "other" / "m.gguf", shards=2)
        shutil.copy(others[1], third)
    elif damage == "of another model":
        others = write_llama(cli.directory / "other" / "m.gguf", shards=3, dim=128)
        shutil.copy(others[2], third)
    else:
        shutil.copy(shards[1], third)
    shown = cli.call(*INSTALL, named(shards[0], cli))
    assert shown.code in (2, 4), shown.err
    assert "m-0000" in shown.err and "Verified" not in shown.err
    assert not cli.lock.exists() and not cli.manifest.exists()
