"""Fetches files of the Hub into the store: the only part of the transfer that others call."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmpm import limits
from lmpm.errors import IntegrityError, TransferInterruptedError
from lmpm.fs import Stamp, disk_errors, printable
from lmpm.hub import Patience
from lmpm.reporter import Reporter
from lmpm.store.transfer.download import Download
from lmpm.store.transfer.pacing import RateLimit
from lmpm.store.transfer.scheduler import Scheduler
from lmpm.units import count, human

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmpm.hub import Http
    from lmpm.store.cache import Store
    from lmpm.types import HubSource, ModelFile, UrlSource


@dataclass(slots=True)
class Downloader:
    """Fetches files of a Hub into a store.

    `connections` is how many there are at once, at most; `rate_limit` is in bytes a second.
    """

    store: Store
    http: Http
    patience: Patience = field(default_factory=Patience)
    reporter: Reporter = field(default_factory=Reporter)
    connections: int = limits.CONNECTIONS
    rate_limit: int | None = None
    _damaged: set[Stamp] = field(default_factory=set)  # files whose bytes turned out to be wrong

    def fetch(self, source: HubSource | UrlSource, file: ModelFile) -> Path:
        """Make one file present and verified; returns the path to open. Raises like `fetch_all`."""
        return self.fetch_all(source, (file,))[0]

    def fetch_all(self, source: HubSource | UrlSource, files: Sequence[ModelFile]) -> tuple[Path, ...]:
        """Make files present and verified; returns the paths to open, in their order.

        Raises IntegrityError, NetworkError, DiskError, NotPermittedError, NotFoundError, or
        TransferInterruptedError when the user interrupts. What has arrived is kept.
        """
        haul = _Haul(self, source, files)
        if haul.waiting:
            self.store.require_space(sum(file.size - self.store.reserved(source, file) for file in haul.waiting))
            self._run(haul)
        return tuple(haul.paths[file] for file in files)

    def present(self, source: HubSource | UrlSource, file: ModelFile) -> Path | None:
        """The path of a file that is already in the store with the right bytes, else None.

        What another client downloaded is hashed once; a damaged file counts as absent.
        """
        for path in self.store.places(source, file):
            if self._is_sound(path, file):
                self.reporter.reused(file.path, file.size)
                return self.store.opened(source, file, path)
        return None

    def _run(self, haul: _Haul) -> None:
        limit = RateLimit(self.rate_limit)
        scheduler = Scheduler(
            connections=limit.connections(self.connections),
            limit=limit,
            patience=self.patience,
            reporter=self.reporter,
            more=haul.next_download,
        )
        try:
            scheduler.run()
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):
                scheduler.stop()
            raise haul.interrupted(scheduler.downloads) from None
        except BaseException:
            scheduler.stop()
            raise
        finally:
            self.reporter.stopped()

    def _is_sound(self, path: Path, file: ModelFile) -> bool:
        """Whether a file has the right bytes; a damaged one is hashed once, not at every question."""
        if self.store.is_stamped(path, file.sha256 or ""):
            return True
        with disk_errors(path, "read"):
            stamp = Stamp.of(path)
        if stamp not in self._damaged:
            try:
                self.store.confirm(path, file, reporter=self.reporter)
            except IntegrityError:
                self._damaged.add(stamp)
                self.reporter.restarted(file.path, "the copy on disk is damaged")
        return stamp not in self._damaged


class _Haul:
    """The files of one call: where those are that are here, and which are still to be fetched."""

    def __init__(self, owner: Downloader, source: HubSource | UrlSource, files: Sequence[ModelFile]) -> None:
        self.owner = owner
        self.source = source
        self.paths: dict[ModelFile, Path] = {}
        self.waiting: list[ModelFile] = []
        self._fetched: list[ModelFile] = []
        for file in dict.fromkeys(files):
            if path := owner.present(source, file):
                self.paths[file] = path
            else:
                self.waiting.append(file)

    def next_download(self, wait: bool) -> Download | None:
        """Open the next file that nobody else is fetching; with `wait`, the next one in any case."""
        owner = self.owner
        for file in [*self.waiting]:
            with ExitStack() as stack:
                lock = owner.store.transfer_lock(self.source, file, owner.reporter, wait=wait)
                if not stack.enter_context(lock):
                    continue
                self.waiting.remove(file)
                if path := owner.present(self.source, file):  # another process was faster
                    self.paths[file] = path
                    continue
                self.paths[file] = owner.store.link(self.source, file)
                self._fetched.append(file)
                download = Download(owner.store, owner.http, self.source, file, split=owner.connections > 1)
                download.held = stack.pop_all()
                return download
        return None

    def interrupted(self, downloads: Sequence[Download]) -> TransferInterruptedError:
        """The error for the user's interrupt: how much of all these files is kept."""
        under_way = {download.file: download.part.plan.received for download in downloads}
        files = [*self._fetched, *self.waiting]
        size = sum(file.size for file in files)
        kept = sum(under_way.get(file, file.size) for file in self._fetched)
        name = printable(files[0].path) if len(files) == 1 else count(len(files), "file")
        summary = f"Interrupted. Kept {human(kept)} of {human(size)} of {name}"
        return TransferInterruptedError(files[0].path, kept=kept, size=size, summary=summary)
