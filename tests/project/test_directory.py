"""A project: found from below, changed by one process at a time, nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lmpm.errors import DiskError, LmpmError, LockError, ManifestError
from lmpm.project import Lock, ManifestModel, Project, edit_project, find_project, load_lock
from lmpm.project.manifest import load_manifest
from lmpm.project.manifest_edit import add_model
from tests.child import run_script
from tests.lock_samples import small_model

CHAT = ManifestModel(name="chat", task="chat")


def test_finds_the_nearest_manifest_upwards(tmp_path: Path) -> None:
    home = tmp_path / "home"
    inner = home / "work" / "project" / "deep" / "er"
    inner.mkdir(parents=True)
    assert find_project(inner, home=home) is None
    for place in (tmp_path, home):  # neither counts for what is below home
        (place / "lmpm.toml").touch()
        assert find_project(inner, home=home) is None
    assert find_project(home, home=home) == home
    for place in (home / "work", home / "work" / "project", inner):
        (place / "lmpm.toml").touch()
        assert find_project(inner, home=home) == place
    assert find_project(home / "work" / "project" / "deep", home=home) == home / "work" / "project"
    (inner / "lmpm.toml").unlink()
    (inner / "lmpm.toml").mkdir()
    assert find_project(inner, home=home) == home / "work" / "project"


def test_a_new_project(tmp_path: Path) -> None:
    directory, state = tmp_path / "project", tmp_path / "state"
    directory.mkdir()
    with edit_project(directory, state=state) as project:
        assert (project.manifest_text(), project.lock()) == ("", Lock())
        text = add_model("", CHAT)
        assert project.write(manifest=text, lock=project.lock().with_model(small_model("chat")))
        assert not project.write(manifest=text, lock=project.lock())
    assert sorted(path.name for path in directory.iterdir()) == ["lmpm.lock", "lmpm.toml"]
    assert load_manifest(directory / "lmpm.toml").models == {"chat": CHAT}
    assert load_lock(directory / "lmpm.lock") == Lock((small_model("chat"),))


def test_a_manifest_that_is_not_valid_is_not_written(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with pytest.raises(ManifestError):
        project.write(manifest="[models]\nchat = 1\n", lock=Lock((small_model("chat"),)))
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_written_keeps_the_manifest(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.manifest_path.write_text("# mine\n")
    project.lock_path.write_text("version = 99\n")
    with pytest.raises(LockError, match="made by a newer lmpm"):
        project.write(manifest=add_model("# mine\n", CHAT), lock=Lock((small_model("chat"),)))
    assert project.manifest_text() == "# mine\n"


def test_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    for name in (".lmpm.lock.0123abcd.tmp", ".lmpm.toml.ffffffff.tmp", ".lmpm.lock.mine.tmp", "other.tmp"):
        (directory / name).touch()
    with edit_project(directory, state=tmp_path / "state"):
        pass
    assert sorted(path.name for path in directory.iterdir()) == [".lmpm.lock.mine.tmp", "other.tmp"]


def test_processes_that_edit_at_once_lose_nothing(tmp_path: Path) -> None:
    directory, state = tmp_path / "project", tmp_path / "state"
    directory.mkdir()
    script = """
        import sys
        from pathlib import Path
        from lmpm.project import ManifestModel
        from lmpm.project.manifest_edit import add_model
        from lmpm.project import edit_project
        from tests.lock_samples import small_model

        directory, state, who = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
        for number in range(8):
            name = f"{who}{number}"
            with edit_project(directory, state=state) as project:
                text = add_model(project.manifest_text(), ManifestModel(name=name, task="chat"))
                project.write(manifest=text, lock=project.lock().with_model(small_model(name)))
    """
    processes = [run_script(script, directory, state, who) for who in ("a", "b", "c")]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert (process.returncode, output) == (0, "")
    expected = sorted(f"{who}{number}" for who in "abc" for number in range(8))
    assert sorted(load_manifest(directory / "lmpm.toml").models) == expected
    assert [model.name for model in load_lock(directory / "lmpm.lock").models] == expected
    assert sorted(path.name for path in directory.iterdir()) == ["lmpm.lock", "lmpm.toml"]


def test_a_process_that_dies_frees_the_project(tmp_path: Path) -> None:
    state = tmp_path / "state"
    script = """
        import os, sys
        from pathlib import Path
        from lmpm.project import edit_project
        with edit_project(Path(sys.argv[1]), state=Path(sys.argv[2])):
            os._exit(9)
    """
    assert run_script(script, tmp_path, state).wait(timeout=60) == 9
    with edit_project(tmp_path, state=state):
        pass


def test_waits_only_so_long_for_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmpm.project.directory.GUARD_TIMEOUT_S", 0.05)
    state = tmp_path / "state"
    with (
        edit_project(tmp_path, state=state),
        pytest.raises(LmpmError, match="Another lmpm is still changing"),
        edit_project(tmp_path, state=state),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX")
def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(DiskError), edit_project(tmp_path, state=tmp_path / "state"):
        pass
