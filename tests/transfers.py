"""A real Downloader before a loopback Hub, with a real Store in a folder of the test."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any, Final

from lmpm.hub.http import Http
from lmpm.hub.patience import Patience
from lmpm.reporter import Reporter
from lmpm.store.cache import Store
from lmpm.store.transfer import journal
from lmpm.store.transfer.downloader import Downloader
from lmpm.types import HubSource, ModelFile
from tests.loopback import Content, Generated, LoopbackHub

REPO: Final = "acme/tiny-GGUF"
PATH: Final = "tiny-Q8_0.gguf"
SIZE: Final = 300_000
MODEL: Final = Generated(SIZE, seed=5)
WHOLE: Final = MODEL.read(0, SIZE)
SMALL_LIMITS: Final = {  # under which such small files are fetched in ranges, in the proportions of the real ones
    "SPLIT_BYTES": 200_000,
    "PIECE_LEAST_BYTES": 30_000,
    "PIECE_MOST_BYTES": 120_000,
    "JOURNAL_STEP_BYTES": 20_000,
    "SYNC_STEP_BYTES": 100_000,
    "GAUGE_ALONE_S": 0.0,
    "GAUGE_WINDOW_S": 0.1,
    "ENOUGH_BYTES_PER_S": 10**18,
}


class Recorder(Reporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.tries_left: list[int] = []
        self.restarts: list[str] = []
        self.hashed: list[str] = []
        self.finishes: list[str] = []
        self.reuses: list[str] = []
        self.waits: list[str] = []
        self.at = 0

    def started(self, name: str, size: int, kept: int) -> None:
        self.kept.append(kept)
        self.at = kept

    def advanced(self, name: str, count: int) -> None:
        self.at += count

    def waiting(self, name: str) -> None:
        self.waits.append(name)

    def retrying(self, name: str, why: str, wait_s: float, tries_left: int) -> None:
        self.tries_left.append(tries_left)

    def restarted(self, name: str, why: str) -> None:
        self.restarts.append(why)

    def hashing(self, name: str, size: int) -> None:
        self.hashed.append(name)

    def finished(self, name: str, size: int, sha256: str) -> None:
        self.finishes.append(sha256)

    def reused(self, name: str, size: int) -> None:
        self.reuses.append(name)


class Site:
    """A Hub with one repository, and a store that fetches from it."""

    def __init__(self, hub: LoopbackHub, folder: Path, content: Content = MODEL, path: str = PATH) -> None:
        self.hub = hub
        self.content = content
        repository = hub.add_repo(REPO, {path: content})
        self.source = HubSource(REPO, repository.commit)
        self.file = ModelFile(path=path, size=content.size, sha256=content.sha256)
        self.store = Store(folder / "hub", folder / "home")
        self.reporter = Recorder()

    @property
    def blob(self) -> Path:
        return self.store.blob(self.source, self.file)

    @property
    def part(self) -> Path:
        return self.store.part(self.source, self.file)

    @property
    def link(self) -> Path:
        return self.store.link(self.source, self.file)

    def downloader(self, *, token: str | None = None, silence_s: float = 10.0, **patience: Any) -> Downloader:
        patience = {"attempts": 3, "backoff_s": 0.0} | patience
        http = Http(self.hub.endpoint, token=token, silence_s=silence_s)
        return Downloader(self.store, http, patience=Patience(**patience), reporter=self.reporter)

    def fetch(self, **options: Any) -> Path:
        return self.downloader(**options).fetch(self.source, self.file)

    def leave_part(self, data: bytes) -> None:
        """What an interrupted run leaves."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        self.part.write_bytes(data)

    def kept(self) -> int:
        """How much the part claims to hold; all of it has to be true."""
        if not self.part.exists():
            return 0
        return claimed(self.part, self.content)

    def ranges(self) -> list[str | None]:
        """The ranges of the requests for bytes, in their order."""
        return [request.range for request in self.hub.requests.all("GET", "*.gguf", origin="hub")]

    def until_sent(self, count: int, seconds: float = 30.0) -> None:
        """Wait until the Hub has sent so many bytes of files."""
        give_up = time.monotonic() + seconds
        while self.hub.bytes_sent("gguf") < count:
            assert time.monotonic() < give_up, "the Hub was not asked"
            time.sleep(0.005)

    def check(self, path: Path) -> None:
        """The file is whole, under its names, with nothing left beside it."""
        assert path == self.link
        assert path.read_bytes() == self.content.read(0, self.content.size)
        assert self.link.samefile(self.blob)
        assert [entry.name for entry in self.blob.parent.iterdir()] == [self.file.sha256]
        assert [entry.name for entry in self.link.parent.iterdir()] == [self.link.name]


def claimed(part: Path, content: Content) -> int:
    """How much of the content a part claims to hold; checked byte by byte."""
    data, size = part.read_bytes(), content.size
    done: tuple[tuple[int, int], ...] = ((0, len(data)),)
    if len(data) > size:
        with part.open("rb") as file:
            record = journal.read(file.fileno(), content.sha256, size)
        done = record[1] if record else ()
    for first, stop in done:
        assert data[first:stop] == content.read(first, stop - first), f"{first:,} to {stop:,} is wrong"
    return sum(stop - first for first, stop in done)


def emptied(hub: LoopbackHub) -> LoopbackHub:
    """A Hub that has served a test, as good as new: starting another takes longer than most tests."""
    hub.faults.clear()
    hub.reset_log()
    hub.on_request = None
    hub.state.bare_401 = False
    for facts in (hub.state.repositories, hub.state.renamed, hub.state.tokens):
        facts.clear()
    return hub


def wrong_blobs(root: Path) -> list[Path]:
    """Names below `blobs` whose bytes are others than the name says."""
    blobs = (blob for blob in root.glob("models--*/blobs/*") if "." not in blob.name)
    return [blob for blob in blobs if hashlib.sha256(blob.read_bytes()).hexdigest() != blob.name]
