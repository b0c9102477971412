"""Small files are replaced whole or not at all, on a real file system with real faults."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from lmpm.errors import DiskError
from lmpm.fs.atomic import write_bytes, write_text
from tests.child import run_script

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "é\r\n")
    assert path.read_bytes() == "é\r\n".encode()
    write_bytes(path, b"")
    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_keeps_the_mode_of_the_old_file_and_leaves_a_new_one_to_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    old = os.umask(0o027)
    try:
        write_text(path, "new")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    write_text(path, "newer")
    assert path.stat().st_mode & 0o777 == 0o604


def test_a_failed_check_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def check(temporary: Path) -> None:
        assert temporary.read_text() == "new"
        assert path.read_text() == "old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new", check=check)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_refuses_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "directory"
    directory.mkdir()
    (tmp_path / "link").symlink_to(directory)
    for name in ("directory", "link"):
        with pytest.raises(DiskError, match="is a directory"):
            write_text(tmp_path / name, "text")
    assert list(directory.iterdir()) == []


@posix
def test_replaces_a_link_and_leaves_what_it_points_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(precious)
    write_text(link, "text")
    assert precious.read_text() == "precious"
    assert link.read_text() == "text"
    assert not link.is_symlink()


def test_a_missing_directory_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="no such file or directory") as caught:
        write_text(tmp_path / "missing" / "file", "text")
    assert caught.value.path == tmp_path / "missing" / "file"


@posix
def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    script = """
        import resource, sys
        from pathlib import Path
        from lmpm.fs.atomic import write_bytes
        from lmpm.errors import DiskError
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_bytes(Path(sys.argv[1]), b"x" * 10_000)
        except DiskError as error:
            print(error, "|", error.hint)
    """
    output, _ = run_script(script, path).communicate(timeout=60)
    assert output == f"Cannot write `{path}`: file too large | Free some space and run the command again\n"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_read_only_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")
    tmp_path.chmod(0o555)
    script = """
        import os, sys
        from pathlib import Path
        from lmpm.fs.atomic import write_text
        from lmpm.errors import DiskError
        os.chdir(sys.argv[1])
        if os.getuid() == 0:
            os.setuid(65534)  # root may write everywhere
        try:
            write_text(Path("file"), "new")
        except DiskError as error:
            print(error, "|", error.hint)
    """
    try:
        output, _ = run_script(script, tmp_path).communicate(timeout=60)
    finally:
        tmp_path.chmod(0o755)
    assert output == "Cannot write `file`: permission denied | Check the permissions of `.`\n"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_every_step_that_fails_keeps_the_old_file(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path if call == "replace" else os, call, fail)
        with pytest.raises(DiskError, match="input/output error"):
            write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_killed_writer_leaves_one_whole_version(tmp_path: Path) -> None:
    path = tmp_path / "file"
    versions = {b"a" * 300_000, b"b" * 300_000}
    script = """
        import sys
        from pathlib import Path
        from lmpm.fs.atomic import write_bytes
        print("ready", flush=True)
        while True:
            for letter in (b"a", b"b"):
                write_bytes(Path(sys.argv[1]), letter * 300_000)
    """
    delays = random.Random(1)
    for _ in range(5):
        process = run_script(script, path)
        assert process.stdout is not None
        process.stdout.readline()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(delays.uniform(0.0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert path.read_bytes() in versions
