"""What a terminal of 80 or 100 columns shows: read behind a real pseudo-terminal, nothing broken inside a column."""

from __future__ import annotations

import os
import re
import struct
import sys

import pytest

from lmpm.cli.output.layout import Fit, cells, fit_table, wrap
from tests.conftest import Cli
from tests.loopback import LoopbackHub

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
WIDTHS = (80, 100)
M2 = "--hardware=M2,16GB"
LOCAL = [
    "--help", "list", "catalog list", "catalog show text-to-sql", "catalog show qwen3-8b", "catalog show edge --all",
    "hardware", "hardware --hardware=RTX4090,64GB", "cache list", "cache prune", "verify --no-smoke",
    "resolve text-to-sql --offline", "resolve text-to-sql --offline --explain", "why text-to-sql --offline",
    f"why chat --offline {M2}", f"why vision --offline {M2}", "inspect text-to-sql", "sync", "lock --check",
    "audit --offline",
    "install qwn3-8b --offline", "install hf:no/thing --offline", "frobnicate", "tree", "show", "completion",
    "outdated --offline",
    "install text-to-sql --offline -c 8k", "resolve text-to-sql --offline --hardware=CPU,1GB --max-size 1MB",
    "install ms://a/b",
    "install qwen3:8b", "diff", "remove nothing", "path nothing", "smoke nothing",
]  # fmt: skip
REMOTE = [
    f"install chat --dry-run {M2}", f"resolve vision {M2} --explain", f"search qwen3 8b {M2}",
    f"search qwen3 8b --all {M2}",
    "install embeddings", "update --dry-run", "lock --upgrade --dry-run", "outdated", "audit", "why embeddings",
]  # fmt: skip


def shown(cli: Cli, width: int, words: str) -> list[str]:
    """The lines of a terminal once a command has ended; of a line that was drawn over, what stands there at last."""
    import fcntl
    import pty
    import termios

    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        os.chdir(cli.directory)
        os.execve(sys.executable, cli.command(*words.split()), {**cli.environment, "TERM": "xterm"})
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        written += part
        if b"[Y/n]" in part:  # such as whether to measure the machine
            os.write(terminal, b"n\n")
    os.waitpid(pid, 0)
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    return [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]


def check_fits(lines: list[str], width: int) -> None:
    """Assert that no line is wider than the terminal but for a single word that no line has room for."""
    text = "\n".join(lines)
    assert "Traceback" not in text, text
    for line in lines:
        assert cells(line) <= width or len(max(line.split(), key=len)) > width // 2, (line, text)
    wrong = r"(?<![\d.,])1 (repositories|models|files|notes|layers|variants)\b|(?<![\d.])0\.0B|min 0 s|\(s\)"
    assert not re.search(wrong, text), text
    assert not re.search(r"\b(rungs?|floor|bring|brought|prove[sd]?)\b", text), text


@pytest.mark.parametrize("width", WIDTHS)
def test_all_that_needs_no_network_fits(cli: Cli, width: int) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    for words in LOCAL:
        check_fits(shown(cli, width, words), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_the_hub_answers_fits(cli: Cli, hub: LoopbackHub, width: int) -> None:
    for words in REMOTE:
        check_fits(shown(cli, width, words), width)


def test_why_is_at_most_a_screen(cli: Cli, hub: LoopbackHub) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    for words in ("why text-to-sql --offline", f"why chat --offline {M2}", f"why qwen3-8b {M2}"):
        lines = shown(cli, 80, words)
        assert len(lines) <= 25, lines
        assert any(line.split()[:3] == ["model", "quant", "score"] for line in lines)
        assert any(line.startswith("› chosen") for line in lines) and any("from " in line for line in lines)
        assert any("more candidates" in line for line in lines)


def test_long_lists_are_capped_with_a_count(cli: Cli) -> None:
    few = cli.call("catalog", "show", "chat").passed().out.splitlines()
    every = cli.call("catalog", "show", "chat", "--all").passed().out.splitlines()
    left = int(re.findall(r"^(\d+) more rows: `--all`$", few[-1])[0])
    assert len(every) == len(few) - 1 + left


def test_a_status_is_told_by_more_than_its_colour(cli: Cli) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    assert "✓ installed" in cli.call("list").passed().out
    assert "✗ missing" in cli.clone().call("list").passed().out
    coloured = cli.run("list", FORCE_COLOR="1").passed().out
    assert "\x1b[32m✓ installed\x1b[0m" in coloured
    assert "\x1b" not in cli.run("list", FORCE_COLOR="1", NO_COLOR="1").out
    assert "+ installed" in cli.run("list", PYTHONIOENCODING="ascii").passed().out


def test_the_engine_is_named_once_and_quiet_is_quiet(cli: Cli) -> None:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    cli.call("install", "text-to-sql", "--offline", "--no-smoke", "--name", "second", "-c", "512").passed()
    told = cli.call("verify").passed()
    assert len(re.findall("^engine ", told.out, re.MULTILINE)) == 1 and told.out.count("✓ verified") == 2
    quiet = cli.call("verify", "-q").passed()
    assert (quiet.out, quiet.err) == ("", "")
    cli.blobs()[0].chmod(0o644)
    cli.blobs()[0].write_bytes(b"other")
    assert "✗ failed" in cli.call("verify", "-q").failed(4).out


class TestWrap:
    TEXT = (
        "With a network lmpm would take Granite-4.0 IQ4_XS of 3.6 GiB: drop `--offline` and run `lmpm install x --all`"
    )

    @pytest.mark.parametrize("width", range(40, 130, 7))
    def test_lines_fit_and_hang(self, width: int) -> None:
        first, *rest = wrap(self.TEXT, width, hang=10, first=10)
        assert cells(first) <= width - 10
        assert all(cells(line) <= width and line.startswith(" " * 10) for line in rest)
        assert " ".join([first, *(line.strip() for line in rest)]) == self.TEXT
        assert "`lmpm install x --all`" in first + "".join(rest) and "3.6 GiB" in first + "".join(rest)

    def test_nothing_is_broken_without_a_terminal(self) -> None:
        assert wrap(self.TEXT, None, hang=10) == [self.TEXT]
        assert wrap("", 80) == [""]

    def test_a_word_that_no_line_has_room_for_stays_whole(self) -> None:
        assert wrap(f"see /{'x' * 100} there", 40) == ["see", f"/{'x' * 100}", "there"]

    @pytest.mark.parametrize("width", [40, 60, 80, 100, None])
    def test_tables_give_way(self, width: int | None) -> None:
        table = [
            ("✓ ok", "a-very-long-name-of-a-model-indeed", "3.6 GiB", "what is said of it goes on and on " * 3)
        ] * 3
        fit = Fit(shorten=(1,), wraps=True)
        lines = fit_table(table, width, indent=2, right=frozenset({2}), fit=fit)
        assert all(cells(line) <= (width or 1000) for line in lines)
        assert all("3.6 GiB" in line for line in lines if "✓ ok" in line)
        assert sum("✓ ok" in line for line in lines) == 3

    def test_the_least_column_goes_first(self) -> None:
        table = [("model" * 6, "7.6B", "apache-2.0 and more of it", "q" * 30)]
        lines = fit_table(table, 80, indent=0, right=frozenset(), fit=Fit(drop=(3, 2)))
        assert lines == [f"{'model' * 6}  7.6B  apache-2.0 and more of it"]
