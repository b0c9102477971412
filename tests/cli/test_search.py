"""`lmpm search`, and words in place of a reference, as users type them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.conftest import Cli
from tests.loopback import LoopbackHub
from tests.loopback.families import FAMILY, Listed, Shape, add_listed, add_story

TEXT = "deepseek r1 distill qwen 7b"
WORDS = "deepseek distill qwen 7b"  # not the title of the catalog's model: the Hub is searched
REAL = "bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF"
M2 = ("--hardware", "M2, 16GB")


@pytest.fixture(scope="module")
def crowd() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        add_story(server, matches=60)
        yield server


def test_search_reads_as_groups(cli: Cli, crowd: LoopbackHub) -> None:
    found = cli.run("search", TEXT, *M2, HF_ENDPOINT=crowd.endpoint).passed()
    first, taken = found.out.splitlines()[:2]
    assert re.match(rf"{FAMILY}   .*repos · 7(\.6)?B", first)
    assert REAL in taken and "GiB" in taken and "tok/s" in taken and "72k downloads" in taken
    assert "Derived models" in found.out and "abliterated-0" not in found.out
    everything = cli.run("search", TEXT, "--all", "--limit", 100, *M2, HF_ENDPOINT=crowd.endpoint).passed()
    assert f"{FAMILY}-abliterated-0" in everything.out


def test_search_as_json_and_offline(cli: Cli, crowd: LoopbackHub) -> None:
    online = cli.run("search", *TEXT.split(), "--json", *M2, HF_ENDPOINT=crowd.endpoint).passed().json
    assert (online["repositories"], online["complete"]) == (60, True)
    model = online["models"][0]
    assert model["model"] == FAMILY and model["repos"][0]["repo"] == REAL and model["choice"]["repo"] == REAL
    offline = cli.run("search", TEXT, "--json", "--offline", *M2, HF_ENDPOINT=crowd.endpoint).passed().json
    assert [item["model"] for item in offline["models"]] == [item["model"] for item in online["models"]]
    catalog = cli.run("search", "omnisql", "--offline", *M2, HF_ENDPOINT=crowd.endpoint).passed()
    assert "OmniSQL-7B" in catalog.out and "this is what the catalog has" in catalog.err
    cli.run("search", "no", "such", "model", HF_ENDPOINT=crowd.endpoint).failed(3, "No model on the Hub")


def test_words_are_resolved_explained_and_kept(cli: Cli, crowd: LoopbackHub) -> None:
    explained = cli.run("resolve", WORDS, "--explain", *M2, HF_ENDPOINT=crowd.endpoint).passed()
    steps = next(line for line in explained.out.splitlines() if "→" in line)
    assert "60 repositories" in steps and f"of {FAMILY}" in steps and "trusted" in steps and "variants" in steps
    assert REAL in explained.out and "runner" not in explained.err
    crowd.reset_log()
    why = cli.run("why", WORDS, *M2, HF_ENDPOINT=crowd.endpoint).passed()
    assert steps in why.out and len(crowd.requests) == 0
    again = cli.run("resolve", WORDS, "--offline", *M2, HF_ENDPOINT=crowd.endpoint).passed()
    assert REAL in again.out and "what the Hub answered" in again.err
    data = cli.run("resolve", WORDS, "--json", *M2, HF_ENDPOINT=crowd.endpoint).passed().json
    assert data["funnel"]["matches"] == 60 and data["choice"]["repo"] == REAL


def test_a_script_is_told_what_words_may_mean(cli: Cli, crowd: LoopbackHub) -> None:
    cli.run("resolve", "deepseek qwen 7b", *M2, HF_ENDPOINT=crowd.endpoint).failed(3, FAMILY, "Type more of the name")
    cli.run("install", f"bartowskii/{FAMILY}-GGUF", HF_ENDPOINT=crowd.endpoint).failed(9, "bartowski", "Did you mean")


def test_a_spoilt_choice_is_no_best_quant(cli: Cli) -> None:
    with LoopbackHub() as server:
        files = {"Big-24B-IQ1_S.gguf": 5 * 2**30, "Big-24B-Q4_K_M.gguf": 14 * 2**30}
        day = "2025-03-01"
        listed = Listed("bartowski/Big-24B-GGUF", ("maker/Big-24B",), "mit", 900, 1, day, day, files)
        add_listed(server, listed, shape=Shape(architecture="granite"))  # its size does not follow from its keys
        found = cli.run("resolve", "big 24b", *M2, HF_ENDPOINT=server.endpoint).passed()
    assert "IQ1_S" in found.out
    assert "the best of it that fits: no quant of 4 bits or more does" in found.err
    assert "IQ1_S loses much of the model" in found.err and "finest" not in found.err
