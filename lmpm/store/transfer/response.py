"""The decision table: what an answer to a request for a range of a file means.

- 206 with exactly the start and the total that were asked for: the bytes belong there. Any other 206, and 416:
  throw the part away and begin anew, once.
- 200 to a request for a part of the file: the server ignores ranges; the body is the file from its first byte.
- 401, 403, 404, 410, 451 from the Hub: permanent. From another host, where signed links expire: retry.
- 408, 429, 5xx: retry with growing pauses, or those that the server asks for.
- A body that is compressed or shorter than the file: not the file.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from lmpm import limits
from lmpm.errors import IntegrityError, LmpmError, NetworkError, RateLimitedError
from lmpm.fs import printable
from lmpm.hub import FORBIDDEN, GONE, header_number, status_error, transient_errors

if TYPE_CHECKING:
    import requests

    from lmpm.store.transfer.remote import Remote

CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
OVERLOADED: Final = frozenset({429, 503})  # fewer connections may help


class RetryableError(Exception):
    """A failure that may pass; `wait_s` is what the server asked for, `overloaded` that it has too much to do."""

    def __init__(self, why: str, wait_s: float | None = None, *, overloaded: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.overloaded = overloaded


class WrongRangeError(Exception):
    """The server's idea of the file differs from ours: what is there may be no part of it."""


def is_whole(response: requests.Response, remote: Remote, start: int) -> bool:
    """Whether the body is the whole file, whatever was asked for; else it is the bytes from `start`.

    Raises RetryableError, WrongRangeError, or the LmpmError that ends the transfer.
    """
    status = response.status_code
    if status == 416:
        raise WrongRangeError("it has no such range")
    if status not in (200, 206):
        raise _refusal(response, remote)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NetworkError(f"`{remote.host}` compresses files, so their size cannot be checked")
    if status == 200:
        _refuse_other_body(response, remote)  # before a good part is thrown away for it
        return True
    given = response.headers.get("Content-Range", "missing")
    found = CONTENT_RANGE.fullmatch(given)
    if not found or (int(found[1]), int(found[2])) != (start, remote.size):
        raise WrongRangeError(f"its range is `{printable(given[:80])}`")
    return False


def surplus(remote: Remote) -> IntegrityError:
    """More bytes than promised mean another file, even where the first ones hash right."""
    return IntegrityError(f"`{remote.host}` sends more than the promised {remote.size:,} bytes of `{remote.name}`")


def _refuse_other_body(response: requests.Response, remote: Remote) -> None:
    """A login page or a pointer file is shorter than promised: name it instead of retrying."""
    declared = header_number(response.headers.get("Content-Length"))
    is_page = response.headers.get("Content-Type", "").lower().startswith("text/html")
    if is_page or (declared is not None and declared < remote.size):
        body = b""
        with contextlib.suppress(*transient_errors()):
            body = remote.http.read_body(response, limits.MAX_ERROR_BODY_BYTES)
        lines = body.decode("utf-8", "replace").strip().splitlines()
        sent = "a web page" if is_page else f"{declared:,} bytes"
        raise IntegrityError(
            f"`{remote.host}` sent {sent} instead of {remote.size:,} bytes for `{remote.name}`",
            details=(f"it begins: {printable(lines[0][:120]) if lines else 'nothing'}",),
            hint="A login page of the network, or a mirror that lacks the file?",
        )


def _refusal(response: requests.Response, remote: Remote) -> LmpmError | RetryableError:
    """The error for a status that carries no bytes of the file."""
    status = response.status_code
    at_hub = urlsplit(response.url).netloc.rpartition("@")[2] == remote.host
    if status == 408 or status >= 500 or (not at_hub and status in FORBIDDEN | GONE):
        why = f"{status} {printable(response.reason or '')}".strip()
        return RetryableError(why, overloaded=status in OVERLOADED)
    error = status_error(
        response,
        remote.name,
        host=remote.host,
        terms=remote.terms,
        gone="Look for a newer choice with `lmpm resolve`",
    )
    if isinstance(error, RateLimitedError) and (error.retry_after_s or 0.0) <= limits.RETRY_AFTER_CAP_S:
        return RetryableError("429 Too Many Requests", wait_s=error.retry_after_s, overloaded=True)
    return error
