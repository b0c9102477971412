"""Models come, go, crash and share the memory; requests notice as little of it as can be."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lmpm.server.problem import ApiError
from lmpm.server.wire import CHAT
from tests.server.deployments import Fake, Real
from tests.server.fronts import Answer, front, together


def test_twenty_requests_start_a_cold_model_once(tmp_path: Path) -> None:
    async def main() -> None:
        model = Real("sql", task="text-to-sql")
        async with front(tmp_path, model) as client:
            answers = await asyncio.gather(*(client.chat("sql", f"hi {number}") for number in range(20)))
            assert together(answers) == [200] * 20
            assert model.opened == 1

    asyncio.run(main())


def test_a_worker_killed_while_idle_is_not_noticed(tmp_path: Path) -> None:
    async def main() -> None:
        model = Real("sql", task="text-to-sql")
        async with front(tmp_path, model) as client:
            await client.chat("sql")
            model.kill()
            answers = await asyncio.gather(*(client.chat("sql", stream=stream) for stream in (True, False)))
            assert together(answers) == [200, 200]
            assert model.opened == 2

    asyncio.run(main())


def test_a_worker_killed_in_an_answer_ends_it_with_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        model = Fake("chat", tokens=1000, interval_s=0.01)
        async with front(tmp_path, model) as client:
            body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            async with client.session.post(client.server.url + "/v1/chat/completions", json=body) as response:
                await response.content.readuntil(b"w3")
                model.kill()
                rest = await response.content.read()
            assert b'data: {"error"' in rest
            assert b"interrupted" in rest
            assert b"[DONE]" not in rest
            assert (await client.chat("chat")).status == 200

    asyncio.run(main())


def test_a_client_that_leaves_frees_its_slot(tmp_path: Path) -> None:
    async def main() -> None:
        model = Fake("chat", tokens=100_000, interval_s=0.01, slots=1)
        async with front(tmp_path, model) as client:
            body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            async with client.session.post(client.server.url + "/v1/chat/completions", json=body) as response:
                await response.content.readuntil(b"w3")
            async with asyncio.timeout(20):
                assert (await client.chat("chat", max_tokens=1)).text == "hi"
                while client.server.pool.workers["chat"].active:
                    await asyncio.sleep(0.01)

    asyncio.run(main())


def test_one_that_crashes_again_and_again_is_tried_less_and_less(tmp_path: Path) -> None:
    async def main() -> None:
        model = Fake("chat")
        model.broken = "the file is damaged"
        async with front(tmp_path, model) as client:
            first = await client.chat("chat")
            assert (first.status, first.error["code"]) == (503, "model_failed")
            assert "the file is damaged" in first.error["message"]
            assert int(first.headers["Retry-After"]) >= 1
            assert await client.state("chat") == "failed"
            answers = await asyncio.gather(*(client.chat("chat") for _ in range(10)))
            assert together(answers) == [503] * 10
            assert model.opened == 1
            model.broken = ""
            await asyncio.sleep(1.1)
            assert (await client.chat("chat")).status == 200

    asyncio.run(main())


def test_the_one_used_longest_ago_makes_room(tmp_path: Path) -> None:
    async def main() -> None:
        models = [Fake(name, need=40) for name in ("a", "b", "c")]
        async with front(tmp_path, *models, budget=100) as client:
            for name in ("a", "b", "a", "c"):
                assert (await client.chat(name)).status == 200
                assert client.server.pool.taken <= 100
            assert [await client.state(name) for name in ("a", "b", "c")] == ["ready", "unloaded", "ready"]

    asyncio.run(main())


def test_all_are_answered_where_only_one_fits(tmp_path: Path) -> None:
    async def main() -> None:
        models = [Fake(name, need=80, tokens=3) for name in ("a", "b")]
        async with front(tmp_path, *models, budget=100) as client:
            answers = await asyncio.gather(*(client.chat("ab"[number % 2], f"n{number}") for number in range(12)))
            assert together(answers) == [200] * 12
            assert [answer.text.split()[0] for answer in answers] == [f"n{number}" for number in range(12)]

    asyncio.run(main())


def test_one_that_never_fits_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("a", need=200), budget=100) as client:
            said = await client.chat("a")
            assert (said.status, said.error["code"]) == (503, "out_of_memory")

    asyncio.run(main())


def test_idle_models_are_unloaded_and_come_back(tmp_path: Path) -> None:
    async def main() -> None:
        model = Real("sql", task="text-to-sql")
        async with front(tmp_path, model, idle_s=0.3) as client:
            await client.chat("sql")
            async with asyncio.timeout(10):
                while await client.state("sql") != "unloaded":
                    await asyncio.sleep(0.05)
            assert (await client.chat("sql")).status == 200
            assert model.opened == 2

    asyncio.run(main())


def test_a_full_queue_is_said_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        model = Fake("chat", tokens=50, interval_s=0.02, slots=1)
        async with front(tmp_path, model) as client:
            await client.chat("chat", max_tokens=1)
            answers = await asyncio.gather(*(client.chat("chat", max_tokens=3) for _ in range(40)))
            refused = [answer for answer in answers if answer.status == 429]
            assert together([answer for answer in answers if answer.status != 429]) == [200] * 17  # one, and its queue
            assert refused
            assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
            assert all(answer.error["code"] == "queue_full" for answer in refused)

    asyncio.run(main())


def test_stopping_lets_answers_end_and_takes_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        model = Fake("chat", tokens=30, interval_s=0.02)
        async with front(tmp_path, model) as client:
            running = asyncio.create_task(client.chat("chat", stream=True, max_tokens=30))
            while not client.server.pool.workers["chat"].active:
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(client.server.stop())
            await asyncio.sleep(0.05)
            late: Answer | None = None
            with contextlib.suppress(aiohttp.ClientError):
                late = await client.chat("chat")
            assert late is None or late.status == 503
            assert (await running).is_whole
            await stopping
            assert not model.running[-1].is_alive()

    asyncio.run(main())


def test_a_changed_lock_is_taken_up_without_dropping_a_stream(tmp_path: Path) -> None:
    from lmpm.server import Site

    async def main() -> None:
        old, kept, new = Fake("chat", tokens=60, interval_s=0.05), Fake("other"), Fake("chat")
        new.identity = "another"
        sites = [Site(deployments=[new, kept])]
        changed = asyncio.Event()

        def reload() -> Site | None:
            return sites.pop() if changed.is_set() and sites else None

        async with front(tmp_path, old, kept, reload=reload) as client:
            await client.chat("other")
            running = asyncio.create_task(client.chat("chat", stream=True, max_tokens=60))
            await asyncio.sleep(0.3)
            changed.set()
            async with asyncio.timeout(10):
                while sites:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.1)
                assert (await client.chat("chat")).status == 200
                assert (await running).is_whole
                while old.running[-1].is_alive():
                    await asyncio.sleep(0.05)
            assert (old.opened, new.opened, kept.opened) == (1, 1, 1)
            assert (await client.chat("other")).status == 200
            assert kept.opened == 1

    asyncio.run(main())


class Gated(Fake):
    """A model that loads, and arrives, only when the test says so."""

    def __init__(self, name: str, *, here: bool = True) -> None:
        super().__init__(name)
        self.here, self.gate, self.began = here, threading.Event(), threading.Event()

    def is_here(self) -> bool:
        return self.here

    def _wait(self) -> None:
        self.began.set()
        assert self.gate.wait(60)

    def bring(self, progress: Callable[[int, int], None]) -> None:
        self._wait()

    def _open(self) -> Any:
        self._wait()
        return super()._open()


def test_a_stop_waits_for_no_loading_and_leaves_nothing(tmp_path: Path) -> None:
    model, coming = Gated("chat"), Gated("coming", here=False)

    async def main() -> None:
        async with front(tmp_path, model, coming, drain_s=0.1) as client:
            asked = asyncio.create_task(client.chat("chat"))
            for item in (model, coming):
                await asyncio.to_thread(item.began.wait)
            await client.server.stop()
            with contextlib.suppress(aiohttp.ClientError):
                assert (await asked).status == 503
            assert not model.running, "it still loads"
            for item in (model, coming):
                item.gate.set()
            async with asyncio.timeout(30):
                while not model.running or model.running[-1].is_alive():
                    await asyncio.sleep(0.02)

    asyncio.run(main())


def test_many_downloads_hold_up_nobody(tmp_path: Path) -> None:
    coming = [Gated(f"coming{number}", here=False) for number in range(40)]

    async def main() -> None:
        async with front(tmp_path, Fake("chat"), *coming) as client:
            async with asyncio.timeout(30):
                assert (await client.chat("chat")).status == 200
            for item in coming:
                item.here = True
                item.gate.set()

    asyncio.run(main())


def test_ending_goes_on_where_who_asked_for_it_is_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        model = Fake("chat")
        async with front(tmp_path, model) as client:
            worker = client.server.pool.workers["chat"]
            for is_lost in (False, True):
                assert (await client.chat("chat")).status == 200
                loaded = worker.loaded
                assert loaded is not None
                ending = asyncio.create_task(worker.lost(loaded, is_silent=True) if is_lost else worker.unload())
                while worker.loaded is not None:
                    await asyncio.sleep(0)
                ending.cancel()
                async with asyncio.timeout(10):
                    while loaded.running.is_alive() or not loaded.session.closed:
                        await asyncio.sleep(0.01)

    asyncio.run(main())


def test_one_that_asks_for_a_model_of_before_gets_that_of_now(tmp_path: Path) -> None:
    """A request may hold the old model while another target is tried."""

    async def main() -> None:
        old, new = Fake("chat"), Fake("chat")
        new.identity = "another"
        async with front(tmp_path, old) as client:
            pool, router = client.server.pool, client.server.router
            before = pool.workers["chat"]
            route = router.find("chat")
            targets, _ = router.plan(route, "local-only", CHAT)
            pool.replace([new])
            async with asyncio.timeout(10):
                while pool._retired:
                    await asyncio.sleep(0.01)
            body = {"messages": [{"role": "user", "content": "hi"}]}
            reply = await router._ask(targets[0], route, CHAT, body, alternatives=False)
            await reply.close()
            assert (old.opened, new.opened) == (0, 1)
            with pytest.raises(ApiError, match="no longer served"):
                await before.ready()

    asyncio.run(main())
