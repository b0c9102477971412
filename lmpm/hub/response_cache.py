"""What the Hub answered before, kept for a short while: a second look costs no request, and works offline.

An answer is a small JSON file named by the sha256 of what was asked, of which server and with which token.
It is read with the same checks as an answer from the network. What cannot be read or written is not kept.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import DiskError
from lmpm.fs import atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FRESH_S: Final = 15 * 60.0  # an answer this young is taken for the Hub's own
MAX_ANSWER_BYTES: Final = 8 * 2**20
MAX_TOTAL_BYTES: Final = 64 * 2**20
MAX_ANSWERS: Final = 2_000
_KEEP_SHARE: Final = 0.75  # what is left when the bounds are reached


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """An answer, and how many seconds ago it was given."""

    data: Any
    age_s: float
    is_fresh: bool  # whether it may stand for asking again


@dataclass(slots=True)
class ResponseCache:
    """Answers in a directory. `identity` tells apart who asked whom: the server and the token.

    With `asks_anew` no answer is fresh, for those who want to know what has changed; new ones are kept all the same.
    """

    directory: Path
    identity: str = ""
    asks_anew: bool = False
    now: Callable[[], float] = time.time

    def get(self, *asked: str) -> CachedResponse | None:
        """The answer to what was asked, however old; None when there is none that can be read."""
        path = self._path(asked)
        try:
            if path.stat().st_size > MAX_ANSWER_BYTES:
                return None
            document = json.loads(path.read_bytes())
            age = self.now() - float(document["at"])
            if document["asked"] != list(asked) or age < 0:  # a clock that was set back
                return None
            return CachedResponse(document["data"], age, is_fresh=age <= FRESH_S and not self.asks_anew)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put(self, data: Any, *asked: str) -> None:
        """Keep an answer; the oldest ones make room."""
        text = json.dumps({"asked": list(asked), "at": self.now(), "data": data}, separators=(",", ":")).encode()
        if len(text) > MAX_ANSWER_BYTES:
            return
        with suppress(DiskError, OSError):
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic.write_bytes(self._path(asked), text)
            self._bound()

    def _path(self, asked: tuple[str, ...]) -> Path:
        name = hashlib.sha256("\0".join((self.identity, *asked)).encode()).hexdigest()
        return self.directory / f"{name}.json"

    def _bound(self) -> None:
        """Remove the oldest answers when there are too many, or too many bytes of them."""
        found = []
        for path in self.directory.glob("*.json"):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        if len(found) <= MAX_ANSWERS and total <= MAX_TOTAL_BYTES:
            return
        left = len(found)
        for _, size, path in sorted(found, key=lambda item: item[:2]):
            if left <= _KEEP_SHARE * MAX_ANSWERS and total <= _KEEP_SHARE * MAX_TOTAL_BYTES:
                return
            with suppress(OSError):
                path.unlink()
            left, total = left - 1, total - size


def identity_of(endpoint: str, token: str | None) -> str:
    """Tells apart who asked whom without giving the token away."""
    return hashlib.sha256(f"{endpoint}\0{token or ''}".encode()).hexdigest()
