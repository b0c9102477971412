"""Hostile requests: huge, deep, of wrong types, not UTF-8, cut off, flooded. None crashes, hangs or grows the front."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from lmpm.server import front as fronts, server as servers
from tests.server.deployments import Fake
from tests.server.fronts import Client, front

PATHS = (
    "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens",
    "/v1/embeddings", "/v1/rerank", "/infill", "/tokenize", "/completion", "/apply-template",
)  # fmt: skip
FIELDS = (
    "model", "messages", "prompt", "input", "stream", "max_tokens", "tools", "tool_choice", "stop", "temperature", "n",
    "logprobs", "response_format", "lmpm", "stream_options", "content", "query", "documents", "system", "grammar",
)  # fmt: skip
GOOD: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}


BOMB = gzip.compress(b" " * 10_000_000)


def value(rng: random.Random, depth: int = 0) -> Any:
    plain: list[Any] = [
        None, True, False, 0, -1, 1, 2**63, 1e308, -0.0, "", "chat", "\ud800", "\0", "ä" * 50, "x" * 5000, [], {},
        "auto",
    ]  # fmt: skip
    if depth > 4 or rng.random() < 0.5:
        return rng.choice(plain)
    if rng.random() < 0.5:
        return [value(rng, depth + 1) for _ in range(rng.randint(0, 5))]
    return {rng.choice(FIELDS): value(rng, depth + 1) for _ in range(rng.randint(0, 5))}


def mutated(rng: random.Random) -> bytes:
    kind = rng.randrange(10)
    if kind == 0:
        return b"[" * rng.choice([50, 5000, 200_000])
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randint(0, 300)))
    if kind == 2:
        return b'{"model": "chat", "messages": ' + b'{"a":' * 300 + b"1" + b"}" * 301
    if kind == 3:
        return json.dumps(GOOD).encode()[: rng.randint(0, 60)]
    if kind == 4:
        return b'{"model": "chat", "temperature": ' + rng.choice([b"NaN", b"1e999", b"-Infinity", b"1" * 6000]) + b"}"
    if kind == 5:
        return json.dumps(value(rng)).encode()
    body = GOOD | {rng.choice(FIELDS): value(rng) for _ in range(rng.randint(1, 4))}
    if kind == 6:
        del body[rng.choice(list(body))]
    data = json.dumps(body).encode()
    if kind == 7:
        place = rng.randrange(len(data))
        data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    return data


def test_a_thousand_mutated_bodies(tmp_path: Path) -> None:
    rng = random.Random(18)

    async def main() -> None:
        model = Fake("chat", tokens=1, interval_s=0)
        async with front(tmp_path, model) as client:
            async with asyncio.timeout(300):
                for start in range(0, 1000, 20):
                    sent = [(rng.choice(PATHS), mutated(rng)) for _ in range(start, start + 20)]
                    kind = {"Content-Type": "application/json"}
                    answers = await asyncio.gather(
                        *(client.send("POST", path, data=data, headers=kind) for path, data in sent)
                    )
                    for (path, data), answer in zip(sent, answers, strict=True):
                        assert answer.status != 500, (path, data[:500], answer.data)
                        assert answer.status in (200, 400, 404, 413, 502, 503), (answer.status, path, data[:500])
                        if answer.status == 400:
                            assert answer.error["message"]
            assert (await client.chat("chat")).status == 200
            assert model.opened == 1, "none brought the worker down"
            assert client.server.pool.workers["chat"].active == 0
            assert client.server.front.active == 0

    asyncio.run(main())


async def raw(client: Client, data: bytes, *, wait_s: float = 5) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(wait_s):
            return await reader.read(4000)
    finally:
        writer.close()


def test_hostile_heads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("chat")) as client:
            flood = b"".join(b"X-%d: y\r\n" % number for number in range(5000))
            long = b"X: " + b"y" * 200_000 + b"\r\n"
            for head in (
                flood,
                long,
                b"Host: a\r\nHost: b\r\n",
                b"Authorization: Bearer \0sk-secret\r\n",
                b"Content-Length: -1\r\n",
            ):
                said = await raw(client, b"GET /v1/models HTTP/1.1\r\n" + head + b"\r\n")
                assert said[:10] in (b"HTTP/1.0 4", b"HTTP/1.1 4", b""), said[:100]
            for line in (b"GET " + b"/" * 100_000 + b" HTTP/1.1", b"\0\0\0", b"GET / HTTP/9.9"):
                said = await raw(client, line + b"\r\n\r\n")
                assert not said.startswith(b"HTTP/1.1 2"), said[:100]
            assert (await client.get("/health")).status == 200

    asyncio.run(main())
    assert "sk-secret" not in caplog.text
    assert caplog.records == []


def test_a_client_that_reads_nothing_frees_its_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fronts, "STALL_S", 0.3)

    async def main() -> None:
        async with front(tmp_path, Fake("chat", tokens=1_000_000, interval_s=0, slots=1)) as client:
            _, writer = await asyncio.open_connection("127.0.0.1", client.server.port, limit=1024)
            data = json.dumps({"messages": GOOD["messages"], "stream": True}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
            writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + data)
            await writer.drain()
            async with asyncio.timeout(60):
                while not client.server.pool.workers["chat"].active:
                    await asyncio.sleep(0.01)
                while client.server.pool.workers["chat"].active:
                    await asyncio.sleep(0.05)
            assert (await client.chat("chat")).status == 200
            writer.close()

    asyncio.run(main())


def test_a_body_that_is_too_large_or_too_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fronts, "BODY_S", 0.3)
    monkeypatch.setattr(fronts, "MAX_BODY_BYTES", 100_000)

    async def main() -> None:
        async with front(tmp_path, Fake("chat")) as client:
            large = await client.send(
                "POST", "/v1/chat/completions", data=b" " * 200_000, headers={"Content-Type": "application/json"}
            )
            assert large.status == 413
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            said = await raw(client, head + b"Content-Length: 1000\r\n\r\n{", wait_s=10)
            assert said.startswith(b"HTTP/1.1 408")
            assert client.server.front.active == 0

    asyncio.run(main())


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\n", b"GET /health HT"])
def test_a_head_that_is_too_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """A letter now and then keeps no connection open."""
    monkeypatch.setattr(servers, "IDLE_S", 0.5)

    async def main() -> None:
        async with front(tmp_path, Fake("chat")) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.server.port)
            writer.write(sent)
            over = asyncio.create_task(reader.read())
            async with asyncio.timeout(20):
                while not over.done():
                    with contextlib.suppress(ConnectionError):
                        writer.write(b"x" if sent else b"")
                    await asyncio.wait([over], timeout=0.1)
            assert b"200 OK" not in await over
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("head", "body", "status", "words"),
    [
        (b"Content-Encoding: gzip\r\nContent-Length: 4\r\n", b"gzip", 415, b"compressed"),
        (
            b"Content-Encoding: gzip\r\nContent-Length: 200\r\n",
            gzip.compress(b" " * 100_000_000)[:200],
            415,
            b"compressed",
        ),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\nzz\r\n", 400, b""),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhe\r\n0\r\n\r\n", 400, b""),
        (b"Expect: coffee\r\nContent-Length: 2\r\n", b"{}", 417, b""),
        (b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"{}", 100, b""),
    ],
)
def test_bodies_in_other_clothes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, head: bytes, body: bytes, status: int, words: bytes
) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("chat")) as client:
            asked = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            said = await raw(client, asked + head + b"\r\n" + body, wait_s=30)
            assert said.split()[1] == b"%d" % status and words in said, said
            assert client.server.front.active == 0

    asyncio.run(main())
    assert caplog.records == []


def test_a_base_url_without_its_end_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("chat")) as client:
            said = await client.post("/chat/completions", {})
            assert said.status == 404 and "ends in /v1" in said.error["message"]
            assert "ends in" not in (await client.get("/v1/nothing")).error["message"]

    asyncio.run(main())
