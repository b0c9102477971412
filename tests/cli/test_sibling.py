"""A repository of several models: where the one that it is named for does not fit, another one is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Cli
from tests.loopback import LoopbackHub
from tests.remote import served

REPO = "maker/Qwen3-8B-GGUF"
BIG, SMALL = "Qwen3-8B-Q4_K_M.gguf", "Qwen3-0.6B-Q8_0.gguf"


@pytest.fixture
def hub(cli: Cli) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        files = {
            BIG: served("Qwen3-8B", "Q4_K", file=BIG)[0],
            SMALL: served("Qwen3-0.6B", "Q8_0", file=SMALL)[0],
        }
        hub.add_repo(REPO, files, card_data={"license": "apache-2.0"})
        cli.environment["HF_ENDPOINT"] = hub.endpoint
        yield hub


def test_the_smaller_sibling_is_named_and_can_be_taken(cli: Cli, hub: LoopbackHub) -> None:
    tight = ("--hardware", "CPU, 4 cores, 4GB")
    failed = cli.call("install", REPO, "--dry-run", *tight).failed(3, "fits this machine")
    assert (
        "The repository also holds Qwen3-0.6B, which needs" in failed.err
        and f"`lmpm install {REPO}/{SMALL}`" in failed.err
    )
    taken = cli.call("install", f"{REPO}/{SMALL}", "--dry-run", "--json", *tight).passed().json
    assert taken["models"][0]["choice"]["files"][0]["path"] == SMALL


def test_where_none_fits_none_is_named(cli: Cli, hub: LoopbackHub) -> None:
    failed = cli.call("install", REPO, "--dry-run", "--hardware", "CPU, 1 core, 1GB").failed(3)
    assert "also holds" not in failed.err


def test_where_it_fits_it_is_taken(cli: Cli, hub: LoopbackHub) -> None:
    found = cli.call("install", REPO, "--dry-run", "--json", "--hardware", "M2, 16GB").passed().json
    assert found["models"][0]["choice"]["files"][0]["path"] == BIG
