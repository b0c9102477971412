"""What a child may not do, tried in real processes on this kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from lmpm.engine import Engine, Files
from lmpm.engine.confinement import CALLS, Confinement, program
from lmpm.run_config import RunConfig
from tests.engine.conftest import LIMITS, STARTER

ROOT = Path(__file__).resolve().parents[2]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are of Linux")

TRIALS = {
    "reaches the network": "socket.create_connection(('127.0.0.1', 9), 1)",
    "asks a name server": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "speaks IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_STREAM)",
    "opens a raw socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "sends a datagram to the system's log": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "connects to a socket of the system": "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect('/run/x')",
    "forks": "os.fork()",
    "starts a program": "os.execv('/bin/true', ['true'])",
    "starts a program in a child": "subprocess.run(['/bin/true'])",
    "writes a file": "open(sys.argv[1], 'w')",
    "removes a file": "os.unlink(sys.argv[2])",
    "cuts a file": "os.truncate(sys.argv[2], 0)",
    "makes a folder": "os.mkdir(sys.argv[1])",
    "reads the parent's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "reads the parent's memory": "open(f'/proc/{os.getppid()}/mem', 'rb')",
    "ends the parent": "os.kill(os.getppid(), 0)",
    "takes shared memory": "mmap.mmap(-1, 1 << 20)",
    "takes a file in memory": "os.memfd_create('x')",
    "takes shared memory by name": "multiprocessing.shared_memory.SharedMemory(create=True, size=1 << 20)",
    "grows shared memory of others": "open(sys.argv[4], 'r+b').truncate(1 << 20)",
    "attaches shared memory of others": "call('shmat', 0, None, 0)",
    "takes a queue of messages": "call('msgget', 0, 0o1600)",
    "makes itself root of a namespace": "call('unshare', 0x10000000)",
}
ALLOWED_TO_LISTEN = "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[3]); s.listen()"


def attempt(trial: str, allowed: Confinement, *arguments: object) -> tuple[list[str], str]:
    """What holds a process that is confined so, and how it fares with a trial."""
    code = f"""
        import ctypes, json, mmap, multiprocessing.shared_memory, os, platform, socket, subprocess, sys, threading
        from lmpm.engine.confinement import CALLS
        from lmpm.engine.confinement import Confinement, confine
        held = confine(Confinement(listens={allowed.listens}, writable={tuple(allowed.writable)!r}))
        def call(name, *arguments):
            system = ctypes.CDLL(None, use_errno=True)
            if system.syscall(CALLS[platform.machine()][name], *arguments) < 0:
                raise OSError(ctypes.get_errno(), name)
        threading.Thread(target=print, args=("threads start",), kwargs={{"file": sys.stderr}}).start()
        try:
            {trial}
            how = "done"
        except PermissionError:
            how = "refused"
        print(json.dumps([held, how]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert "threads start" in done.stderr
    held, how = json.loads(done.stdout)
    return held, how


@linux_only
@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize("trial", TRIALS.values(), ids=TRIALS)
def test_a_confined_process_may_not(trial: str, listens: bool, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as shared:
        held, how = attempt(trial, Confinement(listens=listens), tmp_path / "new", victim, "", shared.name)
        assert Path(shared.name).stat().st_size == 0
    if len(held) < 2:
        pytest.skip(f"this kernel holds a process by {held or 'nothing'}")
    assert how == "refused"
    assert victim.read_text() == "precious"


@linux_only
def test_it_may_listen_where_it_was_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    allowed = Confinement(listens=True, writable=(os.fspath(folder),))
    assert attempt(ALLOWED_TO_LISTEN, allowed, "", "", folder / "l.sock")[1] == "done"
    held, how = attempt(ALLOWED_TO_LISTEN, allowed, "", "", tmp_path / "l.sock")
    assert how == "refused" or not held


@linux_only
def test_it_may_read_files_and_have_threads(tmp_path: Path) -> None:
    assert attempt("open('/etc/passwd').read()", Confinement())[1] == "done"


@linux_only
def test_the_child_of_a_session_is_held(engine: Engine) -> None:
    free = attempt("pass", Confinement())[0]
    with engine.open(Files(STARTER), RunConfig(context=256), LIMITS) as session:
        assert list(session.confined) == free
        status = Path(f"/proc/{session.process.model_pid}/status").read_text()
        if "seccomp" in free:
            assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("machine", CALLS)
def test_the_filter_is_well_formed(machine: str) -> None:
    for allowed in (Confinement(), Confinement(listens=True), Confinement(starts=True), Confinement(driver=True)):
        code = program(machine, allowed)
        lines = [code[at : at + 8] for at in range(0, len(code), 8)]
        assert len(code) % 8 == 0 and len(lines) < 256
        jumps = [(at, line[2], line[3]) for at, line in enumerate(lines) if line[0] in (0x15, 0x35)]
        assert all(at + 1 + max(yes, no) < len(lines) for at, yes, no in jumps)
        assert lines[-1][0] == 0x06
