"""The parent's side of the child process: start it, bound it, watch it, end it, tell what happened."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.environment import child_environment, has_gpu_driver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.engine.protocol import EngineLimits

COMMAND: Final = (sys.executable, "-P", "-m", "lmpm.engine.native.child")  # -P: nothing is imported from the cwd
EXIT_GRACE_S: Final = 5.0  # between the answer of the child and its end
DRAIN_GRACE_S: Final = 1.0  # for its last messages after its end
POLL_S: Final = 0.25  # how late a Ctrl-C may be noticed where a wait cannot be interrupted
STEP_S: Final = 0.01  # between two looks at a child that is about to end
CHUNK_BYTES: Final = 64 * 1024
KEPT_LOG_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class Outcome:
    """How a child ended. `result` and `error` are its own words; both None: it did not get that far."""

    stage: str = "start"
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    returncode: int | None = None
    timed_out: bool = False
    flooded: bool = False  # it wrote more than may be kept
    log: str = field(default="")

    @property
    def answered(self) -> bool:
        """Whether the child said its last word."""
        return self.result is not None or self.error is not None


def run_child(job: Mapping[str, Any], limits: EngineLimits, *, command: Sequence[str] = COMMAND) -> Outcome:
    """Run one job in a child process and return how it ended; it is gone when this returns or raises.

    The job goes in as one JSON line on stdin, which then stays open: where the kernel cannot do it,
    its end tells the child that the parent died. Answers are JSON lines on stdout, messages are stderr.
    Raises OSError when the child cannot be started.
    """
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(os.environ),
        start_new_session=True,  # a group of its own: it is ended whole, and Ctrl-C reaches only us
    )
    outcome = Outcome()
    log = Tail(KEPT_LOG_BYTES)
    feeder = _start(
        _feed, child, json.dumps({**job, "parent": os.getpid(), "driver": has_gpu_driver()}).encode() + b"\n"
    )
    listener = _start(_listen, child, outcome, limits.output_bytes)
    reader = _start(_read_log, child, log)
    try:
        deadline = time.monotonic() + limits.time_s
        while listener.is_alive() and (left := deadline - time.monotonic()) > 0:
            listener.join(min(left, POLL_S))
        if listener.is_alive():
            outcome.timed_out = not outcome.answered
        elif not outcome.flooded:
            await_end(child, EXIT_GRACE_S)
    finally:
        end_child(child)
        outcome.returncode = child.wait()
        for thread in (feeder, listener, reader):
            thread.join(DRAIN_GRACE_S)
        _close(child, feeder, listener, reader)
    outcome.log = log.text()
    return outcome


def _start(target: Any, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def _feed(child: subprocess.Popen[bytes], line: bytes) -> None:
    assert child.stdin is not None  # noqa: S101
    with contextlib.suppress(OSError):  # the child ended: the listener will tell
        child.stdin.write(line)
        child.stdin.flush()


def _listen(child: subprocess.Popen[bytes], outcome: Outcome, limit: int) -> None:
    """Take the child's JSON lines until its last word, its end or the limit."""
    assert child.stdout is not None  # noqa: S101
    pending = b""
    while chunk := os.read(child.stdout.fileno(), CHUNK_BYTES):
        limit -= len(chunk)
        if limit < 0:
            outcome.flooded = True
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            _take(line, outcome)
        if outcome.answered:
            return


def _take(line: bytes, outcome: Outcome) -> None:
    try:
        event = json.loads(line)
    except ValueError:
        return  # not ours: nothing else should write here, and nothing that does is believed
    if not isinstance(event, dict):
        return
    if isinstance(event.get("stage"), str):
        outcome.stage = event["stage"]
    if isinstance(event.get("error"), dict):
        outcome.error = event["error"]
    elif isinstance(event.get("result"), dict):
        outcome.result = event["result"]


class Tail:
    """The last bytes of a stream."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._chunks: deque[bytes] = deque()
        self._length = 0

    def add(self, chunk: bytes) -> None:
        """Take more of the stream."""
        self._chunks.append(chunk)
        self._length += len(chunk)
        while self._length - len(self._chunks[0]) >= self._size:
            self._length -= len(self._chunks.popleft())

    def text(self) -> str:
        """What is kept of it."""
        return b"".join(tuple(self._chunks))[-self._size :].decode("utf-8", "replace")


def _read_log(child: subprocess.Popen[bytes], log: Tail) -> None:
    assert child.stderr is not None  # noqa: S101
    while chunk := os.read(child.stderr.fileno(), CHUNK_BYTES):
        log.add(chunk)


def is_running(child: subprocess.Popen[bytes]) -> bool:
    """Whether a child has not ended yet. One that has is left to be waited for: its group keeps its number so long."""
    if child.returncode is not None:
        return False
    if not hasattr(os, "waitid"):
        return child.poll() is None
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:  # another thread has waited for it
        return False


def await_end(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until a child has ended, or the time is over."""
    deadline = time.monotonic() + seconds
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(STEP_S)


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Kill a child with its group: what it started outlives it otherwise, also where it has ended by itself."""
    if child.returncode is not None:
        return
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()


def _close(child: subprocess.Popen[bytes], *threads: threading.Thread) -> None:
    """Close the pipes whose threads are done; one that still waits keeps its pipe and ends with it."""
    for pipe, thread in zip((child.stdin, child.stdout, child.stderr), threads, strict=True):
        if pipe is not None and not thread.is_alive():
            with contextlib.suppress(OSError):
                pipe.close()
