"""The first minutes: `lmpm serve` answers while what the lock pins is on its way, over a real download."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_serve import SCHEMA, call, serving
from tests.conftest import Cli
from tests.gguf_files import CHAT_TEMPLATE, write_llama
from tests.loopback import LoopbackHub, faults

REPO, FILE = "acme/Tiny-Instruct-GGUF", "Tiny-Instruct-Q8_0.gguf"
ASKED = {"schema": SCHEMA, "question": "How many users are there?"}


@pytest.fixture
def hub(cli: Cli, tmp_path: Path) -> Iterator[LoopbackHub]:
    """A Hub with one model that nothing here has."""
    (path,) = write_llama(tmp_path / "true.gguf", dim=256, layers=4, chat_template=CHAT_TEMPLATE)
    with LoopbackHub() as served:
        served.add_repo(REPO, {FILE: path.read_bytes()}, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = served.endpoint
        yield served


def line_of(task: str) -> str:
    return f'[models]\ntiny = {{ ref = "{REPO}", task = "{task}", context = 256 }}\n'


def facts(url: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = call(f"{url}/v1/models/tiny")[1]["lmpm"]
    return found


def ask(url: str) -> tuple[int, Any, Mapping[str, str]]:
    return call(f"{url}/v1/chat/completions", {"model": "tiny", "lmpm": ASKED, "max_tokens": 40})


def test_the_starter_answers_until_the_model_is_here(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(line_of("text-to-sql"))
    cli.call("lock").passed()
    hub.faults.add(faults.Throttle(150_000))
    with serving(cli) as (url, _):
        until = time.monotonic() + 60
        while facts(url)["state"] != "downloading" or not facts(url)["progress"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert facts(url)["bridge"] == "starter"
        status, said, headers = ask(url)
        assert (status, headers["x-lmpm-target"]) == (200, "bridge:starter")
        assert headers["x-lmpm-reason"] == "local:model_downloading"
        assert "users" in said["choices"][0]["message"]["content"]
        assert facts(url)["state"] == "downloading", "the download goes on behind"
        until = time.monotonic() + 120
        while (answer := ask(url))[2]["x-lmpm-target"] != "local":
            assert answer[0] == 200 and time.monotonic() < until
            time.sleep(0.2)
        assert answer[0] == 200 and answer[2]["x-lmpm-model"] == "tiny"
        assert facts(url)["state"] == "ready"
    cli.call("verify", "--no-smoke").passed()


def test_a_stop_does_not_wait_for_a_download_and_keeps_what_came(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(line_of("chat"))
    cli.call("lock").passed()
    hub.faults.add(faults.Throttle(20_000))
    with serving(cli) as (url, child):
        until = time.monotonic() + 60
        while not facts(url)["progress"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=20)  # the rest would take a minute
        assert (child.returncode, "Traceback" in err) == (0, False), err
    assert cli.parts()
    hub.faults.clear()
    cli.call("sync", "--no-test").passed()


def test_another_task_has_no_starter(cli: Cli, hub: LoopbackHub) -> None:
    cli.manifest.write_text(line_of("chat"))
    cli.call("lock").passed()
    hub.faults.add(faults.Throttle(150_000))
    with serving(cli) as (url, _):
        body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
        status, said, headers = call(f"{url}/v1/chat/completions", body)
        assert (status, said["error"]["code"]) == (503, "model_downloading") and int(headers["Retry-After"]) >= 1
        until = time.monotonic() + 120
        while (answer := call(f"{url}/v1/chat/completions", body))[0] != 200:
            assert answer[1]["error"]["code"] == "model_downloading" and time.monotonic() < until
            time.sleep(0.2)
    cli.manifest.write_text(
        line_of("chat") + '[routes.assistant]\ntargets = ["tiny"]\nprivacy = "local-only"\nbridge = ["starter"]\n'
    )
    cli.call("lock").failed(2, "bridge[0]", "text-to-sql")


def test_a_smaller_candidate_answers_until_the_pinned_one_is_here(cli: Cli, tmp_path: Path) -> None:
    files = {
        f"Tiny-Instruct-{quant}.gguf": write_llama(
            tmp_path / f"{quant}.gguf", dim=512, layers=8, quant=quant, chat_template=CHAT_TEMPLATE
        )[0].read_bytes()
        for quant in ("Q8_0", "Q4_0")
    }
    route = '[routes.assistant]\ntargets = ["tiny"]\nbridge = ["smaller"]\n'
    cli.manifest.write_text(line_of("chat") + '[targets]\nsmall = { hardware = "CPU, 1 core, 128MB" }\n' + route)
    with LoopbackHub() as served:
        served.add_repo(REPO, files, card_data={"license": "mit"})
        cli.environment["HF_ENDPOINT"] = served.endpoint
        cli.call("lock").passed()
        cli.call("sync", "--target", "small", "--no-test").passed()
        served.faults.add(faults.Throttle(1_500_000))
        body = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
        with serving(cli) as (url, _):
            seen: list[tuple[str, str, str, float | None]] = []
            until = time.monotonic() + 120
            while not seen or seen[-1][0] != "local":
                shown = facts(url)
                status, said, headers = call(f"{url}/v1/chat/completions", body)
                assert status == 200 and time.monotonic() < until, said
                seen.append((headers["x-lmpm-target"], headers["x-lmpm-model"], shown["state"], shown["progress"]))
                time.sleep(0.2)
            bridged = [item for item in seen if item[0] == "bridge:smaller"]
            assert {item[1:3] for item in bridged} == {("tiny:smaller", "downloading")}
            progress = [item[3] or 0.0 for item in bridged]
            assert progress == sorted(progress) and len({*progress}) > 2, "it is seen to come"
            assert seen[-1][1] == "tiny" and facts(url)["state"] == "ready"
            assert [row["id"] for row in call(f"{url}/v1/models")[1]["data"]] == ["tiny", "assistant"]
