"""Models for the front's tests: the real starter and tiny real models in xllamacpp, and the paced fake engine."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

from lmpm.engine import EngineLimits, Files, Service
from lmpm.engine.adapters.xllamacpp import XLlamaCpp
from lmpm.errors import EngineError
from lmpm.run_config import RunConfig
from lmpm.server import Running
from lmpm.server.running import SessionRunning
from lmpm.server.wire import Kind

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"


class Base:
    """What every deployment of the tests has; `opened` counts its starts."""

    def __init__(
        self, name: str, *, task: str | None = "chat", kind: Kind = "text", slots: int = 2, need: int = 100
    ) -> None:
        self.name, self.task, self.kind, self.slots, self.need = name, task, kind, slots, need
        self.is_spare = False
        self.title, self.context = f"{name} Q8_0", 256
        self.identity: Hashable = name
        self.opened = 0
        self.running: list[Any] = []

    def facts(self) -> Mapping[str, Any]:
        return {}

    def adapt(self, path: str, body: dict[str, Any], *, plain: bool = True) -> dict[str, Any]:
        return body

    def is_here(self) -> bool:
        return True

    def bring(self, progress: Callable[[int, int], None]) -> None:
        raise AssertionError("nothing is missing")

    def open(self) -> Running:
        self.opened += 1
        running: Running = self._open()
        self.running.append(running)
        return running

    def _open(self) -> Any:
        raise NotImplementedError

    def kill(self) -> None:
        """End the newest process as the kernel would."""
        self.running[-1].kill()


class Real(Base):
    """A real file in xllamacpp."""

    def __init__(
        self, name: str, file: Path = STARTER, *, context: int = 512, embeddings: bool = False, **more: Any
    ) -> None:
        super().__init__(name, **more)
        self.file, self.context, self.embeddings = file, context, embeddings

    def _open(self) -> Any:
        config = RunConfig(context=self.context * self.slots, sequences=self.slots, embeddings=self.embeddings)
        service = Service(chats=not self.embeddings, alias=self.name)
        return _Real(XLlamaCpp().open(Files(self.file), config, EngineLimits(time_s=60), service))


class _Real(SessionRunning):
    def kill(self) -> None:
        os.kill(self._process.pid, 9)


class Fake(Base):
    """The fake engine in a process of its own."""

    def __init__(
        self, name: str, *, tokens: int = 16, interval_s: float = 0.004, load_s: float = 0.0, **more: Any
    ) -> None:
        super().__init__(name, **more)
        self.tokens, self.interval_s, self.load_s = tokens, interval_s, load_s
        self.broken = ""  # why it does not load

    def _open(self) -> Any:
        time.sleep(self.load_s)
        if self.broken:
            raise EngineError(self.broken)
        return _Fake(self.tokens, self.interval_s)


class _Fake:
    def __init__(self, tokens: int, interval_s: float) -> None:
        self._folder = tempfile.mkdtemp(prefix="lmpm-fake-")
        self.key = secrets.token_hex(8)
        socket = f"{self._folder}/l.sock"
        self.url = f"unix://{socket}"
        command = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]
        self._child = subprocess.Popen(
            [*command, socket, self.key, str(tokens), str(interval_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._child.stdout is not None and self._child.stdout.readline() == b"ready\n"
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        return self._child.pid

    def is_alive(self) -> bool:
        return self._child.poll() is None

    def properties(self) -> Mapping[str, Any]:
        return {"modalities": {"vision": False}}

    def kill(self) -> None:
        self._child.kill()

    def close(self) -> None:
        with self._lock:
            self._child.kill()
            self._child.wait()
            shutil.rmtree(self._folder, ignore_errors=True)
