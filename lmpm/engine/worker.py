"""The child process of a session: it serves one model over llama-server's HTTP until the parent is done with it.

The first line on stdin is the task as JSON; later lines ask for a figure; its end is the end of this process.
What this process says goes out as JSON lines: stages, then `ready` with the URL, or `error`.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from lmpm.engine import sandbox
from lmpm.engine.confinement import Confinement, confine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

LAST_WORDS_S: Final = 0.1  # for the thread that writes llama-server's log: it has the reason
SERVERS: Final = {
    "xllamacpp": "lmpm.engine.adapters.xllamacpp_worker",
    "llama-server": "lmpm.engine.adapters.llama_server_worker",
    "llama-cpp-python": "lmpm.engine.native.server",
}


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that is ready: its URL, the process that holds the model, and the llama.cpp in it.

    `confined` says what holds that process where it is another than this one.
    """

    url: str
    pid: int
    confined: tuple[str, ...] = ()
    build: str = ""


class Server(Protocol):
    """What a module of SERVERS has."""

    def prepare(self, task: Mapping[str, Any], /) -> None:
        """Import what is needed, before the process gives up its rights."""

    def serve(self, task: Mapping[str, Any]) -> Listening:
        """Load the model and listen."""


def main() -> None:
    """Serve until stdin closes."""
    voice = _Voice(sandbox.private_output())
    task = json.loads(sys.stdin.buffer.readline())
    sandbox.die_with_parent(task["parent"])
    sandbox.limit_stacks()
    held: tuple[str, ...] = ()
    try:
        voice.say(stage="import")
        server: Server = importlib.import_module(SERVERS[task["engine"]])
        server.prepare(task)
        if not task["supervises"]:
            held = confine(Confinement(listens=True, writable=(task["folder"],), driver=task["driver"]))
            sandbox.limit_memory(
                task["memory_bytes"], task["mapped_bytes"], lambda: voice.say(error={"kind": "memory", "message": ""})
            )
        sandbox.watch_parent(lambda _: voice.say(peak_memory=sandbox.peak_memory()))
        voice.say(stage="load")
        found = server.serve(task)
        voice.say(ready=found.url, pid=found.pid, confined=held or found.confined, build=found.build)
    except MemoryError:
        voice.say(error={"kind": "memory", "message": ""})
        sandbox.end_group()
    except Exception as error:  # noqa: BLE001 - every failure is an answer
        kind = getattr(error, "kind", "import" if isinstance(error, ImportError) else "load")
        time.sleep(LAST_WORDS_S)
        voice.say(error={"kind": kind, "message": f"{error}" or type(error).__name__})
        sandbox.end_group()
    threading.Event().wait()


class _Voice:
    """The way out to the parent, one line at a time from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def say(self, **event: object) -> None:
        with self._lock:
            self._stream.write(json.dumps(event).encode() + b"\n")
            self._stream.flush()


if __name__ == "__main__":
    from lmpm.engine.worker import main as run  # the module that servers import, not a second one of this name

    run()
