"""A front under worker kills, faults of the provider, clients that leave, changed locks and stops, by a seed.

After each round: every request was answered, once and with its own words, or with an error that says so; nothing that
is private reached the provider; no slot is held. `benchmarks/serve_torture.py` runs as many rounds as you like.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import aiohttp

from lmpm.cloud import Route
from lmpm.server import Server, Settings, Site
from tests.server.deployments import Fake
from tests.server.fronts import Answer, Client
from tests.server.provider import KEY, LoopbackProvider, Mood

MOODS = [mood for mood in get_args(Mood) if mood != "silent"]
ROUTES = {
    "open": Route(name="open", targets=("a", "cloud:big"), privacy="local-first"),
    "cloud": Route(name="cloud", targets=("cloud:big", "b"), privacy="cloud-ok"),
    "closed": Route(name="closed", targets=("a", "b"), privacy="local-only"),
}
FAILURES = {429, 502, 503, 504}


class Torture:
    """One front after another, and what is asked of it."""

    def __init__(self, folder: Path, seed: int, provider: LoopbackProvider) -> None:
        self.rng, self.folder, self.provider = random.Random(seed), folder, provider
        self.seen: Counter[str] = Counter()
        self._number, self._version = 0, 0
        self.models: dict[str, Fake] = {}
        self.server: Server | None = None

    def _site(self) -> Site:
        self._version += 1
        kept = dict(self.models)
        for name in ("a", "b"):
            if name not in kept or self.rng.random() < 0.5:
                kept[name] = Fake(name, tokens=4, interval_s=0.002, need=60)
                kept[name].identity = (name, self._version)
        self.models = kept
        providers = {"big": self.provider.record}
        return Site(deployments=[*kept.values()], routes=ROUTES, providers=providers, keys={"big": KEY})

    async def start(self) -> None:
        """A new front. Only one of the two models has room."""
        self.server = Server(
            self._site(), Settings(budget=self.rng.choice([100, 1000]), notes=self.folder, port=0, drain_s=10)
        )
        await self.server.start()

    async def stop(self) -> None:
        """End the front."""
        assert self.server is not None
        await self.server.stop()

    async def round(self, session: aiohttp.ClientSession) -> None:
        """Requests, and something that goes wrong meanwhile. Raises AssertionError."""
        assert self.server is not None
        client = Client(self.server, session)
        asked = [asyncio.create_task(self._ask(client)) for _ in range(self.rng.randint(1, 8))]
        await asyncio.sleep(self.rng.random() * 0.05)
        await self._disturb(asked)
        async with asyncio.timeout(120):
            await asyncio.gather(*asked, return_exceptions=False)
        async with asyncio.timeout(20):
            while any(worker.active for worker in self.server.pool.workers.values()):
                await asyncio.sleep(0.01)
        for body in self.provider.asked:
            assert "private" not in str(body), f"sent away: {body}"
        self.provider.asked.clear()

    async def _ask(self, client: Client) -> None:
        self._number += 1
        name = self.rng.choice(["a", "b", "open", "cloud", "closed"])
        headers = {"x-lmpm-privacy": "local-only"} if self.rng.random() < 0.3 else {}
        is_private = name in ("a", "b", "closed") or bool(headers)
        marker = f"{'private' if is_private else 'public'}-{self._number}-"
        stream, leaves = self.rng.random() < 0.6, self.rng.random() < 0.15
        try:
            async with asyncio.timeout(self.rng.random() * 0.03 if leaves else 100):
                said = await client.chat(name, marker, headers=headers, stream=stream)
        except TimeoutError:
            assert leaves, f"{marker} was never answered"
            self.seen["left"] += 1
            return
        except aiohttp.ClientError:
            assert client.server.front.is_draining, f"{marker} lost its connection"
            self.seen["stopped"] += 1
            return
        self._check(said, marker, is_private)

    def _check(self, said: Answer, marker: str, is_private: bool) -> None:
        target = said.headers.get("x-lmpm-target", "")
        if said.status != 200:
            assert said.status in FAILURES | {400}, (said.status, said.data)
            assert said.status != 400 or self.provider.mood in MOODS
            self.seen[f"status {said.status}"] += 1
            return
        assert not (is_private and "cloud" in target), f"{marker} was answered by {target}"
        cut = any("error" in event for event in said.events)
        if cut:
            assert not said.is_whole
            self.seen["cut"] += 1
            return
        assert not said.events or said.is_whole, said.data
        if "cloud" in target:
            assert said.text == "from the cloud"
        else:
            assert said.text.count(marker) == 1, (marker, said.text)
            assert said.text.count("-") == 2, f"{marker} was answered with {said.text}"
        self.seen[target] += 1

    async def _disturb(self, asked: list[asyncio.Task[Any]]) -> None:
        assert self.server is not None
        kind = self.rng.choice(["kill", "kill", "mood", "lock", "unload", "stop", "nothing"])
        self.seen[f"({kind})"] += 1
        loaded = [worker.loaded for worker in self.server.pool.workers.values() if worker.loaded]
        if kind == "kill":
            for item in loaded:
                item.running.kill()  # type: ignore[attr-defined]
        elif kind == "mood":
            self.provider.mood = self.rng.choice([*MOODS, "well", "well"])
            self.server.router._cooling.clear()
        elif kind == "lock":
            site = self._site()
            self.server.pool.replace(site.deployments)
        elif kind == "unload":
            for worker in list(self.server.pool.workers.values()):
                await worker.unload()
        elif kind == "stop":
            await self.stop()
            await asyncio.gather(*asked)
            await self.start()
