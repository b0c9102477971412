"""Asking a server that speaks OpenAI's API and handing on its answer: a worker here, or a provider in the cloud."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from lmpm.server.problem import ApiError
from lmpm.server.wire import error_in, events_of, says_something, with_opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from lmpm.server.wire import Wire

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024  # vectors of many texts
MAX_OPENING_BYTES: Final = 1024 * 1024  # of a stream that says nothing
PING: Final = b":\n\n"
KEPT_CHUNKS: Final = 4  # of the end of a stream: they hold its last event
BROKEN: Final = (aiohttp.ClientError, ConnectionError, EOFError)


class LostError(Exception):
    """The server went away, or fell silent, before its answer began."""

    def __init__(self, reason: str, *, is_silent: bool = False) -> None:
        super().__init__(reason)
        self.is_silent = is_silent


class Reply:
    """An answer that has begun: what of it has arrived, and the rest, if there is more. It must be closed."""

    def __init__(self, status: int, content_type: str, first: bytes, rest: AsyncIterator[bytes] | None = None) -> None:
        self.status, self.content_type, self.first, self.rest = status, content_type, first, rest
        self.began_at = time.monotonic()
        self.closing = contextlib.AsyncExitStack()
        self.tail: deque[bytes] = deque([first], maxlen=KEPT_CHUNKS)
        self.is_cut = False

    async def close(self) -> None:
        """End it, wherever it is."""
        await self.closing.aclose()

    def figures(self) -> Mapping[str, Any]:
        """`usage` and `timings` of the answer, as far as they were said; once it is over."""
        end = b"".join(self.tail)
        found: dict[str, Any] = {}
        for event in [json.loads(end)] if self.rest is None and end[:1] == b"{" else events_of(end):
            inner = event.get("response")  # of the Responses API
            for source in (event, inner if isinstance(inner, dict) else {}):
                found |= {name: source[name] for name in ("usage", "timings") if isinstance(source.get(name), dict)}
        return found


async def ask(
    session: aiohttp.ClientSession,
    url: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    wire: Wire,
    refused: Callable[[int, Mapping[str, Any]], ApiError],
    *,
    rewrite: Callable[[bytes], bytes] | None = None,
) -> Reply:
    """Send a request, and wait until its answer has begun: its first words, or all of it where it is no stream.

    `refused` makes an error of what the server says instead. `rewrite` changes whole events on their way.
    Raises ApiError, and LostError when the server goes away before that.
    """
    closing = contextlib.AsyncExitStack()
    if session.closed:
        raise LostError("was ended")
    try:
        response = await session.post(url, data=json.dumps(body).encode(), headers=headers)
        closing.callback(response.close)
        reply = await _reply_of(response, wire, refused, rewrite, streams=bool(body.get("stream")))
    except TimeoutError as error:
        await closing.aclose()
        raise LostError("fell silent", is_silent=True) from error
    except BROKEN as error:
        await closing.aclose()
        raise LostError(type(error).__name__) from error
    except BaseException:
        await closing.aclose()
        raise
    reply.closing.push_async_callback(closing.aclose)
    return reply


async def _reply_of(
    response: aiohttp.ClientResponse,
    wire: Wire,
    refused: Callable[[int, Mapping[str, Any]], ApiError],
    rewrite: Callable[[bytes], bytes] | None,
    *,
    streams: bool,
) -> Reply:
    if response.status != 200:
        error = refused(response.status, _error_of(await _whole(response)))
        raise _with_patience(error, response.headers.get("Retry-After"))
    if streams:
        if response.content_type != "text/event-stream":
            raise LostError(f"answered with {response.content_type} instead of a stream")
        return await _begun(response, wire, refused, rewrite)
    data = await _whole(response)
    _require_json(data)
    return Reply(200, "application/json", rewrite(data) if rewrite else data)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise LostError("answered with more than lmpm takes")
        parts.append(chunk)
    return b"".join(parts)


def _require_json(data: bytes) -> None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LostError("answered with what is not JSON") from error
    if not isinstance(found, dict | list):
        raise LostError("answered with what is not an object")


def _error_of(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {"message": str(found)}


def _with_patience(error: ApiError, retry_after: str | None) -> ApiError:
    if retry_after and retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6:
        error.retry_after_s = float(retry_after)
    return error


async def _begun(
    response: aiohttp.ClientResponse,
    wire: Wire,
    refused: Callable[[int, Mapping[str, Any]], ApiError],
    rewrite: Callable[[bytes], bytes] | None,
) -> Reply:
    """The reply once an event has come that says something."""
    held = b""
    seen = 0
    async for chunk in response.content.iter_any():
        held = _without_pings(held + chunk) if seen == 0 else held + chunk
        end = held.rfind(b"\n\n") + 2
        if end > seen + 1:
            for event in events_of(held[seen:end]):
                if (error := error_in(event)) is not None:
                    raise refused(int(error.get("code") or 500) if str(error.get("code")).isdigit() else 500, error)
                if says_something(event):
                    return _streaming(response, wire, held, rewrite)
            seen = end
        if len(held) > MAX_OPENING_BYTES:
            raise LostError("streamed much and said nothing")
    raise LostError("ended before it said anything")


def _without_pings(data: bytes) -> bytes:
    """A beginning without the empty comments that keep a silent connection alive."""
    while data.startswith(PING):
        data = data[len(PING) :]
    return data


def _streaming(
    response: aiohttp.ClientResponse, wire: Wire, held: bytes, rewrite: Callable[[bytes], bytes] | None
) -> Reply:
    pending, held = b"", with_opening(wire, held)
    if rewrite:
        whole = held.rfind(b"\n\n") + 2
        held, pending = rewrite(held[:whole]), held[whole:]
    reply = Reply(200, "text/event-stream", held)
    chunks = _rest(response, wire, reply)
    reply.rest = _rewritten(chunks, rewrite, pending) if rewrite else chunks
    return reply


async def _rest(response: aiohttp.ClientResponse, wire: Wire, reply: Reply) -> AsyncIterator[bytes]:
    """The chunks as they come, and where the server goes away before the end an event that says so.

    This is run for every token: what it does not need, it does not do.
    """
    tail, ending = reply.tail, wire.ending
    is_whole = ending in reply.first
    try:
        async for chunk in response.content.iter_any():
            tail.append(chunk)
            is_whole = is_whole or ending in chunk
            yield chunk
        cause = "ended in the middle of its answer"
    except TimeoutError:
        cause = "fell silent in the middle of its answer"
    except BROKEN:
        cause = "went away in the middle of its answer"
    end = b"".join(tail)
    if is_whole or ending in end:
        return
    reply.is_cut = True
    if b'data: {"error"' not in end:
        yield b"\n\n" + ApiError(502, f"The model {cause}", code="interrupted").event(anthropic=wire.is_anthropic)


async def _rewritten(
    chunks: AsyncIterator[bytes], rewrite: Callable[[bytes], bytes], pending: bytes
) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        pending += chunk
        end = pending.rfind(b"\n\n") + 2
        if end > 1:
            yield rewrite(pending[:end])
            pending = pending[end:]
    if pending:
        yield pending


def connect(url: str, *, silence_s: float) -> tuple[aiohttp.ClientSession, str]:
    """A session for one server, and where its paths begin.

    Each request has a connection of its own: llama-server closes an idle one at times just when the next request goes
    out, and a kept one holds a thread of it.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=silence_s)
    if url.startswith("unix://"):
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(url.removeprefix("unix://"), force_close=True, limit=0)
        url = "http://localhost"
    else:
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False), url


async def wait_for(condition: Callable[[], bool], seconds: float, step_s: float = 0.02) -> bool:
    """Whether a condition comes true within so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(step_s)
    return True
