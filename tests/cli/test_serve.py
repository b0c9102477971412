"""`lmpm serve` as a user starts and stops it, and `lmpm.serve` in a program, on the starter of a real project."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lmpm.sql import make_demo
from tests.conftest import Cli
from tests.server.provider import KEY, provider_thread

SCHEMA = "CREATE TABLE users (id INTEGER, name TEXT)"


def call(url: str, body: Any = None, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked, timeout=120) as response:
            return response.status, json.loads(response.read()), dict(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), dict(error.headers)


@contextlib.contextmanager
def serving(cli: Cli, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A front on a free port, and its process."""
    command = [sys.executable, "-m", "lmpm", "serve", "--port", "0", *arguments]
    child = subprocess.Popen(
        command, cwd=cli.directory, env=cli.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first.startswith("http://127.0.0.1:"), (first, child.stderr and child.stderr.read())
        said = [first]
        while "OpenAI(base_url=" not in said[-1]:
            said.append(child.stdout.readline())
            assert said[-1] or child.poll() is None
        assert any("curl http://" in line for line in said)
        yield first.split("/v1")[0], child
    finally:
        child.kill()
        child.communicate()


@pytest.fixture
def project(cli: Cli) -> Cli:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    return cli


def test_it_serves_and_stops_when_asked(project: Cli) -> None:
    with serving(project, "--parallel", "1") as (url, child):
        inputs = {"schema": SCHEMA, "question": "How many users are there?"}
        status, said, headers = call(f"{url}/v1/chat/completions", {"model": "text-to-sql", "lmpm": inputs})
        assert status == 200
        assert said["choices"][0]["message"]["content"] == "SELECT COUNT(*) FROM users;"
        assert headers["x-lmpm-target"] == "local"
        status, said, _ = call(f"{url}/v1/chat/completions", {"model": "text-to-sql", "lmpm": {"schema": SCHEMA}})
        assert (status, said["error"]["code"]) == (400, "invalid_inputs")
        assert "`question`" in said["error"]["message"]
        status, said, _ = call(f"{url}/v1/models")
        shown = said["data"][0]["lmpm"]
        assert (shown["state"], shown["slots"]) == ("ready", 1)
        assert {item["name"] for item in shown["inputs"]} == {"schema", "question"}
        port = url.rpartition(":")[2]
        taken = project.call("serve", "--port", port)
        taken.failed(2, f"Port {port} is in use", "--port")
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
        assert "Stopped" in err
        assert "users" not in err, "no words of a prompt"


def test_a_second_interrupt_ends_it_at_once(project: Cli) -> None:
    with serving(project) as (url, child):
        body = {"model": "text-to-sql", "prompt": "a", "max_tokens": 100_000, "ignore_eos": True, "stream": True}
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            data = json.dumps(body).encode()
            head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            connection.sendall(head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
            assert connection.recv(100)  # it has begun, and is not read on: it stays on its way
            child.send_signal(signal.SIGINT)
            assert child.stderr is not None
            while "once more" not in child.stderr.readline():
                assert child.poll() is None
            child.send_signal(signal.SIGINT)
            child.wait(timeout=30)
            assert child.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_while_it_loads_leaves_nothing(project: Cli, tmp_path: Path, number: signal.Signals) -> None:
    """Neither a process nor its folder, whatever it was about to do."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    project.environment["TMPDIR"] = str(folder)
    with serving(project) as (url, child):
        body = {"model": "text-to-sql", "prompt": "a", "max_tokens": 1}
        asking = threading.Thread(target=_try, args=(url, body))
        asking.start()
        while not list(folder.glob("lmpm-*")):
            assert child.poll() is None
            time.sleep(0.005)
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
        asking.join()
        assert (child.returncode, "Traceback" in err) == (0, False), err
    assert not list(folder.glob("lmpm-*"))


def _try(url: str, body: Any) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        call(f"{url}/v1/completions", body)


def test_what_cannot_be_served_says_why(project: Cli) -> None:
    project.call("serve", "nothing").failed(3, "`nothing`", "text-to-sql")
    project.call("serve", "--host", "0.0.0.0").failed(2, "--api-key-env")
    project.call("serve", "--api-key-env", "NOT_SET_ANYWHERE").failed(2, "NOT_SET_ANYWHERE")
    project.environment["EMPTY_KEY"] = " "
    project.call("serve", "--api-key-env", "EMPTY_KEY").failed(2, "EMPTY_KEY is not set, or empty")
    project.environment["EMPTY_KEY"] = "0123456789abcdef"
    nowhere = ("serve", "--host", "nowhere.invalid", "--api-key-env", "EMPTY_KEY")
    assert "unknown error" not in project.call(*nowhere).failed(2, "Cannot listen at nowhere.invalid").err
    project.call("serve", "--idle", "soon").failed(2, "10m")


def test_without_a_project_there_is_nothing_to_serve(cli: Cli) -> None:
    assert cli.call("serve").code in (3, 7)


def test_a_key_is_demanded_where_one_was_set(project: Cli) -> None:
    project.environment["MY_KEY"] = "0123456789abcdef0123"
    with serving(project, "--api-key-env", "MY_KEY") as (url, child):
        assert call(f"{url}/v1/models")[0] == 401
        assert call(f"{url}/v1/models", None, Authorization="Bearer 0123456789abcdef0123")[0] == 200
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=60)
        assert "0123456789abcdef0123" not in out + err


def test_a_program_serves_too(project: Cli) -> None:
    script = (
        "import json, lmpm, urllib.request\n"
        "with lmpm.serve('text-to-sql', offline=True) as served:\n"
        "    print(json.loads(urllib.request.urlopen(served.base_url + '/models').read())['data'][0]['id'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project.directory, env=project.environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "text-to-sql\n"), done.stderr


def test_a_changed_lock_is_taken_up(project: Cli) -> None:
    """A route that `lmpm lock` adds is served, and the model that was loaded stays loaded."""
    routed = '\n[routes.assistant]\ntargets = ["text-to-sql"]\n'
    with serving(project) as (url, _):
        body = {"prompt": "SELECT", "max_tokens": 2}
        assert call(f"{url}/v1/completions", {"model": "text-to-sql", **body})[0] == 200
        assert call(f"{url}/v1/completions", {"model": "assistant", **body})[0] == 404
        project.manifest.write_text(project.manifest.read_text("utf-8") + routed, "utf-8")
        project.call("lock", "--offline").passed()
        until = time.monotonic() + 30
        while (status := call(f"{url}/v1/completions", {"model": "assistant", **body})[0]) != 200:
            assert status == 404 and time.monotonic() < until
            time.sleep(0.2)
        with urllib.request.urlopen(f"{url}/metrics") as response:
            assert 'lmpm_model_starts_total{model="text-to-sql"} 1' in response.read().decode()
        project.lock.write_text("not a lock", "utf-8")
        time.sleep(2)
        assert call(f"{url}/v1/completions", {"model": "assistant", **body})[0] == 200, "a broken one changes nothing"


def test_a_model_that_will_not_fit_is_named_at_the_start(project: Cli) -> None:
    with serving(project, "--memory", "1MB") as (url, child):
        status, said, _ = call(f"{url}/v1/completions", {"prompt": "a", "max_tokens": 1})
        assert (status, said["error"]["code"]) == (503, "out_of_memory")
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=60)
        assert "text-to-sql needs" in err and "will not load" in err


def test_a_model_is_loaded_also_where_the_lock_is_gone(project: Cli) -> None:
    with serving(project) as (url, child):
        project.lock.unlink()
        assert child.stderr is not None
        while "not taken up" not in child.stderr.readline():
            assert child.poll() is None
        body = {"model": "text-to-sql", "prompt": "SELECT", "max_tokens": 2}
        assert call(f"{url}/v1/completions", body)[0] == 200


QUESTION = ("run", "text-to-sql", "-v", "--schema", SCHEMA, "How many users are there?")
THROUGH = "asked through `lmpm serve`"


def answered(cli: Cli, *arguments: str) -> tuple[str, bool]:
    """What `lmpm run` says, and whether the front said it."""
    done = cli.call(*(arguments or QUESTION)).passed()
    return done.out.strip(), THROUGH in done.err


def notes_of(cli: Cli) -> Path:
    return Path(cli.environment["LMPM_HOME"]) / "serving"


def starts(url: str, **headers: str) -> int:
    with urllib.request.urlopen(urllib.request.Request(f"{url}/metrics", headers=headers), timeout=10) as response:
        text = response.read().decode()
    return next(
        int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("lmpm_model_starts_total")
    )


def test_run_asks_the_front_that_has_the_model(project: Cli) -> None:
    """The same answer as from a model that is loaded for it, and from a changed lock again from one of its own."""
    alone, was_served = answered(project)
    assert alone and not was_served
    with serving(project) as (url, _):
        assert answered(project) == (alone, True) and starts(url) == 1
        assert answered(project, *QUESTION, "--json")[1]
        assert answered(project, *QUESTION, "--no-grammar")[1]
        too_long = project.call("run", "text-to-sql", "--schema", SCHEMA, "users " * 4000)
        too_long.failed(8, "tokens", "context")
        lock = project.directory / "lmpm.lock"
        lock.write_text(lock.read_text("utf-8") + "\n# of another hand\n", "utf-8")
        assert answered(project)[0] == alone
    assert answered(project) == (alone, False)
    assert not list(notes_of(project).iterdir())


def test_texts_of_a_database_go_to_the_model_of_this_machine_alone(project: Cli) -> None:
    """Also through a front whose route of another name may send prompts to a provider."""
    make_demo(project.directory / "shop.sqlite")
    question = ("run", "text-to-sql", "-v", "--db", "shop.sqlite", "--json", "Which customers live in Dublin?")
    with provider_thread() as cloud:
        table = f'base_url = "{cloud.record.base_url}"\nmodel = "gpt-4o-mini"\napi_key_env = "BIG_KEY"\n'
        route = 'targets = ["cloud:big", "text-to-sql"]\nprivacy = "cloud-ok"\n'
        project.environment["BIG_KEY"] = KEY
        manifest = project.manifest.read_text("utf-8")
        project.manifest.write_text(f"{manifest}\n[cloud.big]\n{table}\n[routes.assistant]\n{route}", "utf-8")
        project.call("lock", "--offline").passed()
        with serving(project) as (url, _):
            done = project.call(*question).passed()
            assert THROUGH in done.err and done.json["sql"].startswith("SELECT")
            assert not cloud.asked
            body = {"model": "assistant", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
            assert call(f"{url}/v1/chat/completions", body)[0] == 200 and len(cloud.asked) == 1, "it could have been"


def test_a_front_with_a_key_is_asked_by_who_has_it(project: Cli) -> None:
    project.environment["SERVE_KEY"] = "k" * 32
    with serving(project, "--api-key-env", "SERVE_KEY"):
        assert answered(project)[1]
        (note,) = notes_of(project).iterdir()
        assert "k" * 32 not in note.read_text("utf-8") and note.parent.stat().st_mode & 0o077 == 0
        project.environment["SERVE_KEY"] = "x" * 32
        assert not answered(project)[1]
        del project.environment["SERVE_KEY"]
        assert not answered(project)[1]


def test_a_note_alone_is_not_believed(project: Cli) -> None:
    """Who listens where a note says, and cannot prove that the note is its own, is shown nothing."""
    seen: list[tuple[str, str | None]] = []

    class Impostor(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(200)
            self.send_header("x-lmpm-proof", "0" * 64)
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    project.environment["SERVE_KEY"] = "k" * 32
    with serving(project, "--api-key-env", "SERVE_KEY"):
        note = next(notes_of(project).iterdir())
        fields = json.loads(note.read_text("utf-8"))
    folder = note.parent
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        changed = fields | {"url": f"http://127.0.0.1:{server.server_port}"}
        (folder / "1-1.json").write_text(json.dumps(changed), "utf-8")
        (folder / "1-2.json").write_text(json.dumps(fields | {"url": "http://192.0.2.1:80"}), "utf-8")
        (folder / "1-3.json").write_text("{broken", "utf-8")
        (folder / "1-4.json").write_text("[]", "utf-8")
        (folder / "1-5.json").write_text(json.dumps(fields), "utf-8")  # nobody listens there any more
        assert not answered(project)[1]
        server.shutdown()
    assert seen == [("/health", None)]
    assert not (folder / "1-5.json").exists()
