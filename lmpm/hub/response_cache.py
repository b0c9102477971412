"""What the Hub answered before, kept for a short while: a second look costs no request, and works offline.

An answer is kept under what was asked, of which server and with which token, and read with the same checks as
one from the network.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lmpm.fs import JsonCache
from lmpm.limits import FRESH_ANSWER_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class CachedResponse(NamedTuple):
    """An answer, and how many seconds ago it was given."""

    data: Any
    age_s: float
    is_fresh: bool  # whether it may stand for asking again


@dataclass(slots=True)
class ResponseCache:
    """Answers in a directory. `identity` distinguishes who asked whom: the server and the login.

    With `asks_anew` no answer is fresh, for those who want to know what has changed; new ones are kept all the same.
    """

    directory: Path
    identity: str = ""
    asks_anew: bool = False
    now: Callable[[], float] = time.time

    def get(self, *asked: str) -> CachedResponse | None:
        """The answer to what was asked, however old; None without one that can be read."""
        document = self._notes.get(self.identity, *asked)
        try:
            age = self.now() - float(document["at"])
            data = document["data"]
        except (KeyError, TypeError, ValueError):
            return None
        if age < 0:  # a clock that was set back
            return None
        return CachedResponse(data, age, is_fresh=age <= FRESH_ANSWER_S and not self.asks_anew)

    def put(self, data: Any, *asked: str) -> None:
        """Keep an answer."""
        self._notes.put({"at": self.now(), "data": data}, self.identity, *asked)

    @property
    def _notes(self) -> JsonCache:
        return JsonCache(self.directory)


def identity_of(endpoint: str, authorization: str | None) -> str:
    """A name for the pair of server and login that does not give the login away."""
    return hashlib.sha256(f"{endpoint}\0{authorization or ''}".encode()).hexdigest()
