"""A machine whose bandwidth is only assumed: measuring it is offered, and what a measurement decides is said."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lmpm.engine import Measured, measure as measuring
from lmpm.fs import JsonCache
from lmpm.project import Environment, Workspace, actions
from tests.conftest import Cli
from tests.loopback import LoopbackHub

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")

FOUND = Measured(
    bandwidth=10**9, compute=1e14, decode=1.0, prefill=10.0, file_bytes=1 << 28, runs=3, build="llama.cpp b1"
)
HINT = "`lmpm hardware --measure`"


def workspace(cli: Cli) -> Workspace:
    return Workspace(environment=Environment.read(cli.environment), directory=cli.directory)


def measured(cli: Cli, bandwidth: int) -> None:
    """Keep a figure for this machine, as measuring does."""
    here = workspace(cli).engine
    key = measuring._key(here.unmeasured, here.chosen.engine.installation() or "")
    JsonCache(Path(cli.environment["LMPM_HOME"]) / "measured").put(asdict(replace(FOUND, bandwidth=bandwidth)), *key)


def at_a_terminal(cli: Cli, *arguments: str, typed: bytes) -> str:
    return cli.at_terminal(*arguments, typed=typed, more={"NO_COLOR": "1"}).decode()


@pytest.fixture
def unknown(cli: Cli) -> Cli:
    """This machine, where its bandwidth is assumed; the test skips where the tables or the system know it."""
    if not workspace(cli).engine.is_to_be_measured:
        pytest.skip("the bandwidth of this machine is known")
    return cli


def test_the_question_is_asked_once_and_no_is_kept(unknown: Cli, hub: LoopbackHub) -> None:
    shown = at_a_terminal(unknown, "install", "text-to-sql", "--dry-run", typed=b"n\n")
    assert re.search(r"memory speed; \d+ GB/s is a guess\. Measure \(15 s\)\? \[Y/n\]", shown)
    assert "Chosen" in shown and "measured here" not in shown and HINT not in shown
    assert "Measure" not in at_a_terminal(unknown, "install", "text-to-sql", "--dry-run", typed=b"")
    assert not workspace(unknown).engine.is_to_be_measured


def test_offline_nothing_is_asked_before_the_answer(unknown: Cli) -> None:
    shown = at_a_terminal(unknown, "install", "text-to-sql", "--offline", typed=b"")
    assert "Measure (" not in shown and "Installed text-to-sql" in shown


def test_yes_measures_before_the_choice(unknown: Cli, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "BUDGET_S", 0.0)
    here = replace(workspace(unknown), may_measure=lambda machine: True)
    plan = actions.install.plan(here, ["text-to-sql"])
    assert here.engine.measured is not None and not here.engine.is_to_be_measured
    (step,) = plan.steps
    assert step.chosen is not None and step.chosen.resolution.choice.machine == here.machine


def test_off_a_terminal_the_command_is_named(unknown: Cli, hub: LoopbackHub) -> None:
    said = unknown.call("install", "text-to-sql", "--dry-run").passed()
    assert HINT in said.err and "assumed" in said.err
    assert HINT not in unknown.call("install", "text-to-sql", "--dry-run", "--hardware", "M2, 16GB").err
    measured(unknown, 10**9)
    assert HINT not in unknown.call("install", "text-to-sql", "--dry-run").err


def test_another_choice_because_of_a_measurement_is_said(unknown: Cli, hub: LoopbackHub) -> None:
    def taken(said: str) -> str:
        return next(line for line in said.splitlines() if line.startswith("Chosen"))

    before = unknown.call("install", "text-to-sql", "--no-smoke").passed().err
    assert "->" not in before
    measured(unknown, 900 * 10**9)
    said = unknown.beside("fast").call("install", "text-to-sql", "--dry-run").passed().err
    assert taken(said) != taken(before)
    assert re.search(r"-> .*because\s+900\s+GB/s were\s+measured here,\s+\d+\s+were assumed", said)
    shown = unknown.beside("faster").call("resolve", "text-to-sql", "--json").passed().json
    assert any("were measured here" in note for note in shown["notes"])
    # from the lock, too: where another of its candidates is taken, and when measuring finds that out
    synced = unknown.clone("clone")
    measured(synced, 900 * 10**9)
    assert "-> " in synced.call("sync", "--dry-run").passed().err
    same = unknown.beside("same")
    measured(same, round((workspace(same).engine.unmeasured.bandwidth or 0) * 1.05))
    assert "->" not in same.call("install", "text-to-sql", "--dry-run").passed().err
