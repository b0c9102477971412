"""Routes: local first, the cloud as the backstop within privacy, and nothing after the first word of an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lmpm.cloud import Privacy, Route
from tests.server.deployments import Fake
from tests.server.fronts import Client, front
from tests.server.provider import KEY, LoopbackProvider, Mood, provider


def route(privacy: Privacy = "local-first", targets: tuple[str, ...] = ("chat", "cloud:big"), **more: Any) -> Route:
    return Route(name="assistant", targets=targets, privacy=privacy, **more)


@contextlib.asynccontextmanager
async def scene(
    tmp_path: Path, *models: Fake, way: Route, key: str | None = KEY
) -> AsyncIterator[tuple[Client, LoopbackProvider]]:
    async with provider() as cloud:
        providers, keys = {"big": cloud.record}, {"big": key}
        async with front(tmp_path, *models, routes={"assistant": way}, providers=providers, keys=keys) as client:
            yield client, cloud


def play(tmp_path: Path, *models: Fake, way: Route, key: str | None = KEY) -> Callable[..., None]:
    def run(act: Callable[[Client, LoopbackProvider], Awaitable[None]]) -> None:
        async def main() -> None:
            async with scene(tmp_path, *models, way=way, key=key) as (client, cloud):
                await act(client, cloud)

        asyncio.run(main())

    return run


def broken(name: str = "chat") -> Fake:
    model = Fake(name)
    model.broken = "the file is damaged"
    return model


def test_the_local_model_answers_and_nothing_leaves(tmp_path: Path) -> None:
    @play(tmp_path, Fake("chat"), way=route(targets=("cloud:big", "chat")))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        said = await client.chat("assistant", "hello")
        assert said.text.startswith("hello")
        assert (said.headers["x-lmpm-target"], said.headers["x-lmpm-reason"]) == ("local", "first")
        assert cloud.asked == []


@pytest.mark.parametrize("stream", [False, True])
def test_the_cloud_is_the_backstop(tmp_path: Path, stream: bool) -> None:
    @play(tmp_path, broken(), way=route())
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        said = await client.chat("assistant", "hello", stream=stream, top_k=3, temperature=0.5)
        assert said.text == "from the cloud"
        assert said.headers["x-lmpm-target"] == "cloud:big"
        assert said.headers["x-lmpm-model"] == "gpt-4o-mini"
        assert said.headers["x-lmpm-reason"] == "local:model_failed"
        assert cloud.keys == [f"Bearer {KEY}"]
        assert cloud.asked[0]["model"] == "gpt-4o-mini"
        assert cloud.asked[0]["temperature"] == 0.5
        assert "top_k" not in cloud.asked[0], "only OpenAI's own fields go there"
        counted = (await client.get("/metrics")).data.decode()
        assert 'lmpm_cloud_requests_total{provider="big",route="assistant"} 1' in counted
        assert 'lmpm_failovers_total{reason="model_failed",route="assistant",target="local"} 1' in counted


@pytest.mark.parametrize("header", [None, "local-only", "cloud-ok"])
def test_local_only_answers_503_and_nothing_leaves(tmp_path: Path, header: str | None) -> None:
    """Even where a record says otherwise than the checks of manifest and lock allow."""

    @play(tmp_path, broken(), way=route("local-only", bridge=("cloud:big",)))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        for stream in (False, True):
            said = await client.chat("assistant", stream=stream, headers={"x-lmpm-privacy": header} if header else {})
            assert said.status == 503
        assert cloud.asked == []


def test_a_request_tightens_and_never_loosens(tmp_path: Path) -> None:
    @play(tmp_path, broken(), way=route("cloud-ok", targets=("cloud:big", "chat")))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        assert (await client.chat("assistant", headers={"x-lmpm-privacy": "local-only"})).status == 503
        assert cloud.asked == []
        wrong = await client.chat("assistant", headers={"x-lmpm-privacy": "locl-only"})
        assert (wrong.status, wrong.error["param"]) == (400, "x-lmpm-privacy"), "a misspelt wish is not passed over"
        assert cloud.asked == []
        assert (await client.chat("assistant")).text == "from the cloud"


def test_only_the_cloud_under_local_only_is_503(tmp_path: Path) -> None:
    @play(tmp_path, Fake("chat"), way=route("local-only", targets=("cloud:big",)))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        said = await client.chat("assistant")
        assert (said.status, said.error["code"]) == (503, "no_target")
        assert cloud.asked == []


@pytest.mark.parametrize("mood", ["429", "500", "cut-early", "html", "garbage", "mute", "redirect", "error-event"])
def test_a_provider_that_fails_is_passed_over_for_a_while(tmp_path: Path, mood: Mood) -> None:
    @play(tmp_path, Fake("chat"), way=route("cloud-ok", targets=("cloud:big", "chat")))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        cloud.mood = mood
        said = await client.chat("assistant", "hello", stream=True)
        assert said.is_whole and said.text.startswith("hello")
        assert said.headers["x-lmpm-target"] == "local"
        assert said.headers["x-lmpm-reason"].startswith("cloud:big:")
        cloud.mood = "well"
        again = await client.chat("assistant", "hello", stream=True)
        assert (again.headers["x-lmpm-target"], len(cloud.asked)) == ("local", 1), "it cools down"


@pytest.mark.parametrize(("mood", "status"), [("400", 400), ("401", 502)])
def test_another_target_is_no_way_around_a_refusal(tmp_path: Path, mood: Mood, status: int) -> None:
    model = Fake("chat")

    @play(tmp_path, model, way=route("cloud-ok", targets=("cloud:big", "chat")))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        cloud.mood = mood
        said = await client.chat("assistant")
        assert said.status == status
        assert KEY not in said.data.decode()
        assert model.opened == 0


def test_after_the_first_word_there_is_an_error_and_no_end(tmp_path: Path) -> None:
    model = Fake("chat")

    @play(tmp_path, model, way=route("cloud-ok", targets=("cloud:big", "chat")))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        cloud.mood = "cut"
        said = await client.chat("assistant", stream=True)
        assert said.status == 200
        assert said.text == "from the"
        assert said.events[-1]["error"]["code"] == "interrupted"
        assert not said.is_whole
        assert model.opened == 0, "nobody writes on what another began"


@pytest.mark.parametrize("mood", ["silent", "slow"])
def test_silence_is_waited_for_only_so_long(tmp_path: Path, mood: Mood) -> None:
    @play(tmp_path, Fake("chat"), way=route("cloud-ok", targets=("cloud:big", "chat"), first_token_timeout=0.2))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        cloud.mood = mood
        said = await client.chat("assistant", "hello", stream=True)
        assert said.text.startswith("hello")
        assert "first_token_timeout" in said.headers["x-lmpm-reason"]


def test_who_is_slow_but_not_too_slow_is_waited_for(tmp_path: Path) -> None:
    @play(tmp_path, Fake("chat"), way=route("cloud-ok", targets=("cloud:big", "chat"), first_token_timeout=20.0))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        cloud.mood = "slow"
        for stream in (False, True):
            said = await client.chat("assistant", "hello", stream=stream)
            assert (said.text, said.headers["x-lmpm-target"]) == ("from the cloud", "cloud:big")
        assert len(cloud.asked) == 2


def test_what_it_asks_to_wait_is_waited(tmp_path: Path) -> None:
    @play(tmp_path, broken(), way=route("cloud-ok", targets=("cloud:big",)))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        cloud.mood, cloud.retry_after = "429", "50"
        first = await client.chat("assistant")
        assert (first.status, first.headers["Retry-After"]) == (429, "50")
        cloud.mood = "well"
        second = await client.chat("assistant")
        assert second.status == 429
        assert 40 <= int(second.headers["Retry-After"]) <= 50
        assert len(cloud.asked) == 1


def test_a_day_has_so_many_requests_also_across_a_restart(tmp_path: Path) -> None:
    for expected in ([200, 200, 429], [429]):

        @play(tmp_path, broken(), way=route(max_requests_per_day=2))
        async def _(client: Client, cloud: LoopbackProvider, expected: list[int] = expected) -> None:
            assert [(await client.chat("assistant")).status for _ in expected] == expected
            assert len(cloud.asked) == expected.count(200)


def test_without_its_key_a_provider_is_not_asked(tmp_path: Path) -> None:
    @play(tmp_path, broken(), way=route(targets=("cloud:big", "chat")), key=None)
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        assert (await client.chat("assistant")).status == 503
        assert cloud.asked == []


class Coming(Fake):
    """A model whose files are still on their way."""

    def __init__(self, name: str, **more: Any) -> None:
        super().__init__(name, **more)
        self.here, self.failure = False, None

    def is_here(self) -> bool:
        return self.here

    def bring(self, progress: Callable[[int, int], None]) -> None:
        import time

        progress(43, 100)
        while not self.here:
            time.sleep(0.01)


def test_the_bridge_answers_while_the_model_is_brought(tmp_path: Path) -> None:
    model, other = Coming("chat"), Fake("other")

    @play(tmp_path, model, other, way=route("local-only", targets=("chat",), bridge=("other",)))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        await asyncio.sleep(0.1)
        shown = (await client.get("/v1/models/chat")).json["lmpm"]
        assert (shown["state"], shown["progress"]) == ("downloading", 0.43)
        plain = await client.chat("chat")
        assert (plain.status, plain.error["code"]) == (503, "model_downloading")
        assert "43 %" in plain.error["message"]
        said = await client.chat("assistant", "hello")
        assert said.text == "hello"
        assert said.headers["x-lmpm-target"] == "bridge:local"
        assert said.headers["x-lmpm-model"] == "other"
        model.here = True
        async with asyncio.timeout(5):
            while (await client.chat("assistant")).headers["x-lmpm-model"] != "chat":
                await asyncio.sleep(0.05)
        assert cloud.asked == []


def test_a_model_that_loads_slowly_is_bridged_too(tmp_path: Path) -> None:
    model, other = Fake("chat", load_s=4.0), Fake("other")

    @play(tmp_path, model, other, way=route("local-only", targets=("chat",), bridge=("other",)))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        await client.chat("other")
        said = await client.chat("assistant")
        assert said.headers["x-lmpm-model"] == "other"
        assert said.headers["x-lmpm-reason"] == "local:model_loading"
        async with asyncio.timeout(10):
            while (await client.chat("assistant")).headers["x-lmpm-model"] != "chat":
                await asyncio.sleep(0.1)
        assert model.opened == 1, "the loading went on behind"


def test_vectors_of_another_model_are_no_substitute(tmp_path: Path) -> None:
    @play(tmp_path, broken(), way=route())
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        said = await client.post("/v1/embeddings", {"model": "assistant", "input": "x"})
        assert said.status in (400, 503)
        assert cloud.asked == []


def test_loading_beyond_the_time_for_a_first_word_is_no_fault(tmp_path: Path) -> None:
    """The provider answers meanwhile, and the model as soon as it is loaded."""
    model = Fake("chat", load_s=2.0)

    @play(tmp_path, model, way=route(first_token_timeout=0.3))
    async def _(client: Client, cloud: LoopbackProvider) -> None:
        said = await client.chat("assistant")
        assert (said.text, said.headers["x-lmpm-reason"]) == ("from the cloud", "local:model_loading")
        async with asyncio.timeout(20):
            while await client.state("chat") != "ready":
                await asyncio.sleep(0.05)
        assert (await client.chat("assistant")).headers["x-lmpm-target"] == "local"
        assert model.opened == len(cloud.asked) == 1
