"""The child of a session with a llama-server binary: starts it confined, waits until it is ready, ends with it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine import sandbox
from lmpm.engine.confinement import Confinement, confine
from lmpm.engine.http.client import Client, RefusedError
from lmpm.engine.worker import Listening

if TYPE_CHECKING:
    from collections.abc import Mapping

ASK_S: Final = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.01, 0.2


def prepare(_task: Mapping[str, Any]) -> None:
    """Nothing is imported: the binary is another program."""


def serve(task: Mapping[str, Any]) -> Listening:
    """Start the binary; its URL when it has loaded the model. Raises RuntimeError when it refuses it."""
    key_file = Path(task["folder"], "key")  # not an argument: those can be read by every user
    key_file.write_text(task["key"])
    port = _free_port()
    url = f"unix://{task['socket']}" if task["socket"] else f"http://127.0.0.1:{port}"
    place = ["--host", task["socket"] or "127.0.0.1", "--port", str(port), "--api-key-file", str(key_file)]
    parent = os.getpid()
    heard, said = os.pipe()

    def give_up_rights() -> None:
        sandbox.die_with_parent(parent)
        sandbox.limit_memory(task["memory_bytes"], task["mapped_bytes"], lambda: None)
        _limit_stack()
        held = confine(Confinement(listens=True, writable=(task["folder"],), starts=True, driver=task["driver"]))
        os.write(said, json.dumps(held).encode())

    process = subprocess.Popen(
        [*task["command"], *place],
        stdin=subprocess.DEVNULL,
        stdout=2,
        stderr=2,
        preexec_fn=give_up_rights if os.name == "posix" else None,
    )
    os.close(said)
    with open(heard, "rb") as answer:  # noqa: PTH123 - a descriptor is no path
        held = tuple(json.loads(answer.read() or b"[]"))
    ready = threading.Event()
    threading.Thread(target=_end_alike, args=(process, ready), daemon=True).start()
    client, wait_s = Client(url, task["key"]), FIRST_WAIT_S
    while process.poll() is None:
        try:
            client.ask("/health", None, ASK_S)
        except (OSError, RefusedError, http.client.HTTPException):
            time.sleep(wait_s)
            wait_s = min(wait_s * 1.5, LONGEST_WAIT_S)
            continue
        ready.set()
        return Listening(url, process.pid, held, task["build"])
    if process.returncode < 0:
        time.sleep(ASK_S)  # this process ends by the same signal
    raise RuntimeError(f"llama-server ended with exit code {process.returncode}")


def _end_alike(process: subprocess.Popen[bytes], ready: threading.Event) -> None:
    """End this process as the binary ended, so that the parent sees how."""
    code = process.wait()
    if code < 0:
        os.kill(os.getpid(), -code)
    elif ready.is_set():
        os._exit(code)


def _limit_stack() -> None:
    import resource  # POSIX only

    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (sandbox.STACK_BYTES, hard))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
