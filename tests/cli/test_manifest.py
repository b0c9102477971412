"""What is wrong in the manifest is told with the file and the line, and what is misspelt is not passed over."""

from __future__ import annotations

import pytest

from lmpm.cli.app import App
from lmpm.cli.output import words
from lmpm.project import resolve_reference
from lmpm.resolver import Constraints
from tests.conftest import Cli


@pytest.mark.parametrize("command", ["lock", "install", "update"])
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ('task = "chatt"', 3, ["`chatt`", "`chat`"]),
        ('task = "text-to-sql", quant = "Q99"', 2, ["`Q99` is not a quant"]),
        ('ref = "a b/c"', 2, ["is not a reference to a model"]),
        ('ref = "./no.gguf"', 2, ["There is no file"]),
        (
            'task = "text-to-sql", license = "mit"',
            9,
            ["is not among the allowed licences", "`license` in the manifest"],
        ),
    ],
)
def test_an_error_says_which_line_it_is_about(cli: Cli, command: str, line: str, code: int, words: list[str]) -> None:
    cli.manifest.write_text(f"[models]\nmine = {{ {line} }}\n")
    cli.call(command, "--offline").failed(code, "`mine` in lmpm.toml: ", *words)
    assert not cli.lock.exists()


def test_a_target_that_is_no_machine_is_named(cli: Cli) -> None:
    cli.manifest.write_text('[models]\n[targets]\nbox = { hardware = "M2 banana" }\n')
    failed = cli.call("lock", "--offline").failed(2, "`box` of [targets] in lmpm.toml: ", "banana", "hardware = ")
    assert "--hardware" not in failed.err


MISSPELT = "note: `apche-2.0` is not a licence that lmpm knows: did you mean `apache-2.0`?"


def test_a_licence_that_nobody_knows_does_not_pass_silently(cli: Cli) -> None:
    cli.manifest.write_text(
        '[models]\nsql = { task = "text-to-sql" }\n[policy]\nlicenses = { deny = ["apche-2.0", "mine-1"] }\n'
    )
    for command in (["lock", "--offline"], ["install", "--offline", "--no-smoke"], ["verify", "--no-smoke"]):
        said = cli.call(*command).passed().err
        assert MISSPELT in said and "note: `mine-1` is not a licence that lmpm knows\n" in said
    for name in ("audit", "sync", "update"):
        assert MISSPELT in cli.call(name, "--offline").passed().err
    for name in ("resolve", "why", "install"):
        assert "`nope` is not a licence" in cli.call(name, "text-to-sql", "--license", "nope").err


@pytest.mark.parametrize("spelling", ["Apache 2.0", "apache-2", "APACHE-2.0"])
def test_a_licence_may_be_spelt_in_any_way_in_the_policy(cli: Cli, spelling: str) -> None:
    cli.manifest.write_text(
        f'[models]\nsql = {{ task = "text-to-sql" }}\n[policy]\nlicenses = {{ deny = ["{spelling}"] }}\n'
    )
    assert "no licence that lmpm knows" not in cli.call("lock", "--offline").failed(9, "apache-2.0 is denied").err


def test_a_command_that_is_advised_can_be_pasted(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LMPM_HOME", cli.environment["LMPM_HOME"])
    app = App.open({"hardware": "M2, 16GB"}, local=True)
    words.show_choice(
        app.console, resolve_reference(app.workspace, "text to sql", Constraints()).choice, why="", ref="text to sql"
    )
    assert "`lmpm why 'text to sql'`" in capsys.readouterr().err
