"""Who may ask. A web page of another origin, or one that a forged name made look like ours, may not.

Without a key only this machine's own names are answered (DNS rebinding makes a stranger's name point here), no answer
allows another origin, and what changes something must be JSON, which a plain form cannot send.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from lmpm.server.problem import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
PUBLIC: Final = frozenset({"/", "/health", "/page/page.css", "/page/page.js"})  # hold nothing of this machine


def host_of(text: str) -> str | None:
    """The host in a Host header, without its port; None for what is none."""
    try:
        parts = urlsplit(f"//{text}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if parts.netloc == text and not parts.username else None


class Guard:
    """The rules of one front. `key` is what clients must know, None where none is asked."""

    def __init__(self, key: str | None) -> None:
        self._key = None if key is None else key.encode()

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Raise ApiError for a request that may not be answered."""
        host = headers.get("Host", "")
        if self._key is None and host_of(host) not in LOCAL_NAMES:
            raise ApiError(403, "This server answers to 127.0.0.1 and localhost only", code="host_not_allowed")
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise ApiError(403, "Pages of another origin may not ask here", code="origin_not_allowed")
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and not (path == "/" and headers.get("Sec-Fetch-Mode") == "navigate"):
            raise ApiError(403, "Pages of another origin may not ask here", code="origin_not_allowed")
        if self._key is not None and path not in PUBLIC and not self._knows_key(headers):
            raise ApiError(401, "The API key is missing or wrong", code="invalid_api_key", type="authentication_error")
        if method == "POST" and headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError(415, "The content type must be application/json", code="unsupported_media_type")
        if headers.get("Content-Encoding", "identity").strip().lower() != "identity":  # a few bytes may hold gigabytes
            raise ApiError(415, "The body must not be compressed", code="unsupported_media_type")

    def _knows_key(self, headers: Mapping[str, str]) -> bool:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        offered = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), self._key or b"")
