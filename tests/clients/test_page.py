"""The page in a real Chromium, spoken to by its DevTools protocol. It skips where there is none."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.deployments import Fake, Real
from tests.server.fronts import front

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip
SHOTS = os.environ.get("SCREENSHOTS_FOR_TESTS")  # a folder where screenshots are kept to be looked at


class Page:
    """One tab. `problems` are the errors and refusals of the policy that it reported."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.problems: list[str] = []

    async def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        number = self._number
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            said = json.loads((await self._socket.receive(timeout=30)).data)
            if said.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.problems.append(json.dumps(said["params"]))
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]

    async def run(self, script: str) -> Any:
        said = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def choose(self, model: str) -> None:
        box = "document.querySelector('#model')"
        await self.run(f"{box}.value = '{model}'; {box}.dispatchEvent(new Event('change'))")

    async def until(self, script: str, seconds: float = 90) -> None:
        async with asyncio.timeout(seconds):
            while not await self.run(script):
                await asyncio.sleep(0.1)

    async def size(self, width: int, height: int, *, dark: bool) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def shot(self, name: str) -> None:
        if SHOTS:
            said = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
            (Path(SHOTS) / f"{name}.png").write_bytes(base64.b64decode(said["data"]))


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    folder = Path(tempfile.mkdtemp(prefix="lmpm-chromium-"))
    assert BROWSER is not None
    browser = subprocess.Popen(
        [BROWSER, *ARGUMENTS, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        place = folder / "DevToolsActivePort"
        async with asyncio.timeout(60):
            while not place.exists() or not place.read_text():
                await asyncio.sleep(0.1)
        port = place.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as response:
                tabs = await response.json()
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with session.ws_connect(address, max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=url)
                await page.until("document.readyState === 'complete'")
                yield page
    finally:
        browser.kill()
        browser.wait()
        shutil.rmtree(folder, ignore_errors=True)


class Asked(Real):
    """The starter with the inputs of its recipe."""

    def facts(self) -> dict[str, Any]:
        inputs = [
            {"name": "schema", "required": True, "main": False, "list": False, "image": False},
            {"name": "question", "required": True, "main": True, "list": False, "image": False},
        ]
        return {"inputs": inputs, "license": "apache-2.0", "speed": 900.0, "passed_over": ["Big 14B: needs 18 GiB"]}

    def adapt(self, path: str, body: dict[str, Any], *, plain: bool = True) -> dict[str, Any]:
        inputs = body.pop("lmpm", None)
        if inputs is None:
            return body
        asked = {**body, "prompt": f"{inputs['schema']}\n\n{inputs['question']}"}
        asked.pop("messages", None)
        return asked


def test_a_person_looks_and_asks(tmp_path: Path) -> None:
    async def main() -> None:
        talker = Fake("chat", tokens=30, interval_s=0.02)
        async with front(tmp_path, talker, Asked("sql", task="text-to-sql"), budget=1 << 34) as client:  # noqa: SIM117
            async with opened(client.server.url) as page:
                await page.size(1000, 900, dark=False)
                await page.until("document.querySelectorAll('#models > li').length === 2")
                assert "loads when asked" in await page.run("document.querySelector('#model-chat .state').textContent")
                await page.run("document.querySelector('#model-sql summary').click()")
                assert "needs 18 GiB" in await page.run("document.querySelector('#model-sql details').textContent")
                # a conversation, by the keyboard
                await page.run("document.querySelector('#field-message').value = 'hello'")
                await page.run("document.querySelector('#field-message').focus()")
                for kind in ("keyDown", "keyUp"):
                    await page.call(
                        "Input.dispatchKeyEvent",
                        type=kind,
                        key="Enter",
                        code="Enter",
                        windowsVirtualKeyCode=13,
                        modifiers=2,
                    )
                await page.until("document.querySelectorAll('#talk .figures').length === 1")
                said = await page.run("document.querySelector('#talk article.theirs').textContent")
                assert "hello w1 w2" in said
                assert "s to the first token" in said and "answered on this machine, chat" in said
                await page.shot("light")
                # by the inputs of the recipe
                await page.choose("sql")
                names = await page.run("[...document.querySelectorAll('#fields textarea')].map((a) => a.name).join()")
                assert names == "schema,question"
                await page.run("document.querySelector('#field-schema').value = 'CREATE TABLE users (id INTEGER)'")
                await page.run("document.querySelector('#field-question').value = 'How many users are there?'")
                await page.run("document.querySelector('#send').click()")
                await page.until("document.querySelectorAll('#talk .figures').length === 2")
                await page.size(375, 800, dark=True)
                assert await page.run("document.documentElement.scrollWidth <= window.innerWidth"), (
                    "no sideways scrolling"
                )
                await page.shot("dark-phone")
                # a stopped answer
                await page.choose("chat")
                talker.running[-1].kill()
                await page.run("document.querySelector('#field-message').value = 'again'")
                await page.run("document.querySelector('#send').click()")
                await page.until("document.querySelectorAll('#talk .figures').length === 3")
                assert page.problems == [], page.problems
                # every field has a name for a screen reader
                unnamed = await page.run(
                    "[...document.querySelectorAll('input,select,textarea,button,meter,progress')].filter((e) => "
                    "!(e.labels && e.labels.length) && !e.textContent.trim() && !e.getAttribute('aria-label') "
                    "&& !e.getAttribute('aria-labelledby')).map((e) => e.outerHTML).join()"
                )
                assert unnamed == ""

    asyncio.run(main())


def test_a_page_of_another_origin_can_do_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        model = Fake("chat")
        async with front(tmp_path, model) as client, opened("about:blank") as page:
            target = f"{client.server.url}/v1/chat/completions"
            body = "JSON.stringify({model: 'chat', messages: [{role: 'user', content: 'hi'}]})"
            for kind in ("application/json", "text/plain"):
                for mode in ("cors", "no-cors"):
                    script = (
                        f"fetch('{target}', {{method: 'POST', mode: '{mode}', headers: {{'Content-Type': '{kind}'}}, "
                        f"body: {body}}}).then((r) => r.type === 'opaque' ? 'opaque' : r.text(), () => 'refused')"
                    )
                    assert await page.run(script) in ("refused", "opaque")
            assert model.opened == 0

    asyncio.run(main())


def test_the_key_is_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with front(tmp_path, Fake("chat"), key="a-key-of-mine") as client:  # noqa: SIM117
            async with opened(client.server.url) as page:
                await page.until("!document.querySelector('#unlock').hidden")
                await page.run("document.querySelector('#key').value = 'a-key-of-mine'")
                await page.run("document.querySelector('#unlock button').click()")
                await page.until("document.querySelectorAll('#models > li').length === 1")
                assert await page.run("document.querySelector('#unlock').hidden")

    asyncio.run(main())
