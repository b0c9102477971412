"""Plans: a dry run prints the very plan that the run applies, whatever is done first."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from lmpm.project import Environment, Workspace, actions
from tests.conftest import Cli, Result
from tests.loopback import LoopbackHub

OTHER = ("--hardware", "RTX 4090, 64GB")
SMALL = ("--hardware", "M2, 16GB")


def planned(result: Result) -> Any:
    """What a run said it would do: its JSON without what only a run can know."""
    found = result.passed().json
    for model in found.get("models", []):
        for name in ("path", "smoke", "checks"):
            model.pop(name, None)
    return {key: value for key, value in found.items() if key != "dry_run"}


def same(cli: Cli, *words: str) -> Any:
    """Run dry, run, and run dry again and run again: each pair says the same. Returns what the first pair said."""
    first = None
    for _ in range(2):
        dry = planned(cli.call(*words, "--dry-run", "--json"))
        lock = cli.lock.read_bytes() if cli.lock.exists() else None
        assert planned(cli.call(*words, "--json")) == dry
        first = first or (dry, lock)
    assert first is not None
    return first[0]


def chosen(text: str) -> list[str]:
    """The lines that name what is taken, with those that say that nothing is to do."""
    return [line for line in text.splitlines() if line.startswith("Chosen") or "nothing to do" in line]


def test_no_plan_knows_whether_it_will_be_applied() -> None:
    for name in ("install", "sync", "update", "lock", "remove", "verify"):
        verb = getattr(actions, name)
        assert not any("dry" in parameter for parameter in inspect.signature(verb.plan).parameters)
        assert next(iter(inspect.signature(verb.apply).parameters)) == "plan"


@pytest.mark.parametrize("dry_first", [True, False])
def test_another_machine_is_told_the_same_with_and_without_dry_run(cli: Cli, hub: LoopbackHub, dry_first: bool) -> None:
    cli.call("install", "text-to-sql", *SMALL, "--no-smoke").passed()
    words = ("install", "text-to-sql", *OTHER, "--no-smoke")
    orders = (("--dry-run",), ()) if dry_first else ((), ("--dry-run",))
    said = {more: chosen(cli.call(*words, *more).passed().err) for more in orders}
    if dry_first:
        assert said[("--dry-run",)] == said[()]
    else:  # the run has brought what it named: a dry run now says that nothing is to do, as a second run does
        assert said[("--dry-run",)] == chosen(cli.call(*words).passed().err)
        assert any("nothing to do" in line for line in said[("--dry-run",)])


class TestTheSamePlan:
    def test_install(self, cli: Cli, hub: LoopbackHub) -> None:
        first = same(cli, "install", "embeddings", "--no-smoke")
        (model,) = first["models"]
        assert model["choice"] and first["download_size"] == model["choice"]["files"][0]["size"]
        assert any("embeddings" in line for line in first["changes"])
        for machine in (SMALL, OTHER):
            same(cli, "install", "embeddings", "--no-smoke", *machine)

    def test_install_from_a_stale_lock(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.call("install", "embeddings", "--no-smoke").passed()
        cli.manifest.write_text('[models]\nmine = { task = "embeddings", context = 256 }\n')
        first = same(cli, "install", "--no-smoke")
        assert [model["name"] for model in first["models"]] == ["mine"] and len(first["changes"]) >= 2
        assert same(cli, "install", "--no-smoke")["changes"] == []

    def test_sync(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.call("install", "embeddings", "--no-smoke").passed()
        first = same(cli.clone(), "sync", "--no-smoke")
        assert first["download_size"] > 0 and not first["models"][0]["present"]
        assert same(cli, "sync", "--no-smoke")["download_size"] == 0

    def test_update(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.call("install", "embeddings", *SMALL, "--no-smoke").passed()
        same(cli, "update", "--no-smoke", *OTHER)

    @pytest.mark.parametrize("more", [(), ("--upgrade",)])
    def test_lock(self, cli: Cli, hub: LoopbackHub, more: tuple[str, ...]) -> None:
        cli.manifest.write_text('[models]\nmine = { task = "embeddings" }\n')
        first = same(cli, "lock", *more)
        assert first["locked"] == ["mine"] and first["changes"]
        assert not cli.blobs(), "nothing is downloaded"

    def test_a_dry_run_of_lock_writes_nothing(self, cli: Cli, hub: LoopbackHub) -> None:
        cli.manifest.write_text('[models]\nmine = { task = "embeddings" }\n')
        said = cli.call("lock", "--dry-run").passed()
        assert "mine" in said.out and "dry run" in said.err and not cli.lock.exists()


def workspace(cli: Cli) -> Workspace:
    variables = {**cli.environment}
    environment = Environment.read(variables)
    return Workspace(environment=environment, directory=cli.directory, offline=True)


def test_a_plan_is_a_record_of_what_apply_does(cli: Cli) -> None:
    plan = actions.install.plan(workspace(cli), ["text-to-sql"], smoke=False)
    assert not cli.lock.exists() and not cli.manifest.exists()
    assert "text-to-sql" in str(plan) and plan.as_json()["models"][0]["present"] is False
    result = actions.install.apply(plan)
    (model,) = result.models
    assert result.changed and model.path.is_file() and cli.lock.exists()
    locked = workspace(cli).project.lock().get("text-to-sql")
    assert locked is not None and model.step.files in [rung.files for rung in locked.candidates]

    again = actions.install.plan(workspace(cli), ["text-to-sql"], smoke=False)
    assert again.is_empty and again.download_size == 0 and again.steps[0].is_here

    removal = actions.remove.plan(workspace(cli), ["text-to-sql"])
    assert removal.as_json()["removed"] == ["text-to-sql"] and workspace(cli).project.lock().models
    assert actions.remove.apply(removal) == ("text-to-sql",)
    assert not workspace(cli).project.lock().models and model.path.is_file()


def test_what_went_between_plan_and_apply_is_brought(cli: Cli) -> None:
    actions.install.apply(actions.install.plan(workspace(cli), ["text-to-sql"], smoke=False))
    plan = actions.sync.plan(workspace(cli), smoke=False)
    assert plan.is_empty
    path = plan.steps[0].paths[0]
    Path(path).unlink()
    assert actions.sync.apply(plan).models[0].path.is_file()


def test_the_package_reads_no_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    made = workspace(cli)
    for name in ("HF_HOME", "LMPM_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("LMPM_HARDWARE", "no machine at all")
    actions.install.apply(actions.install.plan(made, ["text-to-sql"], smoke=False))
    assert list(cli.store.glob("models--*"))
