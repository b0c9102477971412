"""An answer that has begun, and the rest of it as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp

from lmpm.server.problem import ApiError
from lmpm.server.wire import events_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.server.wire import Wire

KEPT_CHUNKS: Final = 4  # of the end of a stream: they hold its last event
BROKEN: Final = (aiohttp.ClientError, ConnectionError, EOFError)


class Chunks(Protocol):
    """The rest of a stream."""

    async def read(self) -> bytes:
        """What has come since the last time; empty at the end."""


class Reply:
    """An answer that has begun: what of it has arrived, and the rest, if there is more. It must be closed."""

    def __init__(self, status: int, content_type: str, first: bytes) -> None:
        self.status, self.content_type, self.first = status, content_type, first
        self.rest: Chunks | None = None
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


class Arriving:
    """The chunks of a response as they arrive, and where its server goes away before the end an event that says so.

    `read` is run for every token: what it does not need, it does not do.
    """

    def __init__(self, response: aiohttp.ClientResponse, wire: Wire, reply: Reply) -> None:
        self._content, self._wire, self._reply, self._tail = response.content, wire, reply, reply.tail
        self._is_whole = wire.ending in reply.first
        self._stall = Stall(_take_timeout(response), lambda: response.content.set_exception(TimeoutError()))
        reply.closing.callback(self._stall.forget)

    async def read(self) -> bytes:
        """What has come since the last time; empty at the end."""
        cause = "ended"
        try:
            chunk = await self._content.readany()
        except TimeoutError:
            chunk, cause = b"", "fell silent"
        except BROKEN:
            chunk, cause = b"", "went away"
        if not chunk:
            return self._end(cause)
        self._stall.moves += 1
        self._tail.append(chunk)
        if not self._is_whole:
            self._is_whole = self._wire.ending in chunk
        return chunk

    def _end(self, cause: str) -> bytes:
        end = b"".join(self._tail)
        if self._reply.is_cut or self._is_whole or self._wire.ending in end:
            return b""
        self._reply.is_cut = True
        if b'data: {"error"' in end:
            return b""
        error = ApiError(502, f"The model {cause} in the middle of its answer", code="interrupted")
        return b"\n\n" + error.event(anthropic=self._wire.is_anthropic)


def _take_timeout(response: aiohttp.ClientResponse) -> float | None:
    """How long its server may be silent, in seconds; aiohttp does not look after that any more."""
    protocol = response.connection.protocol if response.connection is not None else None
    if protocol is None:  # all of it is here
        return None
    seconds, protocol.read_timeout = protocol.read_timeout, None
    return seconds


class Rewritten:
    """The same with whole events changed on their way. `pending` is the beginning of one that has arrived."""

    def __init__(self, chunks: Chunks, rewrite: Callable[[bytes], bytes], pending: bytes) -> None:
        self._chunks, self._rewrite, self._pending = chunks, rewrite, pending

    async def read(self) -> bytes:
        """What has come since the last time; empty at the end."""
        while chunk := await self._chunks.read():
            self._pending += chunk
            end = self._pending.rfind(b"\n\n") + 2
            if end > 1:
                whole, self._pending = self._pending[:end], self._pending[end:]
                return self._rewrite(whole)
        left, self._pending = self._pending, b""
        return left


class Stall:
    """Calls `act` where nothing has moved for `seconds`, at the latest after twice that; None: never.

    It has one timer for all of an answer: one for each token would cost more than to hand that on.
    """

    def __init__(self, seconds: float | None, act: Callable[[], object]) -> None:
        self.moves = 0  # counted on by who knows that something has
        self._seen = -1
        self._seconds, self._act = seconds, act
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def _look(self) -> None:
        if self.moves == self._seen:
            self._act()
        self._seen = self.moves
        if self._seconds:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def forget(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
