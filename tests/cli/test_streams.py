"""Help, colours, closed streams, encodings, and what a call does not import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lmpm.cli import ALIASES, COMMANDS
from lmpm.cli.group import ELSEWHERE, GROUPS
from tests.conftest import ROOT, Cli
from tests.loopback import LoopbackHub, Token, faults

PAGES = [*COMMANDS, "catalog list", "catalog show", "catalog check", "catalog picks", "cache dir"]
HEAVY = {"requests", "huggingface_hub", "numpy", "llama_cpp", "tqdm", "tomlkit", "httpx"}


@pytest.mark.parametrize("name", PAGES)
def test_every_command_has_help_with_an_example(cli: Cli, name: str) -> None:
    shown = cli.call(*name.split(), "--help").passed()
    assert shown.err == ""
    assert shown.out.startswith(f"Usage: lmpm {name} ")
    if name not in ("catalog", "cache"):  # their commands have examples
        assert f"Example: `lmpm {name}" in shown.out or f"lmpm {name}" in shown.out.partition("Example: ")[2]
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    options = re.findall(r"^  (-.*?)(?:  |$)", shown.out, re.MULTILINE)
    assert "-h, --help" in options


@pytest.mark.parametrize("width", [80, 100])
def test_the_first_page_names_every_command_in_its_group_on_one_line(cli: Cli, width: int) -> None:
    shown = cli.run("--help", COLUMNS=str(width)).passed().out
    for title, names in GROUPS.items():
        rows = shown.partition(f"\n{title}:\n")[2].partition("\n\n")[0].splitlines()
        assert [row.split()[0] for row in rows] == [*names], "a row for each, and no second line"
        assert not [row for row in rows if row.endswith("...")]
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "130 interrupted" in shown
    assert not set(ALIASES) & {row.split()[0] for row in shown.splitlines() if row.startswith("  ") and row.split()}
    assert cli.call().out + cli.call().err != ""
    assert cli.call().code == 2


def test_the_maintainers_commands_are_not_in_the_users_help(cli: Cli) -> None:
    shown = cli.call("catalog", "--help").passed().out
    assert "  list" in shown and "  show" in shown
    assert "  check" not in shown and "  picks" not in shown


@pytest.mark.parametrize("word", ELSEWHERE)
def test_words_of_other_tools_are_answered_with_what_does_the_same_here(cli: Cli, word: str) -> None:
    said = cli.call(word).failed(2, f"There is no command `{word}`", "hint:").err
    assert "Did you mean" not in said
    for name in re.findall(r"`lmpm (\w+)", said):
        assert name in COMMANDS
    assert "lmpm" in said


def test_a_misspelt_command_is_answered_with_the_nearest(cli: Cli) -> None:
    cli.call("instal").failed(2, "Did you mean `lmpm install`?")
    cli.call("zzz").failed(2, "All commands: `lmpm --help`")


def complete(cli: Cli, line: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    asked = {"_LMPM_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    script = "from lmpm.cli import run; run([])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=cli.directory, env=cli.environment | asked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return [row.partition(",")[2] for row in done.stdout.splitlines() if row]


def test_the_shell_completes_tasks_models_and_names(cli: Cli) -> None:
    assert complete(cli, "lmpm install text-to") == ["text-to-sql"]
    assert complete(cli, "lmpm install qwen3-8") == ["qwen3-8b"]
    assert complete(cli, "lmpm catalog show qwen3-8") == ["qwen3-8b"]
    assert complete(cli, "lmpm resolve x --task embed") == ["embeddings"]
    assert complete(cli, "lmpm path ") == []
    cli.call("install", "text-to-sql", "--offline", "--no-smoke", "--name", "my-sql").passed()
    for command in ("path", "verify", "remove", "update", "smoke", "why", "inspect"):
        assert "my-sql" in complete(cli, f"lmpm {command} my"), command
    assert "verify" in complete(cli, "lmpm ver")
    cli.lock.write_text("not a lock")
    assert complete(cli, "lmpm path my") == [], "a shell that completes has no place for errors"


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(cli: Cli, alias: str) -> None:
    assert ALIASES[alias] in COMMANDS
    cli.call(alias, "--help").passed()


def test_help_and_common_options_may_stand_before_the_command(cli: Cli) -> None:
    assert cli.call("help").passed().out == cli.call("--help").passed().out
    assert cli.call("help", "cache", "list").passed().out == cli.call("cache", "list", "--help").passed().out
    cli.call("help", "frobnicate").failed(2, "There is no command `frobnicate`")
    assert cli.call("-q", "cache", "dir").passed().out == cli.call("cache", "dir", "-q").passed().out
    cli.call("-v", "list").failed(7, "No `lmpm.lock`")
    cli.call("-q").failed(2, "There is no option `-q`")


def test_verbose_tells_where_things_are_and_what_is_asked_of_whom(cli: Cli, hub: LoopbackHub) -> None:
    words = ("resolve", "embeddings", "--hardware", "M2, 16GB")
    plain = cli.call(*words).passed()
    hub.tokens["hf_secret"] = Token("alice")
    told = cli.call(*words, "-v", HF_TOKEN="hf_secret").passed()  # another account: kept answers are not for it
    assert told.out == plain.out
    assert f"store {cli.environment['HF_HOME']}" in told.err
    assert f"GET {hub.endpoint}/api/models/" in told.err and ": 200" in told.err
    assert "hf_secret" not in told.err and "?" not in "".join(re.findall(r"GET \S+", told.err))
    assert "GET" not in plain.err


def test_the_version(cli: Cli) -> None:
    from lmpm import __version__

    assert cli.run("--version").passed().out == f"lmpm {__version__}\n"
    assert cli.call("--version").passed().out == f"lmpm {__version__}\n"


def imported(cli: Cli, script: str, *arguments: str) -> set[str]:
    """The top-level modules that a script in a process of its own imports."""
    tail = "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script + tail, *arguments],
        cwd=cli.directory,
        env=cli.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def test_the_version_needs_no_library_at_all(cli: Cli) -> None:
    found = imported(cli, "from lmpm.__main__ import main; main()", "--version")
    assert not found & (HEAVY | {"click", "platformdirs", "filelock"})


def test_what_needs_no_network_imports_none(cli: Cli, hub: LoopbackHub) -> None:
    hub.faults.add(faults.Status(404, "Repository not found", "RepoNotFound"), "*mbeddinggemma*")
    cli.call("install", "embeddings").passed()
    commands = (
        "resolve text-to-sql --offline",
        "list",
        "path embeddings",
        "install embeddings",
        "install",
        "why embeddings",
        "hardware",
        "catalog list",
        "verify --quick --no-smoke",
        "install embeddings --dry-run --offline",
    )
    script = "import sys\nfrom lmpm.cli import run\nfor each in sys.argv[1:]: assert run(each.split()) == 0, each"
    assert not imported(cli, script, *commands) & HEAVY


class TestStreams:
    def test_a_reader_that_goes_away(self, cli: Cli) -> None:
        command = cli.command("catalog", "show", "text-to-sql")
        process = subprocess.Popen(
            command, cwd=cli.directory, env=cli.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 141
        process.stderr.close()

    @pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
    def test_an_output_that_takes_nothing(self, cli: Cli, redirection: str) -> None:
        if "full" in redirection and not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        for arguments in ("catalog list", "hardware --json"):
            shown = self.shell(cli, f'"$@" {redirection}', *arguments.split())
            assert shown.returncode == 6
            assert shown.stderr.startswith("error: Cannot write the output") and "Traceback" not in shown.stderr
            assert "Exception ignored" not in shown.stderr

    def test_errors_that_nobody_reads(self, cli: Cli) -> None:
        assert self.shell(cli, '"$@" 2>&-', "path", "x").returncode == 7
        assert self.shell(cli, '"$@" >&- 2>&-', "path", "x").returncode == 7
        done = self.shell(cli, '"$@" 2>&-', "catalog", "list")
        assert done.returncode == 0 and "text-to-sql" in done.stdout

    def shell(self, cli: Cli, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script, "sh", *cli.command(*arguments)],
            cwd=cli.directory,
            env=cli.environment,
            capture_output=True,
            text=True,
        )

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
    def test_a_terminal_that_has_not_every_letter(self, cli: Cli, encoding: str) -> None:
        done = subprocess.run(
            cli.command("hardware", "--hardware", "M2, 16GB"),
            cwd=cli.directory,
            env={**cli.environment, "PYTHONIOENCODING": encoding},
            capture_output=True,
        )
        assert done.returncode == 0 and b"Apple M2" in done.stdout and b"Traceback" not in done.stderr

    def test_a_store_whose_name_is_no_text(self, cli: Cli) -> None:
        name = os.fsencode(cli.directory.parent) + b"/\xff\xfe"
        done = subprocess.run(
            cli.command("cache", "dir"),
            cwd=cli.directory,
            env={**{key.encode(): value.encode() for key, value in cli.environment.items()}, b"HF_HUB_CACHE": name},
            capture_output=True,
        )
        assert (done.returncode, done.stdout.rstrip()) == (0, name)


class TestColours:
    def test_none_off_a_terminal(self, cli: Cli) -> None:
        assert "\x1b" not in cli.run("path", "x").err

    def test_asked_for_and_refused(self, cli: Cli) -> None:
        assert "\x1b[31m" in cli.call("path", "x", FORCE_COLOR="1").err
        assert "\x1b" not in cli.call("path", "x", FORCE_COLOR="1", NO_COLOR="1").err

    @pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
    def test_on_a_terminal(self, cli: Cli, more: dict[str, str], coloured: bool) -> None:
        assert (b"\x1b[31m" in cli.at_terminal("path", "x", more=more)) is coloured

    def test_a_bar_moves_on_a_terminal_and_leaves_plain_lines(self, cli: Cli, hub: LoopbackHub) -> None:
        shown = cli.at_terminal("install", "embeddings", typed=b"n\n", more={"NO_COLOR": "1"}).decode()
        assert "\r" in shown.replace("\r\n", "\n")
        assert "Verified  sha256" in shown and "Installed embeddings" in shown

    @pytest.mark.parametrize(("typed", "fetched"), [(b"y\n", True), (b"n\n", False), (b"\n", True)])
    def test_verify_asks_whether_to_fetch_what_is_missing(
        self, cli: Cli, hub: LoopbackHub, typed: bytes, fetched: bool
    ) -> None:
        cli.call("install", "embeddings").passed()
        clone = cli.clone()
        shown = clone.at_terminal("verify", "--no-smoke", typed=typed).decode()
        assert re.search(r"embeddings is not here\. Download [\d.]+ KiB\? \[Y/n\]", shown)
        assert ("1 model verified" in shown) is fetched
        assert bool(clone.blobs()) is fetched
        assert "Download" not in cli.clone("offline").at_terminal("verify", "--offline").decode()


def test_no_test_asks_the_real_hub() -> None:
    assert "HF_TOKEN" not in os.environ and "HF_ENDPOINT" not in os.environ
    assert not Path(os.environ["HF_TOKEN_PATH"]).exists()
    assert ROOT.joinpath("pyproject.toml").exists()
