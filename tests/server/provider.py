"""A provider on loopback that can be slow, cut, busy, broken or wrong; it keeps everything that reached it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from lmpm.cloud import Provider

Mood = Literal[
    "well", "slow", "cut", "cut-early", "silent", "429", "500", "401", "400", "redirect", "html", "garbage", "mute",
    "error-event",
]  # fmt: skip
KEY = "sk-of-the-provider"


@dataclass
class LoopbackProvider:
    """`asked` is the egress: every body that arrived. `keys` are the tokens that came with them."""

    mood: Mood = "well"
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    port: int = 0
    retry_after: str | None = None
    words: tuple[str, ...] = ("from", " the", " cloud")
    usage: dict[str, int] = field(default_factory=dict)

    @property
    def record(self) -> Provider:
        return Provider(
            name="big", base_url=f"http://127.0.0.1:{self.port}/v1", model="gpt-4o-mini", api_key_env="OPENAI_API_KEY"
        )

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        if self.mood in ("429", "500", "401", "400"):
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            error = {"message": f"mood {self.mood}", "type": "x", "code": "some_code", "param": "messages"}
            return web.json_response({"error": error}, status=int(self.mood), headers=headers)
        if self.mood == "redirect":
            raise web.HTTPTemporaryRedirect("http://127.0.0.1:9/elsewhere")
        if self.mood == "html":
            return web.Response(text="<html>captive portal</html>", content_type="text/html")
        if self.mood == "silent":
            await asyncio.sleep(30)
        if self.mood == "slow":
            await asyncio.sleep(0.6)
        if not body.get("stream"):
            if self.mood == "garbage":
                return web.Response(text="{not json", content_type="application/json")
            message = {"role": "assistant", "content": "from the cloud"}
            return web.json_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        words = () if self.mood == "cut-early" else self.words
        if self.mood in ("cut", "cut-early"):
            await response.write(_event({"role": "assistant"}))
            for word in words[:2]:
                await response.write(_event({"content": word}))
            assert request.transport is not None
            await asyncio.sleep(0.05)
            request.transport.abort()
            return response
        if self.mood == "garbage":
            await response.write(b"data: {not json\n\nhello\n\n")
            await response.write_eof()
            return response
        if self.mood == "error-event":
            await response.write(b'data: {"error": {"message": "overloaded", "code": 503}}\n\n')
            await response.write_eof()
            return response
        for word in () if self.mood == "mute" else words:
            await response.write(_event({"content": word}))
        if self.usage:
            await response.write(b"data: " + json.dumps({"choices": [], "usage": self.usage}).encode() + b"\n\n")
        if self.mood != "mute":
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _event(delta: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode() + b"\n\n"


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[LoopbackProvider]:
    made = LoopbackProvider()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", made.chat)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def provider_thread() -> Iterator[LoopbackProvider]:
    """The provider in a thread of its own, for programs that ask it without a loop."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    made: list[LoopbackProvider] = []

    async def serve() -> None:
        async with provider() as found:
            made.append(found)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
