"""Exports that are cut off at any moment, or made twice at once: nothing half, and a record that is true."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import Cli

resource = pytest.importorskip("resource", reason="needs POSIX, to fork and to bound files")

TARGETS: Final = ("docker", "oci", "lm-studio", "ollama", "kubernetes", "ray")
CHANGES: Final = frozenset({"os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"})
LEFT: Final = (".tmp", ".lmpm.incomplete")  # what a killed writer leaves under a name of its own


@pytest.fixture
def project(cli: Cli, tmp_path: Path) -> Cli:
    cli.environment |= {"OLLAMA_MODELS": str(tmp_path / "ollama"), "HOME": str(tmp_path)}
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    return cli


def in_child(cli: Cli, arguments: tuple[object, ...], prepare: Callable[[], None]) -> int | None:
    """Run lmpm in a fork after `prepare`; its exit code, None where it was killed."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            prepare()
            code = cli.call(*arguments).code
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def at_change(number: int, root: Path, act: Callable[[], None]) -> Callable[[], None]:
    """Have `act` called right before the `number`-th change that is made to files below `root`."""

    def prepare() -> None:
        seen = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            if (writes or event in CHANGES) and os.fspath(root) in str(arguments[0]):
                seen += 1
                if seen == number:
                    act()

        sys.addaudithook(hook)

    return prepare


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def files(root: Path) -> dict[str, str]:
    """The sha256 of every file, by its path."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def require_true(cli: Cli, place: Path, whole: dict[str, str], before: dict[str, str]) -> None:
    """Every file is the old or the new one, and the record says when not all are there."""
    there = {path: digest for path, digest in files(place).items() if not path.endswith(LEFT)}
    for path, digest in there.items():
        assert digest in (whole.get(path), before.get(path)), path
    checked = cli.call("export", "--check", "--json")
    if not checked.json["exports"]:
        assert not files(place)
    elif checked.code == 0:
        assert there in (whole, before)
    else:
        assert checked.code == 4


@pytest.mark.parametrize(
    ("target", "act", "step"),
    [("ollama", die, 1), *((target, die, 4) for target in TARGETS), *((target, interrupt, 6) for target in TARGETS)],
)
def test_cut_off(project: Cli, tmp_path: Path, target: str, act: Callable[[], None], step: int) -> None:
    """Before every change to a file, or every few."""
    command = ("export", target, "text-to-sql", "--to", tmp_path / "place", "--copy")
    place = tmp_path / "place"
    project.call(*command).passed()
    whole = files(place)
    project.call("export", "--undo").passed()
    assert not place.exists()
    for number in range(1, 200, step):
        code = in_child(project, command, at_change(number, tmp_path, act))
        if code == 0:
            break
        assert code == (None if act is die else 130)
        require_true(project, place, whole, {})
        if act is interrupt:
            assert files(place) in ({}, whole)  # whole where only the record was left to be written
        if number // step % 2:
            project.call(*command).passed()
            assert files(place) == whole
            project.call("export", "--check").passed()
        project.call("export", "--undo").passed()
        assert not files(place)
    else:
        raise AssertionError("it never ended by itself")
    assert number > 5


@pytest.mark.parametrize("target", ["docker", "kubernetes"])
def test_made_anew_and_cut_off(project: Cli, tmp_path: Path, target: str) -> None:
    """What an export becomes when an option changes: each file is the old or the new one, and the record says so."""
    place = tmp_path / "place"
    old = ("export", target, "text-to-sql", "--to", place)
    new = (*old, "--option", "slots=4")
    project.call(*new).passed()
    whole = files(place)
    for number in range(1, 200, 3):
        project.call(*old).passed()
        before = files(place)
        if in_child(project, new, at_change(number, tmp_path, die)) == 0:
            break
        require_true(project, place, whole, before)
        project.call(*(new if number % 2 else old)).passed()
        project.call("export", "--check").passed()
        assert files(place) == (whole if number % 2 else before)
    assert before != whole and number > 5
    project.call("export", "--undo").passed()
    assert not place.exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_full_disk(project: Cli, tmp_path: Path, target: str) -> None:
    """The system lets no file grow beyond a size: the model's, a text's, the record's."""
    place = tmp_path / "place"
    command = ("export", target, "text-to-sql", "--to", place, "--copy")

    def limited(size: int) -> Callable[[], None]:
        def prepare() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        return prepare

    for size in (0, 60, 400, 3000, 2_000_000):
        if in_child(project, command, limited(size)) != 0:
            assert not place.exists()
            assert project.call("export", "--check", "--json").passed().json["exports"] == []
    project.call(*command).passed()
    project.call("export", "--check").passed()


@pytest.mark.parametrize("target", TARGETS)
def test_twice_at_once(project: Cli, tmp_path: Path, target: str) -> None:
    command = ("export", target, "text-to-sql", "--to", tmp_path / "place", "--copy", "--json")
    running = [project.start(*command) for _ in range(3)]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (out, err)
    project.call("export", "--check").passed()
    assert not [path for path in files(tmp_path / "place") if path.endswith(LEFT)]
    project.call("export", "--undo").passed()
    assert not (tmp_path / "place").exists()


def test_two_models_in_one_place_at_once(project: Cli, tmp_path: Path) -> None:
    other = project.beside("other")
    other.call("install", "text-to-sql", "--name", "sql", "--offline", "--no-smoke").passed()
    running = [item.start("export", "ollama", name) for item, name in ((project, "text-to-sql"), (other, "sql"))]
    for process in running:
        assert process.communicate(timeout=120) and process.returncode == 0
    for first, second in ((project, other), (other, project)):
        first.call("export", "--check").passed()
        second.call("export", "--check").passed()
        first.call("export", "--undo").passed()
        second.call("export", "--check").passed()  # what both need is the other's now
        first.call("export", "ollama", "text-to-sql" if first is project else "sql").passed()
    for item in (project, other):
        item.call("export", "--undo").passed()
    assert not files(tmp_path / "ollama")


def test_a_name_of_another_project(project: Cli) -> None:
    other = project.beside("other")
    other.call("install", "text-to-sql", "--offline", "--no-smoke", "--context", "512").passed()
    project.call("export", "ollama", "text-to-sql").passed()
    other.call("export", "ollama", "text-to-sql").failed(2, f"`text-to-sql` of `{project.directory}`")
    other.call("export", "ollama", "text-to-sql", "--option", "as=other").passed()
    other.call("export", "--undo").passed()
    project.call("export", "--check").passed()


def test_two_names_of_one_model(project: Cli, tmp_path: Path) -> None:
    for option in ("as=one", "as=two:v1"):
        project.call("export", "ollama", "text-to-sql", "--option", option).passed()
    for place in ("one.ini", "two.ini"):
        project.call("export", "llama.cpp", "text-to-sql", "--to", place).passed()
    assert len(project.call("export", "--check", "--json").passed().json["exports"]) == 4
    project.call("export", "--undo", "ollama").passed()
    assert not files(tmp_path / "ollama") and (project.directory / "one.ini").is_file()
    project.call("export", "--undo").passed()
    assert not list(project.directory.glob("*.ini"))
