"""The URL of a server and the secrets that may stand in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit


class Secret:
    """A text that is shown nowhere: not by `str`, `repr` or `format`, and so in no message, log or traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for whoever it is meant for."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a server, ready to be shown; `login` is the `user:password` that came with it."""

    url: str
    login: Secret | None = None

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """An http or https URL, its `user:password` kept apart. Raises ValueError, which does not quote it."""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or re.search(r"\s", text):
            raise ValueError("not an http or https URL")
        login, _, host = parts.netloc.rpartition("@")
        url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        return cls(url, Secret(unquote(login)) if login else None)

    def __str__(self) -> str:
        return self.url
