"""A stand-in for a server, with known times: it is called a stand-in, and proves the clock, never a model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Pace:
    """How it answers: seconds to the first token, seconds between tokens, so many tokens; and its faults by turn."""

    first_s: float = 0.2
    gap_s: float = 0.05
    tokens: int = 11
    faults: dict[int, str] = field(default_factory=dict)  # by the number of the request
    together: int = 1  # tokens that are sent at once, when the last of them is written
    says_timings: bool = True
    says_usage: bool = True
    models: str = ""  # what `/v1/models` says is loaded
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[list[float]] = field(default_factory=list)  # when each piece of text really went out, by perf_counter
    at_once: int = 0
    most_at_once: int = 0


async def _answer(pace: Pace, request: web.Request) -> web.StreamResponse:
    number, chats = len(pace.bodies), request.path.endswith("/chat/completions")
    pace.bodies.append(await request.json())
    fault = pace.faults.get(number, "")
    if fault.isdecimal():
        return web.json_response({"error": {"message": "busy just now"}}, status=int(fault))
    pace.at_once += 1
    pace.most_at_once = max(pace.most_at_once, pace.at_once)
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)

    async def send(*events: object) -> None:
        await stream.write("".join(f"data: {json.dumps(data)}\n\n" for data in events).encode())

    loop = asyncio.get_running_loop()
    start, times = loop.time(), list[float]()
    pace.times.append(times)
    await send({"choices": [{"delta": {"role": "assistant", "content": None}}]})  # as llama.cpp does: no token yet
    for token in range(0 if fault == "empty" else pace.tokens):
        await asyncio.sleep(max(start + pace.first_s + token * pace.gap_s - loop.time(), 0))
        if (token + 1) % pace.together and token + 1 < pace.tokens:
            continue
        times.append(time.perf_counter())
        sent = token % pace.together + 1
        await send(*[{"choices": [{"delta": {"content": "x"}} if chats else {"text": "x"}]}] * sent)
        if fault == "cut" and token == 2:
            request.transport.close() if request.transport else None
            pace.at_once -= 1
            return stream
    last: dict[str, Any] = {"choices": []}
    if pace.says_usage:
        last["usage"] = {"prompt_tokens": 100, "completion_tokens": pace.tokens}
    if pace.says_timings:
        last["timings"] = {
            "cache_n": 20, "prompt_ms": pace.first_s * 1000, "predicted_ms": pace.gap_s * 1000 * (pace.tokens - 1),
        }  # fmt: skip
    await send(last)
    await stream.write(b"data: [DONE]\n\n")
    pace.at_once -= 1
    return stream


@contextlib.contextmanager
def serving(pace: Pace) -> Iterator[str]:
    """The stand-in on a free port of this machine; its base URL."""
    ready, stop = threading.Event(), threading.Event()
    found: list[str] = []

    async def run() -> None:
        app = web.Application()

        async def answer(request: web.Request) -> web.StreamResponse:
            return await _answer(pace, request)

        for path in ("/v1/chat/completions", "/v1/completions"):
            app.router.add_post(path, answer)

        async def models(_: web.Request) -> web.Response:
            return web.json_response({"object": "list", "data": [{"id": pace.models}]})

        app.router.add_get("/v1/models", models)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join(10)
