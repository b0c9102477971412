"""Fronts for tests, and clients that read them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from lmpm.server import Server, Settings, Site


@dataclass
class Answer:
    """All of an answer. `events` are those of a stream."""

    status: int
    headers: Mapping[str, str]
    data: bytes
    events: list[Any] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def is_whole(self) -> bool:
        return b"data: [DONE]" in self.data

    @property
    def text(self) -> str:
        if not self.events:
            return str(self.json["choices"][0]["message"]["content"])
        deltas = (choice["delta"] for event in self.events for choice in event.get("choices", ()))
        return "".join(delta.get("content") or "" for delta in deltas)


class Client:
    """One who asks a front."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server, self.session = server, session

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, self.server.url + path, **options) as response:
            data = await response.read()
            lines = [line[6:] for line in data.split(b"\n") if line.startswith(b"data: {")]
            return Answer(response.status, response.headers, data, [json.loads(line) for line in lines])

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        return await self.send("POST", path, json=body, headers=headers)

    async def chat(
        self, model: str, text: str = "hi", *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 8, **more}
        return await self.post("/v1/chat/completions", body, **(headers or {}))

    async def state(self, model: str) -> str:
        return str((await self.get(f"/v1/models/{model}")).json["lmpm"]["state"])


@contextlib.asynccontextmanager
async def front(
    tmp_path: Path, *deployments: Any, budget: int = 1 << 40, reload: Any = None, **options: Any
) -> AsyncIterator[Client]:
    """A front on a free port, and a client."""
    fields = {name: options.pop(name) for name in ("routes", "providers", "keys", "spare") if name in options}
    settings = Settings(budget=budget, notes=tmp_path, port=0, **{"drain_s": 5.0, **options})
    server = Server(Site(deployments=deployments, **fields), settings, reload=reload)
    await server.start()
    async with aiohttp.ClientSession() as session:
        try:
            yield Client(server, session)
        finally:
            await server.stop()


def together(answers: Sequence[Answer]) -> list[int]:
    return [answer.status for answer in answers]
