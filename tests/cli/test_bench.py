"""`lmpm bench` as users run it, on the starter and beside a stand-in of known pace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmpm.fs import JsonCache
from tests.benchmark.paced import Pace, serving
from tests.conftest import Cli
from tests.server.deployments import STARTER
from tests.server.provider import KEY, provider_thread

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


def test_behind_lmpm_serve(project: Cli, tmp_path: Path) -> None:
    """The same file is asked the same way in both places, and the front is gone afterwards."""
    quick = [word for word in QUICK if word != "--no-serve"]
    done = project.call("bench", "text-to-sql", *quick, "--clients", "1,2", "--save", tmp_path / "r.json").passed()
    rows = json.loads((tmp_path / "r.json").read_text("utf-8"))["results"]
    assert "lmpm serve" in done.out
    behind = [row for row in rows if row["target"] == "lmpm serve"]
    alone = [row for row in rows if row["target"] == "engine"]
    assert len(behind) == len(alone) == 4  # warm and hot, with one client and with two
    for front, bare in zip(behind, alone, strict=True):
        assert (front["phase"], front["failed"], front["bytes"]) == (bare["phase"], 0, "same")
        assert front["completed"] == bare["completed"] == 2
        assert front["total_output_tokens"] == bare["total_output_tokens"] == 16
        assert front["total_input_tokens"] == bare["total_input_tokens"]
        assert front["median_ttft_ms"] > 0
    assert not list((Path(project.environment["LMPM_HOME"]) / "serving").iterdir())


def test_a_file_of_no_lock_is_not_served(project: Cli) -> None:
    quick = [word for word in QUICK if word != "--no-serve"]
    done = project.call("bench", STARTER, *quick).passed()
    assert "engine" in done.out and "lmpm serve" not in done.out


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


def test_a_provider_is_paid_after_its_cost_is_agreed_to(project: Cli, tmp_path: Path) -> None:
    with provider_thread() as cloud:
        cloud.usage = {"prompt_tokens": 100, "completion_tokens": 10}
        table = f'base_url = "{cloud.record.base_url}"\nmodel = "gpt-4o-mini"\napi_key_env = "BIG_KEY"\n'
        project.manifest.write_text(f"{project.manifest.read_text()}\n[cloud.big]\n{table}")
        project.environment["BIG_KEY"] = KEY
        arguments = ("bench", "text-to-sql", *QUICK, "--against", "cloud:big")
        project.call(*arguments).failed(2, "costs money", "states no price", "--yes")
        price = "price = { input = 10.0, output = 20.0 }"
        project.manifest.write_text(f"{project.manifest.read_text()}{price}\n")
        project.call(*arguments).failed(2, "about 6 requests", "about $")
        assert not cloud.asked
        done = project.call(*arguments, "--yes", "--save", tmp_path / "r.json").passed()
        assert len(cloud.asked) == 6 and all("ignore_eos" not in body for body in cloud.asked)
    rows = json.loads((tmp_path / "r.json").read_text("utf-8"))["results"]
    paid = [row for row in rows if row["target"] == "cloud:big"]
    assert [row["cost_usd"] for row in paid] == [pytest.approx(2 * (100 * 10 + 10 * 20) / 1e6)] * 2
    assert "$0.0024" in done.out and KEY not in done.out + done.err + (tmp_path / "r.json").read_text("utf-8")


def test_unknown(project: Cli) -> None:
    project.call("bench", "text-to-sqll").failed(3, "text-to-sql")


@pytest.mark.parametrize("option", ["--save", "--report"])
def test_where_it_cannot_write_is_said_before_anything_is_measured(cli: Cli, option: str) -> None:
    cli.call("bench", "text-to-sql", option, "nowhere/now.json").failed(6, "There is no directory `")
