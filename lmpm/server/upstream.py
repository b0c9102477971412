"""Asking a server that speaks OpenAI's API and handing on its answer: a worker here, or a provider in the cloud."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from lmpm.server.reply import BROKEN, Arriving, Reply, Rewritten
from lmpm.server.wire import error_in, events_of, says_something, with_opening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.server.problem import ApiError
    from lmpm.server.wire import Wire

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024  # vectors of many texts
MAX_OPENING_BYTES: Final = 1024 * 1024  # of a stream that says nothing
PING: Final = b":\n\n"


class LostError(Exception):
    """The server went away, or fell silent, before its answer began."""

    def __init__(self, reason: str, *, is_silent: bool = False) -> None:
        super().__init__(reason)
        self.is_silent = is_silent


async def ask(
    session: aiohttp.ClientSession,
    url: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    wire: Wire,
    refused: Callable[[int, Mapping[str, Any]], ApiError],
    *,
    rewrite: Callable[[bytes], bytes] | None = None,
    begins: Callable[[Mapping[str, Any]], bool] = says_something,
) -> Reply:
    """Send a request, and wait until its answer has begun: its first words, or all of it where it is no stream.

    `refused` makes an error of what the server says instead. `rewrite` changes whole events on their way. `begins` says
    which event of a stream is its beginning. Raises ApiError, and LostError when the server goes away before that.
    """
    closing = contextlib.AsyncExitStack()
    if session.closed:
        raise LostError("was ended")
    try:
        response = await session.post(url, data=json.dumps(body).encode(), headers=headers)
        closing.callback(response.close)
        reply = await _reply_of(response, wire, refused, rewrite, begins if body.get("stream") else None)
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
    begins: Callable[[Mapping[str, Any]], bool] | None,
) -> Reply:
    if response.status != 200:
        error = refused(response.status, _error_of(await _whole(response)))
        raise _with_patience(error, response.headers.get("Retry-After"))
    if begins is not None:
        if response.content_type != "text/event-stream":
            raise LostError(f"answered with {response.content_type} instead of a stream")
        return await _begun(response, wire, refused, rewrite, begins)
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
    begins: Callable[[Mapping[str, Any]], bool],
) -> Reply:
    """The reply once an event has come that says something."""
    held = b""
    seen = 0
    async for chunk in response.content.iter_any():
        held = _without_pings(held + chunk) if seen == 0 else held + chunk
        end = held.rfind(b"\n") + 1
        if end > seen:
            for event in events_of(held[seen:end]):
                if (error := error_in(event)) is not None:
                    raise refused(int(error.get("code") or 500) if str(error.get("code")).isdigit() else 500, error)
                if begins(event):
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
    arriving = Arriving(response, wire, reply)
    reply.rest = Rewritten(arriving, rewrite, pending) if rewrite else arriving
    return reply


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
    none = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=none, auto_decompress=False), url


async def wait_for(condition: Callable[[], bool], seconds: float, step_s: float = 0.02) -> bool:
    """Whether a condition comes true within so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(step_s)
    return True
