"""Bytes over HTTP into the store: resumed by Range, hashed on the way, visible only when verified.

The decision table for an answer to `Range: bytes=N-`:

- 206 with exactly `bytes N-*/size`: append. Any other 206: throw the part away, once.
- 200: the server ignores ranges: start again from zero, never append.
- 416: start again from zero, once.
- 401, 403, 404, 410, 451 from the Hub: permanent. From another host, where signed links expire: retry.
- 408, 429, 5xx, a reset, a short body, a stall: retry with growing pauses; real progress resets the count.

Nothing past the promised size is written. The promised sha256 decides at the end; a mismatch throws the
part away and is retried once from zero.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import urlsplit

from lmpm import limits
from lmpm.digest import GrowingDigest
from lmpm.disk import disk_errors, write_all
from lmpm.errors import (
    HashMismatchError,
    IntegrityError,
    LmpmError,
    NetworkError,
    NotFoundError,
    NotPermittedError,
    RateLimitedError,
    TransferInterruptedError,
)
from lmpm.http import StallWatch, asked_wait_s, explain, file_url, header_number, read_body, transient_errors
from lmpm.progress import Reporter
from lmpm.size import duration, human
from lmpm.stamps import Stamp
from lmpm.validate import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from lmpm.http import Http
    from lmpm.store import Store
    from lmpm.types import HubSource, ModelFile

CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long failures are borne. Tests set the pauses to zero."""

    attempts: int = limits.TRANSFER_ATTEMPTS
    backoff_s: float = limits.BACKOFF_BASE_S
    backoff_cap_s: float = limits.BACKOFF_CAP_S
    stall_window_s: float = limits.STALL_WINDOW_S
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int) -> float:
        """Seconds before the next try: doubling, capped, and spread so that clients do not march in step."""
        wait = min(self.backoff_s * 2.0 ** (failures - 1), self.backoff_cap_s)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it


@dataclass(slots=True)
class Downloader:
    """Fetches files of a Hub into a store."""

    store: Store
    http: Http
    patience: Patience = field(default_factory=Patience)
    reporter: Reporter = field(default_factory=Reporter)
    _damaged: set[Stamp] = field(default_factory=set)  # files that were hashed in vain

    def fetch(self, source: HubSource, file: ModelFile) -> Path:
        """Make a file present and verified; returns the path to open.

        Raises IntegrityError, NetworkError, DiskError, NotPermittedError, NotFoundError, or
        TransferInterruptedError when the user interrupts.
        """
        if path := self.present(source, file):
            return path
        with self.store.transfer_lock(source, file, self.reporter):
            if path := self.present(source, file):  # another process was faster
                return path
            self.store.require_space(file.size - self.store.kept(source, file))
            try:
                return self._transfer(source, file)
            except KeyboardInterrupt:
                kept = self.store.kept(source, file)
                summary = f"Interrupted. Kept {human(kept)} of {human(file.size)} of {printable(file.path)}"
                raise TransferInterruptedError(file.path, kept=kept, size=file.size, summary=summary) from None
            finally:
                self.reporter.stopped()

    def present(self, source: HubSource, file: ModelFile) -> Path | None:
        """The path of a file that is already in the store with the right bytes, else None.

        What another client downloaded is hashed once; a damaged file counts as absent.
        """
        for path in self.store.places(source, file):
            if self._is_sound(path, file):
                self.reporter.reused(file.path, file.size)
                return self.store.opened(source, file, path)
        return None

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

    def _transfer(self, source: HubSource, file: ModelFile) -> Path:
        """Fetch, check, and publish; a wrong hash gets one clean second try."""
        with self.store.open_part(source, file) as part:
            attempt = _Attempt(self, source, file, part)
            try:
                attempt.run_twice()
            except BaseException:
                if not attempt.offset:
                    self.store.discard_part(source, file)
                raise
            finally:
                attempt.digest.close()
            path = self.store.publish(source, file, part)
        self.reporter.finished(file.path, file.size, file.sha256 or "")
        return path


class _RetryableError(Exception):
    """A failure that may pass; `wait_s` is what the server asked for."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class _Attempt:
    """One file on its way: the part, how far it is, and the hash so far."""

    def __init__(self, owner: Downloader, source: HubSource, file: ModelFile, part: BinaryIO) -> None:
        self.owner = owner
        self.file = file
        self.part = part
        self.path = owner.store.part(source, file)
        self.repo = source.repo
        self.url = file_url(owner.http.endpoint, source.repo, source.revision or "", file.path)
        self.host = owner.http.host
        self.restarts_left = 1
        self.offset = 0
        self.digest = GrowingDigest(self.path)
        self._take_up_part()

    def _take_up_part(self) -> None:
        """Take what an earlier run left. A part that is too long is from nowhere: start again."""
        with disk_errors(self.path):
            if self.part.seek(0, 2) > self.file.size:
                self.part.truncate(0)
            self.offset = self.part.seek(0, 2)
        self.digest.reach(self.offset)
        self.owner.reporter.started(self.file.path, self.file.size, self.offset)

    def restart(self) -> None:
        """Throw away what is there."""
        with disk_errors(self.path):
            self.part.seek(0)
            self.part.truncate(0)
        self.owner.reporter.advanced(-self.offset)
        self.offset = 0
        self.digest.close()
        self.digest = GrowingDigest(self.path)

    def run_twice(self) -> None:
        """Fetch and check; a wrong hash gets one clean second try, after which nothing is kept."""
        try:
            self.run()
        except HashMismatchError:
            self.owner.reporter.restarted(self.file.path, "the bytes do not have the promised sha256")
            self.restart()
            try:
                self.run()
            except HashMismatchError:
                self.restart()
                raise

    def run(self) -> None:
        """Fetch until the promised size is there, then compare the hash."""
        patience = self.owner.patience
        progress = limits.STALL_BYTES_PER_S * patience.stall_window_s  # bytes, the least that counts
        failures, best = 0, self.offset
        while self.offset < self.file.size:
            try:
                self._receive()
            except _RetryableError as failure:
                # farther than ever, since a server without ranges begins anew each time, and by more than a
                # trickle, which would otherwise be waited for without end
                failures = 1 if self.offset - best >= progress else failures + 1
                best = max(best, self.offset)
                if failures >= patience.attempts:
                    raise NetworkError(
                        f"`{self.host}` could not send `{printable(self.file.path)}`: {failure}",
                        hint="Run the same command again to resume",
                    ) from failure
                wait = patience.pause(failures) if failure.wait_s is None else failure.wait_s
                self.owner.reporter.retrying(self.file.path, str(failure), wait, patience.attempts - failures)
                patience.sleep(wait)
        computed = self.digest.hexdigest()
        if computed != self.file.sha256:
            raise HashMismatchError(
                self.file.path,
                expected=(self.file.sha256 or "", self.file.size),
                computed=(computed, self.offset),
                hint="The bytes were discarded. If it repeats, a proxy or mirror changes them, "
                "or the file was replaced upstream",
            )

    def _receive(self) -> None:
        """One request. Raises _RetryableError for what may pass, LmpmError for what will not."""
        try:
            with self.owner.http.get(self.url, start=self.offset) as response:
                self._check_answer(response)
                self._append(response)
        except transient_errors() as error:
            raise _RetryableError(explain(error)) from error

    def _check_answer(self, response: requests.Response) -> None:
        """Apply the decision table; afterwards the body belongs at `self.offset`."""
        status = response.status_code
        if status == 416:
            self._restart_once("it has no such range")
        if status not in (200, 206):
            raise self._refusal(response)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise NetworkError(f"`{self.host}` compresses files, so their size cannot be checked")
        if status == 200:
            self._refuse_other_body(response)  # before a good part is thrown away for it
            if self.offset:
                self.owner.reporter.restarted(self.file.path, "the server cannot resume")
                self.restart()
            return
        given = response.headers.get("Content-Range", "missing")
        found = CONTENT_RANGE.fullmatch(given)
        if not found or (int(found[1]), int(found[2])) != (self.offset, self.file.size):
            self._restart_once(f"its range is `{printable(given[:80])}`")

    def _restart_once(self, why: str) -> None:
        """The server's idea of the file differs: begin again, but not for ever."""
        if not self.restarts_left:
            raise NetworkError(f"`{self.host}` answers range requests wrongly: {why}")
        self.restarts_left -= 1
        self.owner.reporter.restarted(self.file.path, why)
        self.restart()
        raise _RetryableError(why, wait_s=0.0)

    def _refuse_other_body(self, response: requests.Response) -> None:
        """A login page or a pointer file is shorter than promised: name it instead of retrying."""
        declared = header_number(response.headers.get("Content-Length"))
        is_page = response.headers.get("Content-Type", "").lower().startswith("text/html")
        if is_page or (declared is not None and declared < self.file.size):
            body = b""
            with contextlib.suppress(*transient_errors()):
                body = read_body(response, limits.MAX_ERROR_BODY_BYTES)
            lines = body.decode("utf-8", "replace").strip().splitlines()
            sent = "a web page" if is_page else f"{declared:,} bytes"
            raise IntegrityError(
                f"`{self.host}` sent {sent} instead of {self.file.size:,} bytes for `{printable(self.file.path)}`",
                details=(f"it begins: {printable(lines[0][:120]) if lines else 'nothing'}",),
                hint="A login page of the network, or a mirror that lacks the file?",
            )

    def _append(self, response: requests.Response) -> None:
        """Write and hash what arrives, never past the promised size."""
        stall = StallWatch(self.owner.patience.stall_window_s)
        with disk_errors(self.path):
            self.part.seek(self.offset)
        while self.offset < self.file.size:
            # read1 returns on every arrival, so that a trickle is seen as one
            chunk = response.raw.read1(limits.CHUNK_BYTES)
            if not chunk:
                raise _RetryableError(f"the connection closed after {human(self.offset)}")
            if len(chunk) > self.file.size - self.offset:
                self._refuse_surplus()
            with disk_errors(self.path):
                write_all(self.part, chunk)
            self.offset += len(chunk)
            self.digest.reach(self.offset)
            self.owner.reporter.advanced(len(chunk))
            stall.note(len(chunk))
        with contextlib.suppress(*transient_errors()):
            if response.raw.read1(1):
                self._refuse_surplus()

    def _refuse_surplus(self) -> None:
        """More bytes than promised mean another file, even where the first ones hash right."""
        self.restart()
        raise IntegrityError(
            f"`{self.host}` sends more than the promised {self.file.size:,} bytes of `{printable(self.file.path)}`"
        )

    def _refusal(self, response: requests.Response) -> LmpmError | _RetryableError:
        """The error for a status that carries no bytes of the file."""
        status = response.status_code
        at_hub = urlsplit(response.url).netloc.rpartition("@")[2] == self.host
        name = printable(self.file.path)
        if status == 429:
            return self._rate_limit(response)
        if status == 408 or status >= 500 or (not at_hub and status in (401, 403, 404, 410)):
            return _RetryableError(f"{status} {printable(response.reason or '')}".strip())
        if status in (401, 403, 451):
            page = f"{self.owner.http.endpoint}/{self.repo}"
            return NotPermittedError(
                f"`{self.host}` does not let you download `{name}`: {status}",
                hint=f"Accept the terms at {page}, then `hf auth login`",
            )
        if status in (404, 410):
            return NotFoundError(
                f"`{name}` is not at `{self.host}` any more: {status}",
                hint="Look for a newer choice with `lmpm resolve`",
            )
        return NetworkError(f"`{self.host}` answered {status} for `{name}`")

    def _rate_limit(self, response: requests.Response) -> LmpmError | _RetryableError:
        wait = asked_wait_s(response.headers)
        if wait is not None and wait > limits.RETRY_AFTER_CAP_S:
            return RateLimitedError(
                f"`{self.host}` limits downloads: try again in {duration(wait)}",
                retry_after_s=wait,
                hint="What has arrived is kept; a token (`hf auth login`) raises the limit",
            )
        return _RetryableError("429 Too Many Requests", wait_s=wait)
