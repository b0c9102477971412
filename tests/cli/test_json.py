"""What programs read: one object a command, `"schema": 1`, bytes as integers, and nothing else on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Cli, Result
from tests.loopback import LoopbackHub, faults

MACHINE = {
    "name", "accelerator", "memory", "vram", "gpus", "cores", "budget", "host_budget", "bandwidth", "host_bandwidth",
}  # fmt: skip
CHOICE = {"model", "repo", "revision", "quant", "mode", "license", "files", "memory", "speed", "quality"}
MEMORY = {
    "total",
    "weights",
    "kv_cache",
    "recurrent",
    "compute",
    "output",
    "mmproj",
    "overhead",
    "context",
    "source",
    "estimated",
}
REASONS = {
    "memory", "speed", "license", "gated", "context", "capability", "engine", "quant", "size", "disk", "worse",
    "untrusted", "unreadable",
}  # fmt: skip
RUNG = {
    "variant", "variants", "model", "repo", "revision", "quant", "mode", "license", "memory", "speed", "files",
    "adapters",
}  # fmt: skip
IN_BYTES = {"size", "memory", "budget", "vram", "host_budget", "total", "weights", "kv_cache", "peak_memory"}


def values(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, item in node.items():
            yield from values(item, name)
    elif isinstance(node, list):
        for item in node:
            yield from values(item, key)
    else:
        yield key, node


def check_bytes(document: Any) -> None:
    for key, value in values(document):
        if key in IN_BYTES and value is not None:
            assert type(value) is int and value >= 0, (key, value)


def test_resolve_has_the_documented_form(cli: Cli, hub: LoopbackHub) -> None:
    shown = cli.call("resolve", "text-to-sql", "--hardware", "M2, 16GB", "--json").passed()
    found = shown.json
    assert set(found) == {"schema", "request", "machine", "choice", "considered", "rejected", "notes", "funnel"}
    assert found["funnel"] is None  # a task is not searched for
    assert next(iter(found)) == "schema"
    assert found["request"] == {"ref": "text-to-sql", "task": "text-to-sql", "context": 8192}
    assert set(found["machine"]) == MACHINE
    assert found["machine"]["name"] == "Apple M2" and found["machine"]["memory"] == 16 << 30
    choice = found["choice"]
    assert set(choice) == CHOICE
    assert len(choice["revision"]) == 40
    for file in choice["files"]:
        assert set(file) == {"path", "size", "sha256", "role"} and len(file["sha256"]) == 64
    memory = choice["memory"]
    assert set(memory) == MEMORY and memory["source"] in ("estimated", "header", "upper bound", "dry-run")
    parts = ("weights", "kv_cache", "recurrent", "compute", "output", "mmproj", "overhead")
    assert memory["total"] == sum(memory[part] for part in parts)
    speed = choice["speed"]
    assert speed["unit"] == "tok/s"
    assert speed["decode_range"][0] <= speed["decode"] <= speed["decode_range"][1]
    assert found["considered"] == len(found["rejected"]) + 1
    for row in found["rejected"]:
        assert set(row) == {"model", "repo", "quant", "reason", "detail"}
        assert row["reason"] in REASONS and row["detail"]
    check_bytes(found)


def test_resolve_without_a_network_leaves_open_what_it_does_not_know(cli: Cli) -> None:
    found = cli.call("resolve", "text-to-sql", "--hardware", "M2, 16GB", "--json", "--offline").passed().json
    assert found["choice"]["revision"] is None and found["choice"]["files"][0]["sha256"] is None
    check_bytes(found)


def test_resolve_says_in_json_too_that_nothing_can_be_taken(cli: Cli) -> None:
    shown = cli.call("resolve", "text-to-sql", "--hardware", "CPU, 1GB", "--json", "--offline").failed(3)
    assert shown.json["choice"] is None
    assert len(shown.json["rejected"]) == shown.json["considered"] > 10
    reasons = [row["reason"] for row in shown.json["rejected"]]
    assert "memory" in reasons


def test_every_command_that_returns_data(cli: Cli, hub: LoopbackHub) -> None:
    dry = cli.call("install", "embeddings", "--dry-run", "--json").passed().json
    assert dry["dry_run"] is True
    assert set(dry["models"][0]) >= {"name", "request", "machine", "choice", "considered", "rejected"}

    done = cli.call("install", "embeddings", "--json").passed().json
    assert done["dry_run"] is False
    (model,) = done["models"]
    assert model["name"] == "embeddings" and model["path"].endswith(".gguf") and model["smoke"]["passed"] is True

    (again,) = cli.call("install", "embeddings", "--json").passed().json["models"]
    assert set(again) == RUNG | {"name", "path"} and again["path"] == model["path"]

    (listed,) = cli.call("list", "--json").passed().json["models"]
    assert set(listed) == RUNG | {"name", "present", "twins"} and listed["present"] is True

    path = cli.call("path", "embeddings", "--json").passed().json
    assert (
        set(path) == RUNG | {"schema", "name", "path", "recipe"}
        and path["path"] == path["files"][0]["path"] == model["path"]
    )

    verified = cli.call("verify", "--json").passed().json
    assert verified["verified"] is True
    (report,) = verified["models"]
    assert report["ok"] is True and report["error"] is None and report["missing"] == []
    assert report["hashed_bytes"] == listed["files"][0]["size"]

    smoke = cli.call("smoke", "embeddings", "--json").passed().json
    assert smoke["smoke"]["passed"] is True and len(smoke["smoke"]["checks"]) == 3

    why = cli.call("why", "embeddings", "--json").passed().json
    assert set(why) >= {"request", "machine", "choice", "considered", "rejected", "locked"}
    assert why["locked"][listed["variant"] - 1]["model"] == listed["model"]

    hardware = cli.call("hardware", "--json").passed().json
    assert set(hardware["machine"]) == MACHINE

    doctor = cli.call("doctor", "--json").passed().json
    assert doctor["ok"] is True and {check["name"] for check in doctor["checks"]} >= {"engine", "hub", "store"}

    tasks = cli.call("catalog", "list", "--json").passed().json["tasks"]
    assert {"chat", "embeddings", "text-to-sql"} <= {task["name"] for task in tasks}
    shown = cli.call("catalog", "show", "text-to-sql", "--json").passed().json
    qualities = [row["quality"] for row in shown["models"]]
    assert qualities == sorted(qualities, reverse=True)
    assert all(row["source"] and row["date"] and row["license"] for row in shown["models"])
    assert all(budget % 10**9 == 0 for row in shown["models"] for budget in row["budgets"])
    model = cli.call("catalog", "show", "qwen3-8b", "--json").passed().json
    assert model["license"] == {"id": "apache-2.0", "commercial": True, "max_users": None, "note": ""}
    assert model["prompt"]["thinking"] == "optional" and model["prompt"]["thinking_off"]
    for document in (dry, done, listed, path, verified, smoke, why, hardware["machine"]):
        check_bytes(document)


def test_a_failed_verify_is_json_with_its_reason(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "embeddings").passed()
    clone = cli.clone()
    shown = clone.call("verify", "--json")
    assert shown.code == 4
    assert shown.json["verified"] is False
    (report,) = shown.json["models"]
    assert report["ok"] is False and report["error"]["code"] == 4 and report["missing"]


ERRORS = {
    "install nonsense": (3, "unknown-name"),
    "resolve nonsense": (3, "unknown-name"),
    "list": (7, "no-lock"),
    "path x": (7, "no-lock"),
    "lock": (2, "no-manifest"),
    "inspect /no/such/file.gguf": (2, "usage"),
    "resolve text-to-sql --context nonsense": (2, "usage"),
    "resolve text-to-sql --no-such-option": (2, "usage"),
    "frobnicate": (2, "unknown-command"),
    "resolve text-to-sql --offline --hardware banana": (2, "usage"),
    "install hf:nobody/nothing --offline": (5, "offline"),
}


@pytest.mark.parametrize("command", ERRORS)
def test_on_an_error_stdout_holds_one_object_and_stderr_the_words(cli: Cli, command: str) -> None:
    code, kind = ERRORS[command]
    cli.environment["LMPM_OFFLINE"] = "1"
    shown = cli.call(*command.split(), "--json").failed(code)
    assert shown.json.keys() == {"schema", "error"}
    error = shown.json["error"]
    assert error.keys() == {"kind", "code", "message", "hint", "place"}
    assert (error["kind"], error["code"]) == (kind, code)
    assert f"error: {error['message'].splitlines()[0]}" in shown.err
    assert error["hint"] is None or f"hint: {error['hint']}" in " ".join(shown.err.split())
    assert cli.call(*command.split()).failed(code).out == ""


def test_an_error_says_the_line_that_it_is_about(cli: Cli) -> None:
    cli.manifest.write_text('[models]\nsql = { task = "text-to-sq" }\n')
    error = cli.call("lock", "--offline", "--json").failed(3).json["error"]
    assert error["place"] == "`sql` in lmpm.toml"


def test_an_error_with_an_answer_stands_beside_it(cli: Cli) -> None:
    nothing = cli.call("resolve", "text-to-sql", "--hardware", "CPU, 1GB", "--offline", "--max-size", "1MB", "--json")
    assert nothing.failed(3).json["error"]["kind"] == "nothing-fits"
    assert nothing.json["choice"] is None and nothing.json["rejected"]
    cli.manifest.write_text('[models]\nsql = { task = "text-to-sql" }\n')
    stale = cli.call("lock", "--check", "--json").failed(7)
    assert stale.json["error"]["kind"] == "no-lock" and stale.json["up_to_date"] is False
    cli.call("install", "text-to-sql", "--offline", "--no-smoke", "--no-save").passed()


def test_an_interrupt_is_an_error_for_programs_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from lmpm.project import Workspace

    def interrupt(self: Workspace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workspace, "catalog", property(interrupt))
    shown = cli.call("catalog", "list", "--json").failed(130, "Interrupted")
    assert shown.json["error"]["kind"] == "interrupted" and shown.json["error"]["code"] == 130


def test_what_nobody_expected_is_an_object_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from lmpm.project import Workspace

    def fail(self: Workspace) -> None:
        raise ZeroDivisionError("by none")

    monkeypatch.setattr(Workspace, "catalog", property(fail))
    shown = cli.call("catalog", "list", "--json").failed(1, "ZeroDivisionError: by none")
    assert shown.json["error"]["kind"] == "unexpected"


def test_stdout_has_nothing_but_the_object_even_when_much_is_said(cli: Cli, hub: LoopbackHub) -> None:
    hub.faults.add(faults.Status(503), "*/resolve/*", times=1)
    shown = cli.run("install", "embeddings", "--json", "--verbose").passed()
    json.loads(shown.out)
    assert "trying again" in shown.err


def test_quiet_keeps_only_data_and_errors(cli: Cli, hub: LoopbackHub) -> None:
    assert cli.call("install", "embeddings", "--quiet").passed() == Result(0, "", "")
    assert cli.call("path", "embeddings", "-q").passed().err == ""
    assert cli.call("path", "embeddings", "-q").out.endswith(".gguf\n")
    assert cli.call("path", "nothing", "-q").failed(3).out == ""
