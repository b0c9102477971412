"""A client that measures: many requests at once over HTTP, each with the times at which its text came."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from lmpm.benchmark.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from lmpm.benchmark.target import Target

MAX_LINE_BYTES: Final = 16 * 2**20
SHOWN_CHARS: Final = 120  # of an error


def ask_all(
    target: Target,
    prompts: Sequence[str],
    *,
    concurrency: int,
    max_tokens: int,
    timeout_s: float = 600.0,
    most_s: float = math.inf,
) -> list[Sample]:
    """Put every prompt to a target, so many at once; what fails is a sample with an error.

    After `most_s` seconds no further one is put.
    """
    if target.asker is not None:
        return target.asker(prompts, concurrency=concurrency, max_tokens=max_tokens, most_s=most_s)
    asking = _ask_all(target, prompts, concurrency, max_tokens, timeout_s, most_s)
    loop = asyncio.new_event_loop()  # in a thread of its own: one may run in this thread
    with contextlib.closing(loop), ThreadPoolExecutor(1) as pool:
        task = loop.create_task(asking)
        answers = pool.submit(loop.run_until_complete, task)
        try:
            return answers.result()
        except BaseException:  # Ctrl-C ends the answers that are being written
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)
            raise


async def _ask_all(
    target: Target,
    prompts: Sequence[str],
    concurrency: int,
    max_tokens: int,
    timeout_s: float,
    most_s: float,
) -> list[Sample]:
    import aiohttp

    # a connection a request: a server that closes an idle one just then would be counted as an error of its own
    connector: aiohttp.BaseConnector = (
        aiohttp.UnixConnector(target.socket, force_close=True, limit=0)
        if target.socket
        else aiohttp.TCPConnector(force_close=True, limit=0)
    )
    waiting = asyncio.Queue[str]()
    for prompt in prompts:
        waiting.put_nowait(prompt)
    samples: list[Sample] = []
    until = time.perf_counter() + most_s
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def work() -> None:
            while not waiting.empty() and time.perf_counter() < until:
                samples.append(await _ask(session, target, waiting.get_nowait(), max_tokens))

        await asyncio.gather(*(work() for _ in range(min(concurrency, len(prompts)))))
    return samples


async def _ask(session: aiohttp.ClientSession, target: Target, prompt: str, max_tokens: int) -> Sample:
    """One streamed answer."""
    import aiohttp

    body: dict[str, Any] = {
        "model": target.model,
        **({"prompt": prompt} if target.raw else {"messages": [{"role": "user", "content": prompt}]}),
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        **target.options,
    }
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    watch = _Watch()
    try:
        path = "completions" if target.raw else "chat/completions"
        async with session.post(f"{target.base_url}/{path}", json=body, headers=headers) as answer:
            if answer.status != 200:
                return watch.failed(f"status {answer.status}: {_reason(await answer.text())}", is_refused=True)
            async for data in answer.content.iter_any():
                watch.hear(data)
                if watch.is_over:
                    break
    except TimeoutError:
        return watch.failed("no answer in time")
    except aiohttp.ClientConnectorError as error:
        return watch.failed(f"no connection: {error.os_error.strerror or error.os_error}", is_refused=True)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return watch.failed(f"{type(error).__name__}: {error}"[:SHOWN_CHARS], is_refused=not watch.deltas)
    return watch.sample()


class _Watch:
    """What has come of an answer, and when."""

    def __init__(self) -> None:
        self.sent = time.perf_counter()
        self.deltas: list[float] = []
        self.usage: dict[str, Any] = {}
        self.timings: dict[str, Any] = {}
        self.error = ""
        self.is_over = False
        self._begun = b""  # a line whose end has not come yet

    def hear(self, data: bytes) -> None:
        """Take what came at once; all text in it came now."""
        moment = time.perf_counter() - self.sent
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > MAX_LINE_BYTES:
            raise ValueError("a line without an end")
        for line in lines:
            if not self.is_over:
                self._take(line, moment)

    def _take(self, line: bytes, moment: float) -> None:
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        if data == b"[DONE]":
            self.is_over = True
            return
        event = json.loads(data)
        if "error" in event:
            self.error, self.is_over = f"in the stream: {_reason(data.decode('utf-8', 'replace'))}", True
            return
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            if delta.get("content") or delta.get("reasoning_content") or choice.get("text"):
                self.deltas.append(moment)
        self.usage = event.get("usage") or self.usage
        self.timings = event.get("timings") or self.timings

    def sample(self) -> Sample:
        """The whole answer, or an error where it is none."""
        if self.error:
            return self.failed(self.error)
        if not self.is_over:
            return self.failed("the stream was cut off")
        if not self.deltas:
            return self.failed("an empty answer")
        details = self.usage.get("prompt_tokens_details") or {}
        return Sample(
            sent_s=self.sent,
            ended_s=time.perf_counter() - self.sent,
            deltas=tuple(self.deltas),
            prompt_tokens=int(self.usage.get("prompt_tokens") or 0),
            tokens=int(self.usage.get("completion_tokens") or len(self.deltas)),
            counted="completion_tokens" in self.usage,
            cached_tokens=int(self.timings.get("cache_n") or details.get("cached_tokens") or 0),
            server_prompt_ms=self.timings.get("prompt_ms"),
            server_decode_ms=self.timings.get("predicted_ms"),
        )

    def failed(self, why: str, *, is_refused: bool = False) -> Sample:
        """A request without a whole answer."""
        ended_s = time.perf_counter() - self.sent
        return Sample(sent_s=self.sent, ended_s=ended_s, error=why, is_refused=is_refused)


def _reason(text: str) -> str:
    """What an error says, whatever its shape."""
    try:
        error = json.loads(text).get("error")
        found = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        found = text
    return " ".join(str(found).split())[:SHOWN_CHARS]
