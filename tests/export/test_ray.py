"""Ray Serve, really run: replicas come and go with the load, and no answer is lost."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

PATIENCE_S = 180.0
HAS_RAY = importlib.util.find_spec("ray") is not None and importlib.util.find_spec("starlette") is not None
ASKED = {"question": "How many users are there?", "schema": "CREATE TABLE users (id INTEGER, name TEXT);"}
SQL = "SELECT COUNT(*) FROM users;"


def exported(cli: Cli, *options: str) -> dict[str, Any]:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    cli.call("export", "ray", "text-to-sql", *(word for option in options for word in ("--option", option))).passed()
    config: dict[str, Any] = json.loads((cli.directory / "text-to-sql-ray/serve.yaml").read_text("utf-8"))
    return config


def test_the_file_says_all_that_a_replica_needs(cli: Cli) -> None:
    config = exported(cli, "replicas=7", "cpus=0.5", "port=8123")
    (application,) = config["applications"]
    assert config["http_options"]["host"] == "127.0.0.1" and config["http_options"]["port"] == 8123
    assert application["import_path"] == "lmpm.export.replica:build"
    assert application["args"]["lock"].count("[[model.candidate]]") == 1
    (deployment,) = application["deployments"]
    scaling = deployment["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 7)
    assert deployment["max_ongoing_requests"] > scaling["target_ongoing_requests"]
    assert deployment["ray_actor_options"]["num_cpus"] == 0.5 and deployment["ray_actor_options"]["memory"] > 0
    cli.call("export", "--check").passed()


@pytest.mark.parametrize("option", ["replicas=0", "replicas=x", "replicas=1001", "cpus=-1", "cpus=nan", "port=70000"])
def test_numbers_that_make_no_sense(cli: Cli, option: str) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    cli.call("export", "ray", "text-to-sql", "--option", option).failed(2, option.partition("=")[0])


@pytest.fixture
def served(cli: Cli, tmp_path: Path) -> Iterator[str]:
    """The application on a Ray of its own, with shorter waits than people would want."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = exported(cli, "replicas=2", "cpus=0.5", f"port={port}")
    scaling = config["applications"][0]["deployments"][0]["autoscaling_config"]
    scaling |= {"upscale_delay_s": 1, "downscale_delay_s": 4, "look_back_period_s": 4}
    (cli.directory / "serve.json").write_text(json.dumps(config), "utf-8")
    program = (
        "import json, signal, ray; from ray import serve\n"
        "from ray.serve.schema import ServeDeploySchema\n"
        "from ray.serve.context import _get_global_client\n"
        "config = json.load(open('serve.json'))\n"
        "ray.init(num_cpus=2, include_dashboard=False, object_store_memory=10**8, _node_ip_address='127.0.0.1')\n"
        "serve.start(http_options=config['http_options'])\n"
        "_get_global_client().deploy_apps(ServeDeploySchema.model_validate(config))\n"
        "signal.signal(signal.SIGTERM, lambda *_: (serve.shutdown(), ray.shutdown(), exit(0)))\n"
        "while True: signal.pause()\n"
    )
    environment = {**cli.environment, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "LMPM_OFFLINE": "1"}
    with (tmp_path / "ray.log").open("wb") as log:
        ray = subprocess.Popen(
            [sys.executable, "-c", program], cwd=cli.directory, env=environment, stdout=log, stderr=log
        )
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            ray.terminate()
            try:
                ray.wait(60)
            except subprocess.TimeoutExpired:
                ray.kill()
                ray.wait()


def ask(url: str, body: object, path: str = "") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url + path, json.dumps(body).encode()), timeout=120) as answer:
        return json.load(answer)


def wait_for_start(url: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            ask(url, ASKED)
        except OSError:
            assert time.monotonic() < end, "it does not answer"
            time.sleep(1)
        else:
            return


class Load:
    """Clients that ask without a pause, until told to end."""

    def __init__(self, url: str, clients: int) -> None:
        self.answers: list[tuple[float, int, str]] = []  # when, by which replica, what
        self.errors: list[str] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url,)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, url: str) -> None:
        while not self._ended.is_set():
            try:
                found = ask(url, ASKED)
                self.answers.append((time.monotonic(), found["replica"], found["text"]))
            except Exception as error:  # noqa: BLE001 whatever it is, an answer is lost
                self.errors.append(repr(error))

    def replicas(self, last_s: float) -> set[int]:
        begin = time.monotonic() - last_s
        return {replica for when, replica, _ in [*self.answers] if when >= begin}

    def wait_for(self, number: int, last_s: float) -> bool:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if len(self.replicas(last_s)) == number:
                return True
            time.sleep(0.2)
        return False

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.skipif(not HAS_RAY, reason="the group `deploy` is not installed: ray[serve]")
def test_replicas_come_and_go_and_no_answer_is_lost(served: str) -> None:
    wait_for_start(served)
    steady = Load(served, 1)  # goes on all the time, so that a replica leaves in the middle of work
    try:
        assert steady.wait_for(1, 3)
        crowd = Load(served, 8)
        try:
            assert crowd.wait_for(2, 3), "one replica stays one under load"
        finally:
            crowd.end()
        assert steady.wait_for(1, 8), "two replicas stay two without load"
    finally:
        steady.end()
    assert not steady.errors and not crowd.errors
    assert {text for _, _, text in (*steady.answers, *crowd.answers)} == {SQL}
    print(f"{len(steady.answers)} and {len(crowd.answers)} answers, none lost")  # for `-rP`
    for body, path in (({"wrong": 1}, ""), ([], ""), ({"messages": []}, "v1/chat/completions"), ({}, "none")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(served, body, path)
        assert caught.value.code in (400, 404)
