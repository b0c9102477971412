"""`--max-wait`: what is chosen, what it excludes, that it is kept, and what is said where nothing is so quick."""

from __future__ import annotations

import re

import pytest

from lmpm.project import load_lock
from tests.conftest import Cli
from tests.loopback import LoopbackHub

SLOW = "CPU, 4 cores, 8GB"


def test_it_excludes_what_keeps_a_user_waiting(cli: Cli, hub: LoopbackHub) -> None:
    free = cli.call("resolve", "text-to-sql", "--hardware", SLOW, "--json").passed().json["choice"]
    quick = cli.call("resolve", "text-to-sql", "--hardware", SLOW, "--max-wait", "10", "--json").passed().json["choice"]
    assert free["speed"]["first_token_s"] > 10 >= quick["speed"]["first_token_s"]
    assert quick["quality"] < free["quality"]
    why = cli.call("why", "text-to-sql", "--hardware", SLOW, "--max-wait", "10").passed()
    assert "first token after " in why.out and "at most 10 s asked for" in why.out


def test_where_nothing_is_so_quick_that_is_said_and_not_the_memory_blamed(cli: Cli, hub: LoopbackHub) -> None:
    failed = cli.call("resolve", "text-to-sql", "--hardware", SLOW, "--max-wait", "0.01")
    failed.failed(3, "No text-to-sql model can be taken", "first token after ", "at most 0.01 s", "`--max-wait`")
    assert "fits this machine" not in failed.err
    cli.call("resolve", "text-to-sql", "--max-wait", "-1").failed(2)
    cli.call("resolve", "text-to-sql", "--max-wait", "soon").failed(2, "soon")


@pytest.mark.parametrize("seconds", [20])
def test_it_is_kept_in_the_manifest_and_the_lock_and_obeyed_from_there(
    cli: Cli, hub: LoopbackHub, seconds: int
) -> None:
    cli.run("install", "embeddings", "--max-wait", seconds).passed()
    assert f"max_wait = {seconds}" in cli.manifest.read_text()
    (model,) = load_lock(cli.lock).models
    assert model.requested["max_wait"] == seconds
    cli.call("lock", "--check").passed()
    cli.manifest.write_text(cli.manifest.read_text().replace(f"max_wait = {seconds}", "max_wait = 0.000001"))
    cli.call("lock", "--check").failed(7)
    cli.call("lock").failed(3, "`max_wait` in the manifest")
    cli.lock.write_text(re.sub(r"max_wait = [\d.]+", "max_wait = 0.000001", cli.lock.read_text()))
    cli.call("install", "--locked").failed(3)
