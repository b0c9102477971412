"""The same file in a browser: wllama in headless Chromium, on the page that `lmpm export browser` makes.

Needs Chromium and playwright, which drives it. Figures are those of the page's own clock.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.benchmark.opening import digest_of
from lmpm.benchmark.sample import Sample
from lmpm.benchmark.target import Target
from lmpm.errors import EngineError, SpecError
from lmpm.export import plan_export
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmpm.project import Workspace
    from lmpm.runtime import Subject

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
# Headless, without a GPU and without asking anybody: Chromium's own switches (chromium.googlesource.com, switches).
FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WAIT_MS: Final = 600_000


@contextlib.contextmanager
def browser_target(
    workspace: Workspace, subject: Subject, *, answer_tokens: int, options: Mapping[str, str]
) -> Iterator[tuple[Target, str]]:
    """The page with the model loaded, asked one question after another; and why WebLLM is not measured beside it.

    `options` are those of the export. Raises SpecError without Chromium or playwright, EngineError where the page does
    not load the model, and the errors of the export.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise SpecError(
            "Chromium is not here, in which the page is measured", hint="On Debian: apt-get install chromium"
        )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise SpecError("playwright is not here, which drives Chromium", hint="pip install playwright") from error
    with tempfile.TemporaryDirectory(prefix="lmpm-bench-") as folder, sync_playwright() as playwright:
        place = Path(folder)
        planned = plan_export(workspace, "browser", subject.name, place=place, places={}, options=options)
        _lay(planned, place, answer_tokens)
        with _serving(place) as url:
            browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
            try:
                page = browser.new_page()
                page.goto(url)
                page.wait_for_selector("body[data-state]", timeout=WAIT_MS)
                if page.get_attribute("body", "data-state") != "ready":
                    raise EngineError(f"The page does not load `{subject.name}`: {page.inner_text('#state')}")
                fields = [item.name for item in subject.recipe.inputs if not item.is_image]
                main = subject.recipe.main.name if subject.recipe.main else fields[0]
                target = Target(
                    label=f"wllama in Chromium, {count(int(options.get('threads') or 1), 'thread')}",
                    kind="browser",
                    base_url=url,
                    model=subject.name,
                    sha256=digest_of(subject),
                    is_single=True,
                    asker=functools.partial(_ask_page, page, fields, main),
                )
                yield target, _why_no_webllm(page)
            finally:
                browser.close()


def _why_no_webllm(page: Any) -> str:
    """What WebLLM lacks: a GPU that the browser offers, and always weights that MLC compiled, which no GGUF file is."""
    has_gpu = page.evaluate("async () => Boolean(navigator.gpu && await navigator.gpu.requestAdapter())")
    return "it needs weights compiled by MLC" + ("" if has_gpu else " and WebGPU, which this Chromium does not offer")


def _lay(planned: Any, place: Path, answer_tokens: int) -> None:
    """Write the folder, its page asking for so many tokens; nothing is kept of it as an export."""
    for link in planned.links:
        shutil.copyfile(link.origin, place / link.path)
    for text in planned.texts:
        path = place / text.path
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.data
        if text.path == "model.json":
            settings = json.loads(data) | {"max_tokens": answer_tokens, "stop": [], "conversation": False}
            settings["sampling"] |= {"ignore_eos": True}
            data = json.dumps(settings).encode()
        path.write_bytes(data)


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def _ask_page(
    page: Any, fields: Sequence[str], main: str, prompts: Sequence[str], *, most_s: float, **_: object
) -> list[Sample]:
    """Put prompts to the page, one after another: it answers one at a time, with so many tokens as it was made for."""
    until = time.perf_counter() + most_s
    found: list[Sample] = []
    for prompt in prompts:
        if time.perf_counter() >= until:
            break
        found.append(_ask_once(page, fields, main, prompt))
    return found


def _ask_once(page: Any, fields: Sequence[str], main: str, prompt: str) -> Sample:
    sent = time.perf_counter()
    number = int(page.get_attribute("body", "data-answers") or 0)
    for name in fields:
        page.fill(f"#input-{name}", prompt if name == main else "-")
    page.click("#send")
    page.wait_for_selector(f'body[data-answers="{number + 1}"]', timeout=WAIT_MS)
    figures = json.loads(page.get_attribute("#log article:last-child", "data-figures") or "{}")
    times, timings = figures.get("times") or [], figures.get("timings") or {}
    ended = float(figures.get("ended") or 0.0) / 1000
    if not times:
        return Sample(sent_s=sent, ended_s=ended, error="an empty answer")
    return Sample(
        sent_s=sent,
        ended_s=ended,
        deltas=tuple(moment / 1000 for moment in times),
        prompt_tokens=int(timings.get("prompt_n") or 0) + int(timings.get("cache_n") or 0),
        tokens=int(timings.get("predicted_n") or len(times)),
        cached_tokens=int(timings.get("cache_n") or 0),
        server_prompt_ms=timings.get("prompt_ms"),
        server_decode_ms=timings.get("predicted_ms"),
    )
