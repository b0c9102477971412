"""Who may ask: a page of another origin or name can do nothing, a key is asked where it was set, and none is shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lmpm.errors import SpecError
from lmpm.server import Server, Settings, Site
from tests.server.deployments import Fake
from tests.server.fronts import front

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "a secret of mine"}], "max_tokens": 2}
KEY = "sk-very-secret"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "host_not_allowed"),
        ({"Host": "evil.example:8420"}, "host_not_allowed"),
        ({"Host": "127.0.0.1.evil.example"}, "host_not_allowed"),
        ({"Host": "localhost@evil.example"}, "host_not_allowed"),
        ({"Host": ""}, "host_not_allowed"),
        ({"Origin": "https://evil.example"}, "origin_not_allowed"),
        ({"Origin": "null"}, "origin_not_allowed"),
        ({"Origin": "http://localhost:1"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "same-site"}, "origin_not_allowed"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/metrics", "/health"])
def test_another_page_is_not_answered(tmp_path: Path, headers: Mapping[str, str], code: str, path: str) -> None:
    async def main() -> None:
        model = Fake("chat")
        async with front(tmp_path, model) as client:
            body: dict[str, Any] = {"json": CHAT} if path.endswith("completions") else {}
            said = await client.send("POST" if body else "GET", path, headers=headers, **body)
            assert (said.status, said.error["code"]) == (403, code)
            assert "Access-Control-Allow-Origin" not in said.headers
            assert model.opened == 0

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_is_not_taken(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        model = Fake("chat")
        async with front(tmp_path, model) as client:
            said = await client.send(
                "POST", "/v1/chat/completions", data=b'{"model":"chat"}', headers={"Content-Type": kind}
            )
            assert said.status == 415
            preflight = await client.send("OPTIONS", "/v1/chat/completions", headers={"Origin": "https://evil.example"})
            assert preflight.status == 403
            assert model.opened == 0

    asyncio.run(main())


def test_a_key_is_asked_of_everything_but_the_page_and_health(tmp_path: Path) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("chat"), key=KEY) as client:
            for offered in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"x-api-key": "ä"}):
                assert (await client.post("/v1/chat/completions", CHAT, **offered)).status == 401
                assert (await client.get("/v1/models", **offered)).status == 401
                assert (await client.get("/metrics", **offered)).status == 401
            for offered in ({"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}):
                assert (await client.post("/v1/chat/completions", CHAT, **offered)).status == 200
            assert (await client.get("/health")).status == 200
            assert (await client.get("/")).status == 200
            behind = {"Authorization": f"Bearer {KEY}", "Host": "models.example"}
            assert (await client.post("/v1/chat/completions", CHAT, **behind)).status == 200, (
                "a reverse proxy has a name"
            )

    asyncio.run(main())


def test_other_machines_need_a_key(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        Settings(budget=1, notes=tmp_path, host="0.0.0.0")
    Settings(budget=1, notes=tmp_path, host="0.0.0.0", key=KEY)


def test_a_port_in_use_names_a_way_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("chat")) as client:
            settings = Settings(budget=1, notes=tmp_path, port=client.server.port)
            with pytest.raises(SpecError) as caught:
                await Server(Site(deployments=[]), settings).start()
            assert "--port" in str(caught.value.hint)

    asyncio.run(main())


def test_words_and_keys_are_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        model = Fake("chat")
        async with front(tmp_path, model, key=KEY) as client:
            good = {"Authorization": f"Bearer {KEY}"}
            await client.post("/v1/chat/completions", CHAT, **good)
            model.kill()
            await client.post("/v1/chat/completions", CHAT | {"stream": True}, **good)
            await client.post("/v1/chat/completions", CHAT, Authorization="Bearer sk-of-another")
            await client.post("/v1/chat/completions", CHAT | {"model": 1}, **good)
            metrics = (await client.get("/metrics", **good)).data.decode()
            for secret in (KEY, "secret of mine", "sk-of-another"):
                assert secret not in metrics

    asyncio.run(main())
    said = caplog.text + "".join(capfd.readouterr())
    for secret in (KEY, "secret of mine", "sk-of-another", "last lock", "Bearer"):
        assert secret not in said


def test_the_page_may_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("chat")) as client:
            for path in ("/", "/page/page.css", "/page/page.js"):
                said = await client.get(path)
                assert said.status == 200
                assert said.headers["Content-Security-Policy"].startswith("default-src 'none'")
                assert b"http://" not in said.data.replace(b"http://www.w3.org/2000/svg", b"")
                assert b"https://" not in said.data
            assert b"<script>" not in (await client.get("/")).data
            assert b"style=" not in (await client.get("/")).data
            linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
            assert (await client.get("/", **linked)).status == 200, "a link on another page leads here"

    asyncio.run(main())
