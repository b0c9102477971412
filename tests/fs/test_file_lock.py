"""One process at a time, also where the file system has no locks."""

from __future__ import annotations

import errno
import fcntl
import subprocess
from pathlib import Path

import pytest

from lmpm.errors import DiskError
from lmpm.fs import file_lock
from tests.child import run_script
from tests.loopback import LoopbackHub, faults
from tests.transfers import Site

NO_LOCKS = ["ENOSYS", "ENOTSUP", "ENOLCK"]  # of FUSE, of SMB, of NFS without its lock server

CHILD = """
    import errno, fcntl, sys
    from pathlib import Path
    from lmpm.fs import file_lock

    def flock(descriptor, operation):
        raise OSError(errno.{name}, "no locks here")

    fcntl.flock = flock
    with file_lock.hold_file_lock(Path(sys.argv[1]), waiting=lambda: print("waiting", flush=True)):
        print("held", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "file.lock"


def holder(place: Path, name: str) -> subprocess.Popen[str]:
    child = run_script(CHILD.replace("{name}", name), place, stdin=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


@pytest.fixture
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(getattr(errno, name), "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    return name


def test_who_is_second_is_told_and_does_not_get_it(place: Path) -> None:
    with file_lock.hold_file_lock(place) as first, file_lock.hold_file_lock(place) as second:
        assert (first, second) == (True, False)
    with file_lock.hold_file_lock(place) as again:
        assert again


@pytest.mark.parametrize("no_locks", NO_LOCKS, indirect=True)
def test_33_without_locks_one_still_waits_for_the_other(no_locks: str, place: Path) -> None:
    child = holder(place, no_locks)
    with file_lock.hold_file_lock(place) as held:
        assert not held
    said: list[str] = []

    def waiting() -> None:
        said.append(child.communicate("", timeout=30)[0])

    with file_lock.hold_file_lock(place, waiting=waiting) as held:
        assert held
    assert said == [""]  # nor did the library warn of anything


@pytest.mark.parametrize("no_locks", NO_LOCKS, indirect=True)
def test_27_33_without_locks_the_dead_hold_nothing(no_locks: str, place: Path) -> None:
    child = holder(place, no_locks)
    child.kill()
    child.communicate(timeout=30)
    with file_lock.hold_file_lock(place, waiting=lambda: None) as held:
        assert held


@pytest.mark.parametrize("no_locks", NO_LOCKS, indirect=True)
def test_33_a_store_without_locks_is_filled_and_resumed(no_locks: str, tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        site = Site(hub, tmp_path)
        hub.faults.add(faults.short_body(100_000), "*.gguf", times=1)
        site.check(site.fetch())
        assert site.ranges() == [None, "bytes=100000-"]


def test_any_other_trouble_with_the_lock_is_one_of_the_disk(place: Path) -> None:
    place.parent.write_text("no directory")
    with pytest.raises(DiskError), file_lock.hold_file_lock(place):
        pass
