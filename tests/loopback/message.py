"""A request as the routes see it, an answer as the wire will carry it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote

from tests.loopback.content import Bytes, Content

BEFORE_HEADERS: Final = -1  # a cut at this offset comes before the status line

Cut = Literal["close", "reset", "stall"]
Framing = Literal["length", "close", "chunked"]


@dataclass(frozen=True)
class Request:
    """What was asked. `path` is as it came; `segments` is it decoded, %2F staying inside one segment."""

    origin: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    endpoint: str  # of the server that was asked, for absolute links

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def segments(self) -> list[str]:
        return [unquote(segment) for segment in self.path.split("/") if segment]

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The query, with `expand[]=a` read as `expand=a`."""
        merged: dict[str, list[str]] = {}
        for name, values in parse_qs(self.query, keep_blank_values=True).items():
            merged.setdefault(name.removesuffix("[]"), []).extend(values)
        return merged

    def parameter(self, name: str, default: str = "") -> str:
        return self.parameters.get(name, [default])[-1]

    def is_true(self, name: str) -> bool:
        return self.parameter(name).lower() in ("true", "1")

    @property
    def token(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token.strip() else None


@dataclass(frozen=True)
class Answer:
    """Status, headers and a part of some content, and how the wire is to carry them."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Content = field(default_factory=lambda: Bytes(b""))
    start: int = 0
    stop: int | None = None  # None: to the end of the content
    # Below here is only what faults set.
    delay: float = 0.0  # seconds before the first byte
    cut_at: int | None = None  # bytes of the body after which `cut` happens
    cut: Cut = "close"
    stall: float | None = None  # seconds that a "stall" lasts; None: until the client or the hub ends
    rate: float | None = None  # bytes of the body a second
    head_rate: float | None = None  # bytes of the status line and headers a second
    framing: Framing = "length"
    content_length: str | None = None  # sent instead of the true one
    endless: bool = False  # after the content, it begins again, for ever

    @property
    def end(self) -> int:
        return self.content.size if self.stop is None else self.stop

    @property
    def length(self) -> int:
        return self.end - self.start

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        """Set headers; a name that is there in another case is replaced."""
        lower = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in lower}
        return replace(self, headers={**kept, **headers})

    def with_body(self, data: bytes | Content, content_type: str | None = None) -> Answer:
        """The same status with other content, whole."""
        content = Bytes(data) if isinstance(data, bytes) else data
        answer = replace(self, content=content, start=0, stop=None)
        return answer.with_headers({"Content-Type": content_type}) if content_type else answer


def json_answer(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, Bytes(body))


def error(status: int, message: str, code: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as the Hub words it: in two headers and in a JSON body."""
    named = {"X-Error-Code": code} if code else {}
    named["X-Error-Message"] = message
    return json_answer({"error": message}, status=status, headers={**named, **(headers or {})})


def redirect(location: str, status: int = 307) -> Answer:
    body = f"Temporary Redirect. Redirecting to {location}".encode()
    return Answer(status, {"Location": location, "Content-Type": "text/plain; charset=utf-8"}, Bytes(body))
