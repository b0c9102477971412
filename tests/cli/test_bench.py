"""`lmpm bench` as users run it, on the starter and beside a stand-in of known pace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmpm.fs import JsonCache
from tests.benchmark.paced import Pace, serving
from tests.conftest import Cli

QUICK = ("--rounds", "1", "--requests", "2", "--prompt-tokens", "60", "--answer-tokens", "8", "--no-serve")


@pytest.fixture
def project(cli: Cli) -> Cli:
    cli.call("install", "text-to-sql", "--offline", "--no-test").passed()
    return cli


def test_beside_another_server(project: Cli, tmp_path: Path) -> None:
    pace = Pace(first_s=0.3, gap_s=0.02, tokens=8)
    with serving(pace) as url:
        done = project.call(
            "bench", "text-to-sql", *QUICK, "--against", f"{url}#other", "--save", tmp_path / "r.json",
            "--report", tmp_path / "r.md", "--limit", "ttft=100000",
        ).passed()  # fmt: skip
        data = json.loads((tmp_path / "r.json").read_text("utf-8"))
        assert all(body["model"] == "other" for body in pace.bodies)
    rows = {(row["target"], row["phase"]): row for row in data["results"]}
    host = url.split("/")[2]
    assert set(rows) == {(label, phase) for label in ("engine", host) for phase in ("warm", "hot")}
    engine, other = rows["engine", "warm"], rows[host, "warm"]
    assert engine["completed"] == other["completed"] == 2 and engine["failed"] == other["failed"] == 0
    assert engine["total_output_tokens"] == 16  # it ends nowhere earlier
    assert 90 <= engine["total_input_tokens"] <= 180  # about 60 each, by the starter's own small vocabulary
    assert other["median_ttft_ms"] >= 300 and engine["server_prefill_tok_s"] > 0
    assert engine["bytes"] == "same" and other["bytes"] == "other" and "other bytes" in done.out
    assert engine["request_goodput"] > 0
    assert data["cold_s"] > 0 and data["sha256"] in (tmp_path / "r.md").read_text("utf-8")
    home = Path(project.environment["LMPM_HOME"])
    kept = JsonCache(home / "benchmarks").get(data["sha256"], data["engine"], data["date"])
    assert kept is not None and kept["results"] == data["results"]
    # and the next `verify` compares with it
    report = project.call("verify", "--json").passed().json["models"][0]
    assert report["recorded"]["decode"] == engine["decode_tok_s"]


def test_what_became_slower_fails(project: Cli, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    project.call("bench", "text-to-sql", *QUICK, "--save", before).passed()
    project.call("bench", "text-to-sql", *QUICK, "--compare", before, "--fail-if", "ttft_p50>1000x").passed()
    slow = project.call("bench", "text-to-sql", *QUICK, "--compare", before, "--fail-if", "ttft_p50>0.0001x")
    slow.failed(8, "median_ttft_ms", "was")
    project.call("bench", "text-to-sql", *QUICK, "--fail-if", "tps<1000000000").failed(8, "output_throughput")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--against", "olama"), ("olama", "ollama")),
        (("--against", "cloud:big"), ("cloud.NAME",)),
        (("--clients", "many"), ("1,4,8,32",)),
        (("--clients", "0"), ("1,4,8,32",)),
        (("--limit", "ttft"), ("NAME=MILLISECONDS",)),
        (("--limit", "warmth=3"), ("ttft, tpot or e2el",)),
        (("--fail-if", "ttft_p50>1.2x"), ("--compare",)),
        (("--fail-if", "quick"), ("ttft_p50>1.2x",)),
        (("--compare", "none.json"), ("none.json",)),
        (("--browser", "--clients", "2"), ("--clients 1",)),
    ],
)
def test_wrong(project: Cli, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    project.call("bench", "text-to-sql", *QUICK, *arguments).failed(2, *words)


def test_unknown(project: Cli) -> None:
    project.call("bench", "text-to-sqll").failed(3, "text-to-sql")
