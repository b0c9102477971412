"""A fake engine: llama-server's wire with known timings, without a model. For load and faults alone.

`python fake_engine.py SOCKET KEY TOKENS INTERVAL_S` listens at a UNIX socket and prints `ready`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiohttp import web


def _chunk(delta: dict[str, Any], end: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": end}]
    event = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": choices}
    return b"data: " + json.dumps(event | more).encode() + b"\n\n"


class FakeEngine:
    def __init__(self, key: str, tokens: int, interval_s: float) -> None:
        self.key, self.tokens, self.interval_s = key, tokens, interval_s
        self.asked: list[dict[str, Any]] = []

    async def chat(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "no", "type": "authentication_error"}}, status=401)
        body = await request.json()
        tokens = min(self.tokens, body.get("max_tokens") or self.tokens)
        said = str(body["messages"][-1].get("content", ""))
        timings = {"prompt_n": 3, "cache_n": 0, "predicted_n": tokens}
        usage = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": tokens + 3}
        if not body.get("stream"):
            await asyncio.sleep(self.interval_s * tokens)
            message = {"role": "assistant", "content": said}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            return web.json_response({"id": "x", "object": "chat.completion", "choices": choices, "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(_chunk({"role": "assistant", "content": None}))
        for number in range(tokens):
            await asyncio.sleep(self.interval_s)
            await response.write(_chunk({"content": f"{said} " if number == 0 else f"w{number} "}))
        await response.write(_chunk({}, "stop", usage=usage, timings=timings))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def props(self, _request: web.Request) -> web.Response:
        return web.json_response({"modalities": {"vision": False, "audio": False}, "total_slots": 1})

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/props", self.props)
        return app


async def main(socket: str, key: str, tokens: str, interval_s: str) -> None:
    runner = web.AppRunner(
        FakeEngine(key, int(tokens), float(interval_s)).application(), handler_cancellation=True, access_log=None
    )
    await runner.setup()
    await web.UnixSite(runner, socket).start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # the parent's end is ours


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
