"""What `install --offline` chooses among: the lock, what is on this machine whoever brought it, the starter."""

from __future__ import annotations

import pytest

from lmpm.project.lock.file import load_lock
from lmpm.types import HubSource, StarterSource
from tests.conftest import Cli
from tests.loopback import LoopbackHub

MACHINE = ("--hardware", "M2, 16GB")


@pytest.mark.parametrize("task", ["embeddings", "text-to-sql", "reranking"])
def test_another_project_takes_what_is_here_at_whatever_commit(cli: Cli, hub: LoopbackHub, task: str) -> None:
    """The Hub may have other commits than the catalog knows: an install with a network takes its newest."""
    said = cli.call("install", task, "--no-smoke", *MACHINE).passed()
    assert task != "embeddings" or "of the catalog: took its newest" in said.err
    brought = {file.sha256 for rung in load_lock(cli.lock).models[0].candidates for file in rung.files}
    here = {path.name for path in cli.blobs()}
    hub.reset_log()
    other = cli.beside("other")
    other.call("install", task, "--offline", "--no-smoke", *MACHINE).passed()
    (rung,) = load_lock(other.lock).models[0].candidates
    assert isinstance(rung.source, HubSource) and {file.sha256 for file in rung.files} <= brought & here
    assert len(hub.requests) == 0
    other.call("verify", "--offline", "--no-smoke", *MACHINE).passed()


def test_without_it_the_starter_is_taken(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke", *MACHINE).passed()
    (rung,) = load_lock(cli.lock).models[0].candidates
    assert isinstance(rung.source, StarterSource)
