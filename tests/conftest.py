"""What all tests share: an environment of their own, a Hub on loopback, and the command line as users run it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from lmpm.project.environment import CERTIFICATES

ROOT: Final = Path(__file__).resolve().parents[1]
FOREIGN: Final = ("HF_", "LMPM_", "HUGGINGFACE_", "HUGGING_FACE_", "XDG_")
FOREIGN_NAMES: Final = frozenset({"NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS"} | {*CERTIFICATES})


def _clear(environment: dict[str, str] | os._Environ[str]) -> None:
    """Take out what a developer's machine may say about Hubs, stores, proxies, certificates and colours."""
    for name in list(environment):
        if name.startswith(FOREIGN) or name in FOREIGN_NAMES or name.lower().endswith("_proxy"):
            del environment[name]


# Before any test imports huggingface_hub, which reads these once: no token of the developer is used.
_clear(os.environ)
os.environ["HF_TOKEN_PATH"] = os.fspath(ROOT / "tests" / "no-token-is-here")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# A shell lets its background jobs, and all that they start, ignore Ctrl-C: the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True, slots=True)
class Result:
    """How a call of lmpm ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout, checked to be alone and of this schema."""
        found = json.loads(self.out)
        assert found["schema"] == 1
        return found

    def failed(self, code: int, *words: str) -> Result:
        """Assert the exit code and that the message has these words, and no traceback."""
        assert self.code == code, self
        assert "Traceback" not in self.err, self.err
        assert self.err.startswith("error:") or "\nerror:" in self.err, self.err
        for word in words:
            assert word in self.err, f"{word!r} is not in: {self.err}"
        return self

    def passed(self) -> Result:
        """Assert success."""
        assert self.code == 0, self
        assert "Traceback" not in self.err, self.err
        return self


@dataclass
class Cli:
    """lmpm in a project directory, with a store and a home of its own."""

    directory: Path
    environment: dict[str, str]

    @property
    def store(self) -> Path:
        return Path(self.environment["HF_HOME"]) / "hub"

    @property
    def manifest(self) -> Path:
        return self.directory / "lmpm.toml"

    @property
    def lock(self) -> Path:
        return self.directory / "lmpm.lock"

    def blobs(self) -> list[Path]:
        """The verified files of the store."""
        return [path for path in self.store.glob("models--*/blobs/*") if "." not in path.name]

    def parts(self) -> list[Path]:
        """What interrupted transfers left."""
        return list(self.store.glob("models--*/blobs/*.incomplete"))

    def run(self, *arguments: object, timeout: float = 60, **more: str) -> Result:
        """Run lmpm in a process of its own."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: object, **more: str) -> subprocess.Popen[str]:
        """Start lmpm and return at once."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def call(self, *arguments: object, **more: str) -> Result:
        """Run lmpm in this process, which is quicker."""
        from lmpm.cli import run

        out, err = io.StringIO(), io.StringIO()
        handler = signal.getsignal(signal.SIGTERM)
        with _environment({**self.environment, **more}), contextlib.chdir(self.directory):
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    code = run([str(argument) for argument in arguments])
            finally:
                signal.signal(signal.SIGTERM, handler)
        return Result(code, out.getvalue(), err.getvalue())

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "lmpm", *map(str, arguments)]

    def at_terminal(self, *arguments: str, typed: bytes = b"", more: Mapping[str, str] | None = None) -> bytes:
        """What lmpm writes to a terminal of 80 columns where this is typed; POSIX only."""
        import fcntl
        import pty
        import termios

        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {**self.environment, "TERM": "xterm", **(more or {})}
        with subprocess.Popen(
            self.command(*arguments), cwd=self.directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        ):
            os.close(theirs)
            os.write(ours, typed)
            shown = b""
            try:
                while piece := os.read(ours, 65536):
                    shown += piece
            except OSError:  # how Linux says that the other end is closed
                pass
        os.close(ours)
        return shown

    def beside(self, name: str, *, empty_store: bool = False) -> Cli:
        """Another project of the same user, or of another one with an empty store."""
        directory = self.directory.parent / name
        directory.mkdir()
        changes = {key: f"{self.environment[key]}-{name}" for key in ("HF_HOME", "LMPM_HOME")} if empty_store else {}
        return Cli(directory, {**self.environment, **changes})

    def clone(self, name: str = "clone") -> Cli:
        """What a colleague has after `git clone`: both files, and a store with nothing in it."""
        other = self.beside(name, empty_store=True)
        for path in (self.manifest, self.lock):
            if path.exists():
                (other.directory / path.name).write_bytes(path.read_bytes())
        return other


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """lmpm with an empty project, store and home; its Hub is a port where nobody answers."""
    directory = tmp_path / "project"
    directory.mkdir()
    environment = dict(os.environ)
    _clear(environment)
    environment |= {
        "HOME": os.fspath(tmp_path),
        "HF_HOME": os.fspath(tmp_path / "hf"),
        "HF_TOKEN_PATH": os.environ["HF_TOKEN_PATH"],
        "LMPM_HOME": os.fspath(tmp_path / "state"),
        "LMPM_RETRY_BASE": "0",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "PYTHONPATH": os.fspath(ROOT),
    }
    return Cli(directory, environment)


@pytest.fixture
def here(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The project and environment of `cli` as those of this process."""
    for name in [name for name in os.environ if name not in cli.environment]:
        monkeypatch.delenv(name)
    for name, value in cli.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(cli.directory)
    return cli


@pytest.fixture(scope="session")
def demo() -> Iterator[Any]:
    """The catalog's repositories on loopback, with small stand-ins behind their file names."""
    from tests.loopback import LoopbackHub
    from tests.loopback.demo import add_demo_repositories

    with LoopbackHub() as hub:
        add_demo_repositories(hub)
        yield hub


@pytest.fixture
def hub(demo: Any, cli: Cli) -> Iterator[Any]:
    """The demo Hub, unharmed and with an empty log; `cli` asks it."""
    demo.faults.clear()
    demo.reset_log()
    cli.environment["HF_ENDPOINT"] = demo.endpoint
    yield demo
    demo.faults.clear()
