"""The parent's side of a session's child: start it, know when it is ready, why it ended, and see that it is gone."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine import sandbox
from lmpm.engine.environment import child_environment
from lmpm.engine.failure import failure
from lmpm.engine.http.client import Client
from lmpm.engine.process import (
    CHUNK_BYTES,
    EXIT_GRACE_S,
    KEPT_LOG_BYTES,
    POLL_S,
    Outcome,
    Tail,
    await_end,
    end_child,
    is_running,
)
from lmpm.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.engine.protocol import EngineLimits

COMMAND: Final = (sys.executable, "-P", "-m", "lmpm.engine.worker")  # -P: nothing is imported from the cwd
SOCKET_NAME: Final = "l.sock"  # llama-server takes a name that ends so for a path
MAX_SOCKET_PATH: Final = 100  # bytes; sockaddr_un holds 104 on macOS, 108 on Linux
FIGURE_S: Final = 2.0  # for the child to say how much memory it took
LOG_S, LOG_STEP_S = 0.5, 0.01
BUFFER_LINE: Final = re.compile(r"(\S+) +(?:(\S+) +)?buffer size = +([0-9.]+) MiB")
MAX_BUFFERS: Final = 64

_spawner: ThreadPoolExecutor | None = None


def _spawn(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a child from one thread that lives as long as this process.

    Linux ends a child when the *thread* that started it ends, and a session may outlive the thread that opened it.
    """
    global _spawner
    if _spawner is None:
        _spawner = ThreadPoolExecutor(1, "lmpm-spawn")
    return _spawner.submit(_start, command).result()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(os.environ),
        start_new_session=True,  # a group of its own: it is ended whole, and Ctrl-C reaches only us
    )


def forget_spawner() -> None:
    """After a fork: the thread is in the other process."""
    global _spawner
    _spawner = None


class ServerProcess:
    """A child that serves one model. Ready when the constructor returns; raises EngineError when it does not load."""

    def __init__(
        self, task: Mapping[str, Any], path: str, limits: EngineLimits, *, command: Sequence[str] = COMMAND
    ) -> None:
        self._path, self._limits = path, limits
        self.key = secrets.token_hex(16)
        self.folder = _private_folder()
        self._outcome = Outcome()
        self._log = Tail(KEPT_LOG_BYTES)
        self._buffers: list[tuple[str, int]] = []
        self._figures: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._answered = threading.Event()
        self._lock = threading.Lock()
        self.url = ""
        self.model_pid: int | None = None
        self.confined: tuple[str, ...] = ()
        self.build = ""
        job = {
            **task,
            "parent": os.getpid(),
            "folder": self.folder,
            "socket": os.path.join(self.folder, SOCKET_NAME) if os.name == "posix" else None,  # noqa: PTH118
            "key": self.key,
            "memory_bytes": limits.memory_bytes,
        }
        began = time.perf_counter()
        try:
            self._child = _spawn(command)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise EngineError(f"llama.cpp's process cannot be started: {error.strerror or error}") from error
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._read_log)]
        for thread in self._threads:
            thread.start()
        atexit.register(self._close_at_exit, os.getpid())  # also while it loads in a thread that no exit waits for
        self._write(json.dumps(job).encode())
        try:
            self._wait_until_ready(limits.time_s)
        except BaseException:
            self.close()
            raise
        self.load_s = time.perf_counter() - began

    @property
    def client(self) -> Client:
        """What speaks to it."""
        return Client(self.url, self.key)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._child.pid

    @property
    def buffers(self) -> tuple[tuple[str, int], ...]:
        """llama.cpp's buffers in bytes, as its log names them. The log may come a little later than the answers."""
        deadline = time.monotonic() + LOG_S
        while not any(name.endswith("compute") for name, _ in self._buffers) and self.is_alive:
            if time.monotonic() > deadline:
                break
            time.sleep(LOG_STEP_S)
        return tuple(self._buffers)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return is_running(self._child)

    def peak_memory(self) -> int | None:
        """The highest resident size of the process that holds the model; None where nobody says."""
        if sys.platform == "linux":
            return sandbox.peak_memory(self.model_pid)
        if self.model_pid != self._child.pid or not self._write(b"memory"):
            return None
        try:
            return self._figures.get(timeout=FIGURE_S)
        except queue.Empty:
            return None

    def failure(self, stage: str = "run", *, timed_out_s: float | None = None) -> EngineError:
        """Why it ended, or, after a limit of time was over, that it was stopped. It is gone afterwards."""
        if timed_out_s is None:
            await_end(self._child, EXIT_GRACE_S)
        self.close()
        self._outcome.stage = stage
        self._outcome.timed_out = timed_out_s is not None
        return self._explained()

    def close(self) -> None:
        """End it, and all that it started."""
        with self._lock:
            end_child(self._child)
            self._outcome.returncode = self._child.wait()
            for thread in self._threads:
                thread.join(EXIT_GRACE_S)
            self.let_go()
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self._close_at_exit)
        self._outcome.log = self._log.text()

    def _close_at_exit(self, owner: int) -> None:
        if os.getpid() == owner:  # and not in a process that was forked off
            self.close()

    def let_go(self) -> None:
        """Close the pipes: what a forked process must do with those of its parent."""
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _explained(self) -> EngineError:
        return failure(self._outcome, self._path, self._limits)

    def _wait_until_ready(self, time_s: float) -> None:
        deadline = time.monotonic() + time_s
        while not self._answered.wait(min(POLL_S, max(deadline - time.monotonic(), 0))):
            if time.monotonic() >= deadline:
                self._outcome.timed_out = True
                break
        if self.url:
            return
        if not self._outcome.timed_out:
            await_end(self._child, EXIT_GRACE_S)
        self.close()
        raise self._explained()

    def _write(self, line: bytes) -> bool:
        try:
            assert self._child.stdin is not None  # noqa: S101
            self._child.stdin.write(line + b"\n")
            self._child.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def _listen(self) -> None:
        """Take the child's JSON lines until it is gone."""
        assert self._child.stdout is not None  # noqa: S101
        left, pending = self._limits.output_bytes, b""
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._child.stdout.fileno(), CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    self._outcome.flooded = True
                    break
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    self._take(line)
        self._answered.set()

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return  # nothing else should write here, and nothing that does is believed
        if not isinstance(event, dict):
            return
        if isinstance(event.get("stage"), str):
            self._outcome.stage = event["stage"]
        if "peak_memory" in event:
            self._figures.put(event["peak_memory"])
        if isinstance(event.get("error"), dict):
            self._outcome.error = event["error"]
            self._answered.set()
        elif isinstance(event.get("ready"), str):
            self.url, self.model_pid = event["ready"], event.get("pid")
            self.confined, self.build = tuple(event.get("confined", ())), str(event.get("build") or "")
            self._answered.set()

    def _read_log(self) -> None:
        assert self._child.stderr is not None  # noqa: S101
        pending = b""
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._child.stderr.fileno(), CHUNK_BYTES):
                self._log.add(chunk)
                *lines, pending = (pending + chunk)[-2 * CHUNK_BYTES :].split(b"\n")
                for line in lines:
                    self._note_buffer(line)

    def _note_buffer(self, line: bytes) -> None:
        if b"buffer size" not in line or len(self._buffers) >= MAX_BUFFERS:
            return
        if found := BUFFER_LINE.search(line.decode("utf-8", "replace")):
            name = " ".join(filter(None, found.group(1, 2)))
            self._buffers.append((name, int(float(found[3]) * 1024 * 1024)))


def _private_folder() -> str:
    """A folder that only this user may enter, whose path is short enough for a socket in it."""
    folder = tempfile.mkdtemp(prefix="lmpm-")
    if os.name == "posix" and len(os.fsencode(folder)) + 1 + len(SOCKET_NAME) > MAX_SOCKET_PATH:
        shutil.rmtree(folder, ignore_errors=True)
        folder = tempfile.mkdtemp(prefix="lmpm-", dir="/tmp")
    return folder
