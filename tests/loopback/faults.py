"""What can go wrong between the Hub and a client, each fault a change to a request or an answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.loopback.content import Bytes, Content, Flipped, Repeated
from tests.loopback.message import BEFORE_HEADERS, Answer, Cut, Framing, Request, error


class Fault:
    """Does nothing; each kind overrides what it changes."""

    methods: tuple[str, ...] = ("HEAD", "GET", "POST")
    bodies_only = False  # spent only on answers of status 200 and 206, not on redirects and errors

    def on_request(self, request: Request) -> Request:
        return request

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return answer


class BodyFault(Fault):
    """A fault of the bytes: HEAD never shows it."""

    methods = ("GET", "POST")
    bodies_only = True


@dataclass(frozen=True)
class Status(Fault):
    """Another status, worded as the Hub words errors: 401, 403, 404, 410, 429, 451, 5xx."""

    status: int
    message: str = "Scripted fault"
    code: str | None = None  # X-Error-Code
    retry_after: str | None = None  # seconds, a date, or garbage
    headers: Mapping[str, str] = field(default_factory=dict)

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        extra = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
        return error(self.status, self.message, self.code, {**extra, **self.headers})


@dataclass(frozen=True)
class CutOff(BodyFault):
    """The connection ends, is reset or goes silent after `after` bytes of the body.

    `framing="close"` sends no Content-Length, so that only the expected size gives the cut away.
    """

    after: int
    cut: Cut = "close"
    framing: Framing = "length"

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, cut_at=self.after, cut=self.cut, framing=self.framing)


def reset(after: int = 0) -> CutOff:
    """A TCP reset after this many bytes."""
    return CutOff(after, "reset")


def short_body(after: int, *, framing: Framing = "length") -> CutOff:
    """The body ends early."""
    return CutOff(after, "close", framing)


@dataclass(frozen=True)
class Stall(BodyFault):
    """Silence after `after` bytes, for `seconds` or until the client or the hub ends."""

    after: int = 0
    seconds: float | None = None

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, cut_at=self.after, cut="stall", stall=self.seconds)


@dataclass(frozen=True)
class NoAnswer(Fault):
    """The connection ends, is reset or goes silent before the status line."""

    cut: Cut = "close"

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, cut_at=BEFORE_HEADERS, cut=self.cut)


@dataclass(frozen=True)
class Delay(Fault):
    """Latency before each answer."""

    seconds: float

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, delay=self.seconds)


@dataclass(frozen=True)
class Throttle(BodyFault):
    """A cap on the speed of each connection, down to a trickle of a byte at a time."""

    bytes_per_second: float

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, rate=self.bytes_per_second)


@dataclass(frozen=True)
class SlowHead(Fault):
    """A status line and headers that trickle: every byte would begin a timeout anew."""

    bytes_per_second: float

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, head_rate=self.bytes_per_second)


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """A server that knows no ranges: 200 and everything."""

    def on_request(self, request: Request) -> Request:
        kept = {name: value for name, value in request.headers.items() if name != "range"}
        return replace(request, headers=kept)

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        headers = {name: value for name, value in answer.headers.items() if name != "Accept-Ranges"}
        return replace(answer, headers=headers)


@dataclass(frozen=True)
class WrongRange(BodyFault):
    """206, but the Content-Range says something else, or the bytes are others, or it is not there."""

    content_range: str | None = None  # the header as it is sent; None: no header at all
    start: int | None = None  # where the bytes sent really begin

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        if self.start is not None:
            answer = replace(answer, start=self.start)
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Range"}
        answer = replace(answer, status=206, headers=headers)
        return answer.with_headers({"Content-Range": self.content_range}) if self.content_range else answer


@dataclass(frozen=True)
class Extra(BodyFault):
    """More bytes than the file has: `count` of them, or (None) without end."""

    count: int | None = None
    framing: Framing = "close"

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        if self.count is None:
            return replace(answer, endless=True, framing="close")
        data = answer.content.read(answer.start, answer.length)
        longer = answer.with_body(Repeated(data, b"\xee", self.count))
        return replace(longer, framing=self.framing)


@dataclass(frozen=True)
class Gzip(BodyFault):
    """The body compressed, whatever the client accepts."""

    encoding: str = "gzip"

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        data = gzip.compress(answer.content.read(answer.start, answer.length), mtime=0)
        return answer.with_body(data).with_headers({"Content-Encoding": self.encoding})


@dataclass(frozen=True)
class FlipBit(BodyFault):
    """One bit of the file turned over, the size kept; ranges that leave it out are right."""

    offset: int
    bit: int = 0

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        if self.offset >= answer.content.size:  # another fault has put something shorter in its place
            return answer
        return replace(answer, content=Flipped(answer.content, self.offset, self.bit))


@dataclass(frozen=True)
class OtherBody(Fault):
    """Other bytes in place of the right ones, with 200: a login page, an LFS pointer, another file."""

    body: bytes | Content
    content_type: str = "application/octet-stream"
    status: int = 200
    methods: tuple[str, ...] = ("GET", "POST")

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Range"}
        return replace(answer, status=self.status, headers=headers).with_body(self.body, self.content_type)


@dataclass(frozen=True)
class OtherContent(BodyFault):
    """A mirror that serves other bytes of the same size, ranges and all, under the right metadata."""

    content: Content

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        if self.content.size != answer.content.size:
            raise ValueError(f"{self.content.size} bytes in place of {answer.content.size}")
        return replace(answer, content=self.content)


HTML_PAGE: Final = OtherBody(
    b"<!DOCTYPE html>\n<html><head><title>Sign in to the network</title></head><body>Welcome</body></html>\n",
    "text/html; charset=utf-8",
)


def lfs_pointer(sha256: str, size: int) -> OtherBody:
    """What a clone without git-lfs has in place of the file."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    return OtherBody(text.encode(), "text/plain; charset=utf-8")


@dataclass(frozen=True)
class Redirect(Fault):
    """To anywhere: another host, `file:`, `http:`; `{target}` in the location is what was asked (a loop)."""

    location: str
    status: int = 302

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        location = self.location.replace("{target}", request.target)
        return replace(answer, status=self.status).with_body(b"").with_headers({"Location": location})


REDIRECT_LOOP: Final = Redirect("{target}")


@dataclass(frozen=True)
class Headers(Fault):
    """Other or more headers: a hostile Content-Disposition, another ETag; an empty value takes one away."""

    headers: Mapping[str, str]

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        changed = answer.with_headers(self.headers)
        return replace(changed, headers={name: value for name, value in changed.headers.items() if value})


@dataclass(frozen=True)
class ContentLength(Fault):
    """A Content-Length of any text (negative, huge, no number) before the true body and a close."""

    value: str

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        return replace(answer, content_length=self.value)


@dataclass(frozen=True)
class EditJson(Fault):
    """The JSON of the answer after a change: missing keys, wrong types."""

    edit: Callable[[Any], Any]
    bodies_only = True

    def on_answer(self, request: Request, answer: Answer) -> Answer:
        document = json.loads(answer.content.read(0, answer.content.size))
        return answer.with_body(json.dumps(self.edit(document)).encode())


def without_keys(*names: str) -> EditJson:
    """The object, or each object of the list, without these keys."""

    def edit(document: Any) -> Any:
        if isinstance(document, list):
            return [edit(item) for item in document]
        return {name: value for name, value in document.items() if name not in names}

    return EditJson(edit)


def huge_json(size: int) -> OtherBody:
    """A valid JSON object of about this many bytes."""
    return OtherBody(Repeated(b'{"id":"', b"A", size, b'"}'), "application/json")


def deep_json(depth: int) -> OtherBody:
    """Valid JSON of `depth` nested lists."""
    return OtherBody(Bytes(b"[" * depth + b"]" * depth), "application/json")
