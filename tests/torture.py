"""Installs that are killed, cut off and starved of disk, round after round, and what must hold after each.

A round has a Hub with a model of its own. `lmpm install` runs in a process of its own and meets what chance has in
store: SIGKILL at a random byte or moment, faults of the server, a disk that takes no more. Then:

- every name in the store hashes to itself, and what a part claims to hold is true;
- the lock parses;
- the same command again, without any fault, succeeds, and fetches exactly what was missing;
- no file is left that a round without faults would not leave.
"""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from lmpm import limits
from lmpm.fs import disk
from lmpm.project.lock.file import load_lock
from tests.gguf_files import write_bert
from tests.loopback import Content, LoopbackHub, Repeated, faults
from tests.loopback.content import Overlay
from tests.loopback.demo import _meanings
from tests.transfers import SMALL_LIMITS, claimed

HEADER_RANGE: Final = f"bytes=0-{limits.HEADER_PREFIX_BYTES - 1}"  # asked for when choosing, not when fetching
PRELOADED: Final = (  # once, for all the processes of a run
    *(
        "tests.torture",
        "lmpm.cli.commands.install",
        "lmpm.store.fetch",
        "lmpm.project.lock.ladder",
        "lmpm.resolver.resolver",
        "lmpm.store.transfer.downloader",
    ),
    *("filelock", "huggingface_hub.hf_api", "requests", "tomlkit"),
)
ROUNDS_OF_A_STORE: Final = 25  # then an empty one, so that a long run does not fill the disk
ENDINGS: Final = frozenset({0, 3, 4, 5, 6, 9, 130})  # of a faulty run that was not killed: words, never a crash


@dataclass(frozen=True)
class Blow:
    """What hits one install. Plain data, since it crosses to another process."""

    kill_at: int | None = None  # bytes of the file that the Hub has sent
    kill_after: float | None = None  # as a share of how long a run takes
    full_at: int | None = None  # bytes that a file may have at most
    refuse_at: int | None = None  # the write of this number meets a full disk

    @property
    def kills(self) -> bool:
        return self.kill_at is not None or self.kill_after is not None


@dataclass
class Tally:
    """What happened in all rounds."""

    rounds: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    size: int = 0  # bytes of the models
    resumed: int = 0  # bytes that the second run found
    claimed_less: int = 0  # bytes that had been sent and were fetched again
    resumes: int = 0  # rounds in which something was resumed


class Torture:
    """Rounds against one Hub; a seed makes the choices the same, though not the moments."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.tally = Tally()
        self.usual_s = 1.0  # how long a run takes that nothing hits
        with tempfile.TemporaryDirectory() as place:
            path = write_bert(Path(place, "m.gguf"), quant="Q8_0", meanings=_meanings())
            self.model = path.read_bytes()
        self.hub = LoopbackHub()
        self.processes = multiprocessing.get_context("forkserver")
        self.processes.set_forkserver_preload([*PRELOADED])

    def __enter__(self) -> Self:
        self.hub.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.hub.__exit__(*exc)

    @property
    def base(self) -> Path:
        return self.folder / str(self.tally.rounds // ROUNDS_OF_A_STORE)

    @property
    def store(self) -> Path:
        return self.base / "hf" / "hub"

    @property
    def project(self) -> Path:
        return self.base / "project"

    def round(self) -> None:
        """One round. Raises AssertionError with everything there is to know."""
        if not self.project.exists():
            self.project.mkdir(parents=True)
            previous = self.folder / str(self.tally.rounds // ROUNDS_OF_A_STORE - 1)
            shutil.rmtree(previous, ignore_errors=True)
        number = self.tally.rounds
        content = self._content(number)
        repo, name = f"maker/round-{number}-GGUF", f"round-{number}-Q8_0.gguf"
        self.hub.state.repositories.clear()
        self.hub.add_repo(repo, {name: content}, card_data={"license": "mit"})
        blow, told = self._blow(content.size), self._faults(content.size)
        story = f"round {number}: {content.size:,} bytes, {blow}, faults: {', '.join(told) or 'none'}"
        try:
            self._play(repo, content, blow, damaging="bit" in told)
        except AssertionError as error:
            words = (self.base / "words").read_text("utf-8", "replace")
            raise AssertionError(f"{story}\n{error}\n{self.hub.requests}\n{words}") from error
        self.tally.rounds += 1

    def _play(self, repo: str, content: Content, blow: Blow, *, damaging: bool) -> None:
        self.hub.reset_log()
        code = self._install(repo, content, blow)
        self.tally.endings["killed" if code == -9 else f"exit {code}"] += 1
        assert code in ENDINGS or (blow.kills and code == -9), f"the faulty run ended with {code}"
        self._check_store()
        try:
            kept = self._kept(content)
        except AssertionError:
            # what was damaged on the way and then cut off is found by the hash, at the end of the next run
            if not damaging:
                raise
            kept = None
        sent = self._sent(content.size)
        self.hub.faults.clear()
        self.hub.reset_log()
        code = self._install(repo, content, Blow())
        assert code == 0, f"the plain run ended with {code}"
        fetched = self._sent(content.size)
        self._check_store()
        self._check_finished(content)
        self.tally.size += content.size
        if kept is None:
            assert content.size <= fetched <= 2 * content.size, f"{fetched:,} of {content.size:,} bytes fetched"
            return
        assert fetched == content.size - kept, f"{fetched:,} bytes fetched, with {kept:,} of {content.size:,} there"
        self.tally.resumed += kept
        self.tally.resumes += 0 < kept < content.size
        self.tally.claimed_less += max(0, min(sent, content.size) - kept)

    # -- what chance has in store ------------------------------------------------

    def _content(self, number: int) -> Content:
        """A model that can be read, unlike every other, large enough for ranges or just too small."""
        padding = self.random.choice([40_000, 400_000, 900_000, 1_500_000])
        whole = Repeated(self.model, b"padding ", padding // 8)
        return Overlay(whole, len(self.model), f"{number:08}".encode())

    def _blow(self, size: int) -> Blow:
        match self.random.choices(["byte", "moment", "full", "refused", "none"], [45, 25, 10, 10, 10])[0]:
            case "byte":
                return Blow(kill_at=self.random.randrange(1, size))
            case "moment":
                return Blow(kill_after=self.random.random())
            case "full":
                return Blow(full_at=self.random.randrange(100, size + 20_000))
            case "refused":
                return Blow(refuse_at=self.random.randrange(1, 40))
        return Blow()

    def _faults(self, size: int) -> list[str]:
        """Script some faults of the server; what they are, in words."""
        at = self.random.randrange(size)
        known: dict[str, faults.Fault] = {
            "reset": faults.reset(self.random.randrange(60_000)),
            "short body": faults.short_body(self.random.randrange(60_000), framing="close"),
            "503": faults.Status(503),
            "429": faults.Status(429),
            "no answer": faults.NoAnswer("reset"),
            "bit": faults.FlipBit(at),
            "no ranges": faults.IgnoreRange(),
            "wrong range": faults.WrongRange(f"bytes 7-{size - 1}/{size}"),
            "page": faults.HTML_PAGE,
            "surplus": faults.Extra(5),
        }
        self.hub.faults.clear()
        self.hub.faults.add(faults.Throttle(self.random.choice([0.5e6, 1e6, 4e6])), "*/resolve/*")
        told = self.random.sample([*known], self.random.choice([0, 0, 1, 1, 2, 3]))
        for name in told:
            times, skip = self.random.randint(1, 6), self.random.randint(1, 8)
            self.hub.faults.add(known[name], "*/resolve/*", times=times, skip=skip)
        return told

    # -- runs --------------------------------------------------------------------

    def _install(self, repo: str, content: Content, blow: Blow) -> int:
        """One `lmpm install` in a process of its own; how it ended."""
        arguments = ["install", repo, "--task", "embeddings", "--name", "model", "--no-smoke", "-c", "256"]
        arguments += ["--hardware", "CPU, 4 cores, 8GB"]
        environment = {
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(self.base / "hf"),
            "LMPM_HOME": str(self.base / "home"),
            "LMPM_RETRY_BASE": "0",
            "HOME": str(self.base),
        }
        child = self.processes.Process(
            target=install, args=(arguments, environment, self.project, self.base / "words", blow)
        )
        child.start()
        began = time.monotonic()
        while child.is_alive():
            late = blow.kill_after is not None and time.monotonic() - began >= blow.kill_after * self.usual_s
            if late or (blow.kill_at is not None and self._sent(content.size) >= blow.kill_at):
                child.kill()
            assert time.monotonic() - began < 120, "it does not end"
            child.join(0.002)
        code = child.exitcode
        child.close()
        if blow == Blow():
            self.usual_s = time.monotonic() - began
        return int(code if code is not None else -1)

    def _sent(self, size: int) -> int:
        """Bytes of the file that were sent to be kept; those for its header are not."""
        requests = self.hub.requests.all("GET", "*/resolve/*")
        return sum(min(request.sent, size) for request in requests if request.range != HEADER_RANGE)

    # -- what must hold ----------------------------------------------------------

    def _check_store(self) -> None:
        for blob in self.store.glob("models--*/blobs/*"):
            if "." not in blob.name:
                assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, f"{blob} is wrong"
        lock = self.project / "lmpm.lock"
        if lock.exists():
            load_lock(lock)

    def _kept(self, content: Content) -> int:
        """What is there of the file, checked byte by byte."""
        size, sha256 = content.size, content.sha256
        if any(self.store.glob(f"models--*/blobs/{sha256}")):
            return size
        return sum(claimed(part, content) for part in self.store.glob(f"models--*/blobs/{sha256}.*"))

    def _check_finished(self, content: Content) -> None:
        locked = load_lock(self.project / "lmpm.lock").models
        assert [model.name for model in locked] == ["model"]
        assert locked[0].candidates[0].files[0].sha256 == content.sha256
        assert sorted(path.name for path in self.project.iterdir()) == ["lmpm.lock", "lmpm.toml"]
        rounds = self.tally.rounds % ROUNDS_OF_A_STORE + 1
        files = Counter(
            path.relative_to(self.store).parts[1] for path in self.store.glob("models--*/**/*") if not path.is_dir()
        )
        assert files == {"blobs": rounds, "snapshots": rounds, "refs": rounds}, f"{dict(files)} after {rounds} rounds"


def install(arguments: list[str], environment: dict[str, str], directory: Path, words: Path, blow: Blow) -> None:
    """Run lmpm in this process, which is one of its own, and end it."""
    from lmpm.cli import run

    for name, value in SMALL_LIMITS.items():
        setattr(limits, name, value)
    os.environ.update(environment)
    os.chdir(directory)
    log = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if blow.full_at is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (blow.full_at, blow.full_at))
    if blow.refuse_at is not None:
        _refuse(blow.refuse_at)
    os._exit(run(arguments))


def _refuse(number: int) -> None:
    """Let the disk be full from this write on, a half of which still fits."""
    real, left = disk.write_at, number

    def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            real(descriptor, data[: len(data) // 2], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor, data, offset)

    disk.write_at = write_at
