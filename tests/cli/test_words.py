"""What a new user types wrong, reads and is told: each kind of it, on every command that has it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click
import pytest

from lmpm.cli.group import ALIASES, COMMANDS
from lmpm.cli.main import cli as program
from lmpm.types import Fact
from tests.conftest import Cli


def commands() -> dict[str, click.Command]:
    """Every command by its words, those of `cache` and `catalog` among them."""
    context = click.Context(program)
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {word}": each for word, each in inner.items()} or {name: command}
    return found


def having(option: str) -> list[str]:
    """The commands that have an option."""
    return [words for words, each in commands().items() if any(option in param.opts for param in each.params)]


class TestTyped:
    @pytest.mark.parametrize("words", having("--engine"))
    def test_a_name_that_is_not_an_engine_is_a_usage_error_everywhere(self, cli: Cli, words: str) -> None:
        wanted = [param for param in commands()[words].params if isinstance(param, click.Argument) and param.required]
        needed = [param for param in commands()[words].params if isinstance(param, click.Option) and param.required]
        ask = [*words.split(), *["text-to-sql" for _ in wanted]]
        ask += [word for option in needed for word in (option.opts[0], "x")]
        for name, hint in (("xlamacpp", "Did you mean `xllamacpp`?"), ("other", "Engines: xllamacpp")):
            cli.call(*ask, "--engine", name).failed(2, f"`{name}` is not an engine", hint)
        cli.call(*ask, "--engine", " ").failed(2, "`--engine` is empty")

    def test_the_variable_that_names_no_engine_is_named(self, cli: Cli) -> None:
        cli.call("list", LMPM_ENGINE="foo").failed(2, "LMPM_ENGINE: `foo` is not an engine")

    def test_an_engine_by_its_path_is_looked_for(self, cli: Cli) -> None:
        cli.call("install", "text-to-sql", "--offline", "--no-test").passed()
        cli.call("test", "text-to-sql", "--engine", "./nowhere").failed(8, "`./nowhere` is not a program")

    @pytest.mark.parametrize(
        ("words", "meant"),
        [
            ("instal x", "Did you mean `lmpm install`?"), ("lss", "Did you mean `lmpm list`?"),
            ("pul x", "`lmpm install TASK` chooses"), ("statsu", "`lmpm doctor`"), ("frobnicate", "`lmpm --help`"),
            ("cache lst", "Did you mean `lmpm cache list`?"), ("catalog frob", "`lmpm catalog --help`"),
        ],
    )  # fmt: skip
    def test_a_word_that_is_no_command_is_answered_alike_in_each_group(self, cli: Cli, words: str, meant: str) -> None:
        known = words.removesuffix(" x")
        cli.call(*words.split()).failed(2, f"There is no command `{known}`", meant)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("install x --ofline", ["There is no option `--ofline`", "Did you mean `--offline`?"]),
            ("list --zzz", ["There is no option `--zzz`", "`lmpm list --help`"]),
            ("list extra", ["Did not expect `extra`"]),
            ("resolve x --min-speed fast", ["`fast` is not a number"]),
            ("install --connections x", ["`x` is not a whole number"]),
            ("cache forget ../elsewhere", ["No known project is called", "Known are: `"]),
        ],
    )
    def test_wrong_words_are_named_in_backticks_with_what_helps(self, cli: Cli, words: str, said: list[str]) -> None:
        if words.startswith("cache"):
            cli.call("install", "text-to-sql", "--offline", "--no-test").passed()
        failed = cli.call(*words.split())
        failed.failed(3 if words.startswith("cache") else 2, *said)
        assert "'" not in failed.err and "hint: " in failed.err
        assert not re.search(r"\.$", failed.err.partition("error: ")[2].splitlines()[0])

    def test_no_words_are_not_searched_for(self, cli: Cli) -> None:
        for words in ([""], ["  ", " "]):
            cli.call("search", *words, "--offline").failed(2, "There are no words to search for")

    @pytest.mark.parametrize("words", ["update nothing", "lock --upgrade nothing"])
    def test_an_empty_project_says_so(self, cli: Cli, words: str) -> None:
        cli.call("init").passed()
        cli.call(*words.split(), "--offline").failed(3, "hint: lmpm.toml names no models")


def single(name: str) -> click.Command | None:
    return program.get_command(click.Context(program), name)


def inner(group: str) -> list[str]:
    """The commands of a group that its page lists."""
    found = single(group)
    assert isinstance(found, click.Group)
    return sorted(name for name, command in found.commands.items() if not command.hidden)


class TestHelp:
    def test_old_names_are_understood_and_not_shown(self, cli: Cli) -> None:
        page = cli.call("--help").passed().out
        assert re.search("^  test ", page, re.MULTILINE)
        for old in ALIASES:
            assert not re.search(rf"^  {old} ", page, re.MULTILINE)
            assert cli.call(old, "--help").passed().out.startswith(f"Usage: lmpm {old} ")
        for words in having("--no-test"):
            page = cli.call(*words.split(), "--help").passed().out
            assert "--no-test" in page and "--no-smoke" not in page
        cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()

    @pytest.mark.parametrize("words", commands())
    def test_each_page_has_an_example_and_no_words_of_our_own(self, cli: Cli, words: str) -> None:
        page = cli.call(*words.split(), "--help").passed().out
        assert "Example:" in page, page
        assert not re.search(r"\b(smoke|rungs?|ladder|floor|bring|brings|brought|prove[sd]?)\b", page), page

    @pytest.mark.parametrize("group", ["", *(name for name in COMMANDS if isinstance(single(name), click.Group))])
    def test_each_command_is_a_line_of_its_group_that_is_not_cut(self, cli: Cli, group: str) -> None:
        page = cli.call(*group.split(), "--help", COLUMNS="80").passed().out
        start = r"^Commands:$" if group else r"^Use:$"
        lines = re.split(start, page, flags=re.MULTILINE)[1].splitlines()
        listed = [found[1] for line in lines if (found := re.match(r"  ([a-z]+)  ", line))]
        assert listed == (inner(group) if group else [*COMMANDS])
        for line in lines:
            assert len(line) <= 80 and not line.endswith("..."), line
            assert not re.match(r" {11,}\S", line), f"goes on in a second line: {line}"
        if group:
            assert "Example:" in page

    @pytest.mark.parametrize("words", commands())
    def test_lines_that_are_kept_are_kept(self, cli: Cli, words: str) -> None:
        assert "\\b" not in cli.call(*words.split(), "--help").passed().out

    def test_what_is_for_maintainers_is_not_on_the_page(self, cli: Cli) -> None:
        page = cli.call("catalog", "--help").passed().out
        assert "show" in page and not re.search("check|picks", page)


class TestRead:
    def test_close_is_what_the_rule_finds_close(self, cli: Cli) -> None:
        """Score and waiting together: in the table nothing that is worth little beside the choice is called close."""
        for task in ("chat", "text-to-sql"):
            shown = cli.call("why", task, "--offline", "--hardware", "CPU, 2 cores, 24GB").passed().out
            assert "› chosen" in shown
            for line in shown.splitlines():
                if line.startswith("  close ") and (values := re.search(r"value ([\d.]+) against ([\d.]+)", line)):
                    assert float(values[1]) >= 0.95 * float(values[2]), line
                if line.startswith("  worse ") and (values := re.search(r"value ([\d.]+) against ([\d.]+)", line)):
                    assert float(values[1]) < 0.95 * float(values[2]), line

    def test_headings_stand_over_their_columns(self, cli: Cli) -> None:
        task = cli.call("catalog", "show", "chat", COLUMNS="300").passed().out.splitlines()
        head, row = next((line, task[at + 1]) for at, line in enumerate(task) if line.startswith("model "))
        at = {name: head.index(f" {name} ") + 1 for name in ("memory", "mode", "figure behind it")}
        assert re.search(r"(from \d+ GB|over 48 GB)$", row[: at["memory"] + len("memory")])
        assert row[at["mode"] :].split()[0] in ("thinking", "direct")
        assert re.match(r"[\w-]+.* \((measured|by its maker|converted|estimated)\)", row[at["figure behind it"] :])

    def test_a_guessed_speed_says_how_to_measure_it(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        from lmpm.project import Workspace

        advice = "`lmpm hardware --measure` measures it"
        ask = ("resolve", "text-to-sql", "--offline")
        assert advice not in cli.call(*ask, "--hardware", "M2, 16GB").passed().err
        for origin, is_guess in (("assumed", True), ("unknown", True), ("measured", False), ("table", False)):
            from dataclasses import replace

            from lmpm.machine import parse_spec

            def machine(workspace: Workspace, origin: str = origin) -> object:
                found = parse_spec("CPU, 8 cores, 16GB", workspace.chips)
                return replace(found, sources=(("bandwidth", Fact(origin, "said")),))  # type: ignore[arg-type]

            monkeypatch.setattr(Workspace, "machine", property(machine))
            assert (advice in cli.call(*ask).passed().err) is is_guess

    def test_what_is_short_is_not_nothing(self, cli: Cli) -> None:
        said = cli.call("install", "text-to-sql", "--offline", "--no-test").passed().err
        assert "time to first token under 0.1 s" in said and "0.0 s" not in said
        assert not re.search(r"(?<![\d.])0\.0 s", cli.call("verify", "--no-test").passed().out)
        assert "first token of 1,000 tokens" in cli.call("inspect", "text-to-sql").passed().out

    def test_json_counts_variants(self, cli: Cli) -> None:
        cli.call("install", "text-to-sql", "--offline", "--no-test").passed()
        for words in ("list", "verify --no-test", "sync"):
            found = cli.call(*words.split(), "--json").passed().json["models"][0]
            assert (found["variant"], found["variants"]) == (1, 1) and "rung" not in json.dumps(found)


class TestPlaces:
    def test_doctor_looks_where_notes_are_kept(self, cli: Cli, tmp_path: Path) -> None:
        assert "ok    notes" in cli.call("doctor", "--offline").out
        taken = tmp_path / "a-file"
        taken.write_text("")
        shown = cli.call("doctor", "--offline", LMPM_HOME=os.fspath(taken))
        assert shown.code == 1 and "fail  notes" in shown.out and "LMPM_HOME" in shown.out

    def test_notes_that_cannot_be_kept_name_their_place(self, cli: Cli, tmp_path: Path) -> None:
        taken = tmp_path / "a-file"
        taken.write_text("")
        cli.call("init", LMPM_HOME=os.fspath(taken)).failed(6, "Cannot keep notes in", "set LMPM_HOME")

    def test_a_part_of_lmpm_that_is_missing_is_named(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "filelock.py").write_text("raise ModuleNotFoundError('gone', name='filelock')")
        paths = os.pathsep.join((os.fspath(tmp_path), cli.environment.get("PYTHONPATH", "")))
        failed = cli.run("init", PYTHONPATH=paths)
        failed.failed(1, "lmpm is not installed whole: the module `filelock` is missing", "Install lmpm again")
