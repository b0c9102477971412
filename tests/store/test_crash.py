"""Killed, interrupted, out of space: the next run finishes, and no wrong bytes ever have a name."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmpm.fs import JsonCache
from tests.child import run_script
from tests.loopback import Generated, LoopbackHub, faults
from tests.transfers import SIZE, SMALL_LIMITS, WHOLE, Site, wrong_blobs

# A child that fetches the one file. With a number it dies at that step, or the system refuses it: the operations
# on files that Python itself reports, and the writes and syncs, which it does not. A write is half done then.
FETCH = """
    import errno, json, os, signal, sys
    from pathlib import Path
    from filelock import FileLock
    import huggingface_hub, requests, urllib3  # warm before the clock of steps runs
    from lmpm.fs import disk
    from lmpm.errors import LmpmError
    from lmpm.hub.http import Http, transient_errors
    from lmpm.reporter import Reporter
    from lmpm.store import Store
    from lmpm.hub import Patience
    from lmpm.store.transfer import Downloader
    from lmpm.types import HubSource, ModelFile

    endpoint, base, revision, size, digest, way = sys.argv[1:]
    EVENTS = {"open", "os.rename", "os.mkdir", "os.chmod", "os.symlink", "os.remove", "os.truncate", "os.rmdir"}
    step = last = 0
    transient_errors()
    requests.Session().get(endpoint + "/warm")

    def stop_here(half=lambda: None):
        global step
        step += 1
        if step == last:
            half()
            if way == "refuse":
                raise OSError(errno.ENOSPC, "No space left on device")
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        if last and event in EVENTS and str(base) in str(arguments[0]):
            stop_here()

    def write_at(descriptor, data, offset):
        stop_here(lambda: os.pwrite(descriptor, data[: len(data) // 2], offset))
        real_write(descriptor, data, offset)

    def fsync(handle):
        stop_here()
        real_sync(handle)

    real_write, real_sync = disk.write_at, os.fsync
    disk.write_at, os.fsync, os.fdatasync = write_at, fsync, fsync

    class Waiter(Reporter):
        def waiting(self, name):
            print("waiting", flush=True)

    def fetch(folder):
        store = Store(Path(folder) / "hub", Path(folder) / "home")
        loader = Downloader(store, Http(endpoint), patience=Patience(backoff_s=0), reporter=Waiter())
        file = ModelFile(path="tiny-Q8_0.gguf", size=int(size), sha256=digest)
        return loader.fetch(HubSource("acme/tiny-GGUF", revision), file)
"""

ONCE = """
    try:
        print(fetch(base), flush=True)
    except LmpmError as error:
        print(type(error).__name__, error.message)
        sys.exit(error.exit_code)
"""

LIMITED = """
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
"""

IN_RANGES = f"""
    from lmpm import limits
    for name, value in {SMALL_LIMITS}.items():
        setattr(limits, name, value)
"""

ROUNDS = """
    sys.addaudithook(hook)
    number = 0
    while True:
        number += 1
        child = os.fork()
        if child == 0:
            last = number
            try:
                fetch(f"{base}/{number}")
            except LmpmError as error:
                os._exit(error.exit_code)
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0 if step >= last else 100)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([number, status]), flush=True)
        if status == 100:  # there are no more steps
            break
"""


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


def child(site: Site, base: Path, script: str = ONCE, way: str = "kill") -> subprocess.Popen[str]:
    file = site.file
    return run_script(FETCH + script, site.hub.endpoint, base, site.source.revision, file.size, file.sha256, way)


def stray(root: Path) -> list[str]:
    """What lies in a store beside what a finished transfer leaves."""
    files = [path.relative_to(root) for path in root.rglob("*") if not path.is_dir()]
    return [str(path) for path in files if path.parts[0] != ".locks" and path.parts[1] not in ("snapshots", "blobs")]


@pytest.mark.parametrize("limits", ["", IN_RANGES], ids=["one stream", "ranges"])
@pytest.mark.parametrize(("way", "ends"), [("kill", {-signal.SIGKILL}), ("refuse", {0, 6})])
def test_21_23_stopped_at_every_step(hub: LoopbackHub, tmp_path: Path, way: str, ends: set[int], limits: str) -> None:
    """Killed, or refused by the system, at each operation on the disk; then a plain run over what is left."""
    first = Site(hub, tmp_path / "unused")
    hub.faults.add(faults.Throttle(6e6), "*.gguf")  # so that the file arrives in several pieces
    out, _ = child(first, tmp_path, limits + ROUNDS, way).communicate(timeout=300)
    results = [json.loads(line) for line in out.splitlines()]
    assert {status for _, status in results[:-1]} == ends, out
    assert results[-1][1] == 100, out
    assert len(results) > 15
    hub.faults.clear()
    resumed = 0
    for number, _ in results:
        site = Site(hub, tmp_path / str(number))
        assert not wrong_blobs(site.store.root)
        kept = site.kept()
        was_there = site.blob.exists()
        hub.reset_log()
        site.check(site.fetch())
        assert hub.bytes_sent("gguf") == (0 if was_there else SIZE - kept), number
        assert stray(site.store.root) == []
        assert JsonCache(site.store.home / "verified").usage().notes == 1
        resumed += 0 < kept < SIZE
    assert resumed >= 2


def test_21_killed_at_random_moments_again_and_again(hub: LoopbackHub, tmp_path: Path) -> None:
    """One store, killed from outside until the file is there: nothing is sent twice, nothing grows."""
    site = Site(hub, tmp_path, Generated(2_000_000, seed=4))
    hub.faults.add(faults.Stall(500_000), "*.gguf")  # never the whole file, however late the kill
    rng = random.Random(21)
    kept = kills = 0
    while kills < 3:
        hub.reset_log()
        process = child(site, tmp_path)
        site.until_sent(rng.randrange(50_000, 500_000))
        process.kill()
        process.communicate(timeout=30)
        kills += 1
        now = site.part.stat().st_size
        assert hub.requests.all("GET", "*.gguf")[0].range == (f"bytes={kept}-" if kept else None)
        assert now >= kept
        assert site.part.read_bytes() == site.content.read(0, now)
        assert [entry.name for entry in site.part.parent.iterdir()] == [site.part.name]
        kept = now
    hub.faults.clear()
    hub.reset_log()
    site.check(site.fetch())
    assert hub.bytes_sent("gguf") == 2_000_000 - kept


def test_22_ctrl_c_keeps_the_part(hub: LoopbackHub, tmp_path: Path) -> None:
    site = Site(hub, tmp_path)
    hub.faults.add(faults.Stall(200_000), "*.gguf", times=1)
    process = child(site, tmp_path)
    site.until_sent(200_000)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert out.startswith("TransferInterruptedError Interrupted. Kept ")
    kept = site.part.stat().st_size
    assert site.part.read_bytes() == WHOLE[:kept]
    hub.reset_log()
    site.check(site.fetch())
    assert site.ranges() == [f"bytes={kept}-"]


@pytest.mark.parametrize("limit", [0, 4096, 100_001])
def test_23_a_full_disk_keeps_what_fits(hub: LoopbackHub, tmp_path: Path, limit: int) -> None:
    """A limit on the size of files stands in for a full disk: the system refuses the write just so."""
    site = Site(hub, tmp_path)
    process = child(site, tmp_path, LIMITED.format(limit=limit) + ONCE)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 6, out
    assert out.startswith("DiskError Cannot write `")
    assert not site.blob.exists()
    kept = site.part.stat().st_size if site.part.exists() else 0
    assert kept <= limit
    assert kept == 0 or site.part.read_bytes() == WHOLE[:kept]
    hub.reset_log()
    site.check(site.fetch())
    assert hub.bytes_sent("gguf") == SIZE - kept


def test_23_a_disk_that_is_really_full(hub: LoopbackHub, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        site = Site(hub, small)
        process = child(site, small, "    from lmpm import limits\n    limits.FREE_SPACE_MARGIN_BYTES = -10**9" + ONCE)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 6, out
        assert "no space left" in out
        assert not site.blob.exists()
        assert 0 < site.part.stat().st_size < SIZE
        assert site.part.read_bytes() == WHOLE[: site.part.stat().st_size]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_26_two_processes_send_the_bytes_once(hub: LoopbackHub, tmp_path: Path) -> None:
    site = Site(hub, tmp_path)
    hub.faults.add(faults.Throttle(1e6), "*.gguf")
    first = child(site, tmp_path)
    site.until_sent(1)
    second = child(site, tmp_path)
    outs = [process.communicate(timeout=60)[0].splitlines() for process in (first, second)]
    assert outs[0] == [str(site.link)]
    assert outs[1][-1] == str(site.link)
    assert hub.count("GET", "*.gguf") == 1
    assert hub.bytes_sent("gguf") == SIZE
    site.check(site.link)


def test_27_who_waits_goes_on_when_the_holder_is_killed(hub: LoopbackHub, tmp_path: Path) -> None:
    site = Site(hub, tmp_path)
    hub.faults.add(faults.Stall(100_000), "*.gguf", times=1)
    first = child(site, tmp_path)
    site.until_sent(100_000)
    second = child(site, tmp_path)
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting\n"
    time.sleep(0.2)
    kept = site.part.stat().st_size
    first.kill()
    first.communicate(timeout=30)
    out, _ = second.communicate(timeout=60)
    assert out.splitlines() == [str(site.link)]
    assert kept > 0
    assert site.ranges() == [None, f"bytes={kept}-"]
    site.check(site.link)
