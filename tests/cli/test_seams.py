"""Where commands meet: names of the lock given to others, a project without models, two manifests, options alike."""

from __future__ import annotations

import json

import pytest

from lmpm.project.lock.file import load_lock
from lmpm.project.lock.records import Lock
from tests.conftest import Cli
from tests.gguf_files import write_llama

OWN = "./own.gguf"


@pytest.fixture
def pinned(cli: Cli) -> Cli:
    """A project that pins a file of its own and the built-in model, each under a name of its own."""
    write_llama(cli.directory / "own.gguf", name="our own", layers=3)
    cli.call("install", OWN, "--name", "ours", "--no-smoke", "--offline", "-c", "256").passed()
    cli.call("install", "text-to-sql", "--name", "sql", "--no-smoke", "--offline").passed()
    return cli


class TestNamesOfTheLock:
    def test_inspect_shows_what_is_pinned(self, pinned: Cli) -> None:
        found = pinned.call("inspect", "ours", "--offline", "--json").passed()
        assert found.json["layers"] == 3 and "this is what lmpm.lock pins for this machine" in found.err
        (rung,) = next(model for model in load_lock(pinned.lock).models if model.name == "sql").candidates
        assert pinned.call("inspect", "sql", "--offline", "--json").passed().json["file"]["size"] == rung.size

    def test_install_takes_them_as_sync_does(self, pinned: Cli) -> None:
        before = pinned.lock.read_bytes(), pinned.manifest.read_bytes()
        for name in ("ours", "sql"):
            assert f"{name} is installed" in pinned.call("install", name, "--offline", "--locked").passed().err
        assert (pinned.lock.read_bytes(), pinned.manifest.read_bytes()) == before
        clone = pinned.clone()
        clone.call("install", "sql", "--offline", "--no-smoke", "--locked").passed()
        clone.call("verify", "sql", "--no-smoke").passed()

    def test_install_of_a_name_changes_its_own_line(self, pinned: Cli) -> None:
        pinned.call("install", "ours", "--offline", "--no-smoke", "-c", "128").passed()
        assert 'ours = { ref = "./own.gguf", context = 128 }' in pinned.manifest.read_text()
        assert [model.name for model in load_lock(pinned.lock).models] == ["ours", "sql"]


class TestWithoutModels:
    @pytest.fixture(autouse=True)
    def _begun(self, cli: Cli) -> None:
        cli.call("init").passed()

    @pytest.mark.parametrize("command", ["list", "verify", "sync", "audit --offline", "update", "install"])
    def test_there_is_nothing_to_do_which_is_no_error(self, cli: Cli, command: str) -> None:
        cli.call(*command.split()).passed()

    @pytest.mark.parametrize("form", ["sarif", "cyclonedx", "json"])
    def test_an_audit_has_its_form_all_the_same(self, cli: Cli, form: str) -> None:
        json.loads(cli.call("audit", "--offline", "--format", form).passed().out)

    @pytest.mark.parametrize("command", ["lock", "update", "install"])
    def test_whatever_writes_the_lock_writes_an_empty_one(self, cli: Cli, command: str) -> None:
        cli.call("lock", "--check").failed(7, "No `lmpm.lock`")
        cli.call(command).passed()
        assert load_lock(cli.lock) == Lock()
        cli.call("lock", "--check").passed()


class TestTwoManifests:
    def test_the_one_that_was_changed_is_named(self, cli: Cli) -> None:
        pyproject = cli.directory / "pyproject.toml"
        pyproject.write_text('[project]\nname = "x"\n\n[tool.lmpm.models.sql]\ntask = "text-to-sql"\n')
        cli.call("lock", "--offline").passed()
        assert "Removed sql from pyproject.toml" in cli.call("remove", "sql").passed().err
        assert "lmpm" not in pyproject.read_text()

    def test_the_one_that_is_not_read_is_remarked_on_once(self, cli: Cli) -> None:
        (cli.directory / "pyproject.toml").write_text('[tool.lmpm.models]\nsql = { task = "text-to-sql" }\n')
        assert "is not read" not in cli.call("lock", "--offline").passed().err
        cli.manifest.write_text("[models]\n")
        for command in (["install", "--offline"], ["lock", "--offline"], ["list"]):
            said = cli.call(*command).passed().err
            assert said.count("note: [tool.lmpm] of pyproject.toml is not read") == 1


def test_inspect_warns_beyond_what_a_model_was_trained_for(cli: Cli) -> None:
    write_llama(cli.directory / "own.gguf", context=512)
    shown = cli.call("inspect", OWN, "-c", "4096").passed().out
    assert "trained for 512 tokens, and" in shown and "Largest context that fits: 512" not in shown
    assert "Largest context that fits: 512" in cli.call("inspect", OWN, "-c", "512").passed().out


class TestOptions:
    def test_why_can_be_asked_without_a_network(self, cli: Cli) -> None:
        cli.call("why", "nobody/nothing-GGUF", "--offline").failed(5)
        cli.call("why", "text-to-sql", "--offline", "--hardware", "M2, 16GB").passed()

    def test_audit_has_one_form(self, pinned: Cli) -> None:
        for form in ("sarif", "cyclonedx"):
            pinned.call("audit", "--offline", "--format", form, "--json").failed(2, f"`--format {form}`")
        assert "findings" in pinned.call("audit", "--offline", "--format", "json", "--json").passed().json

    def test_lock_speaks_json(self, pinned: Cli) -> None:
        assert pinned.call("lock", "--check", "--json").passed().json == {
            "schema": 1,
            "up_to_date": True,
            "reasons": [],
        }
        pinned.manifest.write_text('[models]\nours = { ref = "./own.gguf", context = 128 }\n')
        stale = pinned.call("lock", "--check", "--json").failed(7, "not up to date").json
        assert stale["up_to_date"] is False and len(stale["reasons"]) == 2
        found = pinned.call("lock", "--offline", "--json").passed().json
        assert (found["locked"], found["unpinned"]) == (["ours"], ["sql"])
