"""What people see of a download: lines that fit, figures that are right, nothing left over."""

from __future__ import annotations

import io
import re
import sys

import pytest

from lmpm.cli.output import progress
from lmpm.cli.output.console import Console
from lmpm.cli.output.layout import cells, clip
from lmpm.cli.output.meter import Meter
from lmpm.cli.output.progress import LiveReporter, PlainReporter
from tests.conftest import Cli

MIB = 1 << 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A terminal as far as progress needs one; `drawn` is the longest line that was ever written over another."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.row = 0
        self.drawn = 0
        self.writes = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes += 1
        column = 0
        for token in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", re.sub(r"\x1b\[[\d;]*m", "", text)):
            if token == "\r":
                column = 0
            elif token == "\n":
                self.row += 1
                column = 0
                if self.row == len(self.lines):
                    self.lines.append("")
            elif token.endswith("A"):
                self.row -= int(token[2:-1] or 1)
                assert self.row >= 0, "above what was written"
            elif token.endswith("K"):
                self.drawn = max(self.drawn, cells(self.lines[self.row][:column]))
                self.lines[self.row] = self.lines[self.row][:column]
            elif token.endswith("J"):
                self.lines[self.row] = self.lines[self.row][:column]
                del self.lines[self.row + 1 :]
            else:
                line = self.lines[self.row].ljust(column)
                self.lines[self.row] = line[:column] + token + line[column + len(token) :]
                column += len(token)
        return len(text)

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


class TestMeter:
    def meter(self, clock: Clock, size: int = 100 * MIB, kept: int = 0) -> Meter:
        return Meter("model-Q4_K_M.gguf", size, kept, kept, clock=clock)

    def test_the_rate_is_that_of_the_last_seconds(self) -> None:
        clock = Clock()
        meter = self.meter(clock)
        for _ in range(100):
            clock.now += 0.1
            meter.advance(MIB)
        assert meter.rate == pytest.approx(10 * MIB, rel=0.05)
        meter.size *= 10
        for _ in range(100):
            clock.now += 0.1
            meter.advance(MIB // 2)
        assert meter.rate == pytest.approx(5 * MIB, rel=0.05)
        assert meter.left == "2 min 50 s left"

    def test_what_was_there_counts_for_the_percentage_and_not_for_the_rate(self) -> None:
        clock = Clock()
        meter = self.meter(clock, kept=50 * MIB)
        assert meter.percent == 50 and meter.rate == 0
        clock.now += 1
        meter.advance(5 * MIB)
        assert meter.percent == 55
        assert meter.figures() == [" 55 %", "55.0 MiB of 100.0 MiB", "5.0 MiB/s", "9.0 s left", "50.0 MiB resumed"]

    def test_a_rate_dies_down_when_nothing_comes(self) -> None:
        clock = Clock()
        meter = self.meter(clock)
        clock.now += 1
        meter.advance(10 * MIB)
        assert meter.rate == pytest.approx(10 * MIB)
        clock.now += 9
        assert meter.rate == pytest.approx(MIB)

    def test_bytes_that_are_thrown_away(self) -> None:
        clock = Clock()
        meter = self.meter(clock, kept=50 * MIB)
        meter.advance(-50 * MIB)
        clock.now += 1
        meter.advance(MIB)
        assert meter.percent == 1 and meter.rate == pytest.approx(MIB)

    def test_a_hundred_percent_means_all(self) -> None:
        meter = self.meter(Clock(), size=1000)
        meter.advance(999)
        assert meter.percent == 99
        meter.advance(1)
        assert (meter.percent, meter.left) == (100, "checking")
        assert self.meter(Clock(), size=0).percent == 100

    @pytest.mark.parametrize("name", ["m.gguf", "模型" * 40 + ".gguf", "x" * 200])
    @pytest.mark.parametrize("plain", [False, True])
    def test_a_line_fits_every_terminal(self, name: str, plain: bool) -> None:
        clock = Clock()
        meter = Meter(name, 4 << 30, 1 << 30, 1 << 30, clock=clock)
        clock.now += 2
        meter.advance(100 * MIB)
        for width in range(1, 200):
            line = meter.line(width, name_width=cells(name), plain=plain)
            assert cells(line) <= width
            assert plain is False or name != "m.gguf" or line.isascii()
            assert width < 20 or " 27 %" in line
            assert width < 80 or ("━" in line or "#" in line)

    def test_names_are_shortened_in_the_middle(self) -> None:
        assert clip("Arctic-Text2SQL-R1-7B.Q4_K_M.gguf", 17) == "Arctic-T…_M.gguf" or cells(
            clip("Arctic-Text2SQL-R1-7B.Q4_K_M.gguf", 17)
        ) in (16, 17)
        assert clip("short", 17) == "short"
        short = clip("Arctic-Text2SQL-R1-7B.Q4_K_M.gguf", 20)
        assert short.startswith("Arctic-") and short.endswith(".gguf")


def tell(reporter: PlainReporter, names: list[str], size: int = 10 * MIB) -> None:
    """Two files side by side, one resumed, and a third that was there."""
    reporter.planned(len(names) + 1, size * (len(names) + 1))
    reporter.reused("there.gguf", size)
    for number, name in enumerate(names):
        reporter.started(name, size, MIB if number else 0)
    for _ in range(9):
        for name in names:
            reporter.advanced(name, MIB)
    reporter.retrying(names[0], "the connection was reset", 1.0, 4)
    reporter.advanced(names[0], MIB)
    for name in names:
        reporter.finished(name, size, "ab" * 32)
    reporter.stopped()
    reporter.concluded()


class TestLive:
    @pytest.fixture
    def screen(self, monkeypatch: pytest.MonkeyPatch) -> Screen:
        monkeypatch.setattr(progress, "REDRAW_INTERVAL_S", 0.0)
        return Screen()

    @pytest.mark.parametrize("width", [20, 40, 80, 200])
    def test_no_line_is_too_long_and_none_is_left_over(
        self, screen: Screen, monkeypatch: pytest.MonkeyPatch, width: int
    ) -> None:
        monkeypatch.setattr(sys, "stderr", screen)  # not in the fixture: pytest sets it between the two
        monkeypatch.setenv("COLUMNS", str(width))
        tell(LiveReporter(Console()), ["one.gguf", "other-" + "long-" * 30 + ".gguf"])
        assert 0 < screen.drawn < width
        text = "\n".join(screen.shown)
        assert "━" not in text and "\x1b" not in text
        assert text.count("Verified") == 2 and text.count("Present") == 1

    def test_it_shows_each_file_and_all_of_them(self, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setenv("COLUMNS", "120")
        reporter = LiveReporter(Console())
        reporter.planned(2, 20 * MIB)
        reporter.started("one.gguf", 10 * MIB, 0)
        reporter.started("other.gguf", 10 * MIB, 5 * MIB)
        reporter.advanced("one.gguf", 5 * MIB)
        one, other, total = screen.shown[-3:]
        assert one.startswith("one.gguf") and " 50 %   5.0/10.0 MiB" in one
        assert other.startswith("other.gguf") and "5.0 MiB resumed" in other
        assert total.startswith("total") and " 50 %  10.0/20.0 MiB" in total
        reporter.stopped()
        assert all(line.startswith("Download") for line in screen.shown)

    def test_a_redraw_is_one_write(self, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stderr", screen)
        reporter = LiveReporter(Console())
        reporter.planned(2, 20 * MIB)
        reporter.started("one.gguf", 10 * MIB, 0)
        reporter.started("other.gguf", 10 * MIB, 0)
        before = screen.writes
        reporter.advanced("one.gguf", MIB)
        assert screen.writes == before + 1


class TestPlain:
    def test_whole_lines_and_a_summary(self, monkeypatch: pytest.MonkeyPatch) -> None:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stderr", out)
        tell(PlainReporter(Console()), ["one.gguf", "other.gguf"])
        text = out.getvalue()
        assert "\r" not in text and "\x1b" not in text
        lines = text.splitlines()
        assert "other.gguf  10.0 MiB, resuming at 1.0 MiB" in text
        assert "Verified  one.gguf  sha256 " in text and "Verified  other.gguf  sha256 " in text
        assert re.fullmatch(
            r"Fetched   19\.0 MiB downloaded in (?:under )?[\d.]+ s, [\d.]+ [GM]iB/s; 1\.0 MiB resumed; "
            r"1 of 3 files reused; all 3 verified",
            lines[-1],
        ), lines[-1]
        assert len(lines) == 7

    def test_now_and_then_a_line_says_how_far_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stderr", out)
        clock = Clock()
        monkeypatch.setattr("time.monotonic", clock)
        reporter = PlainReporter(Console())
        reporter.planned(1, 100 * MIB)
        reporter.started("one.gguf", 100 * MIB, 0)
        for _ in range(100):
            clock.now += 0.2
            reporter.advanced("one.gguf", MIB // 2)
        lines = out.getvalue().splitlines()[1:]
        assert 3 <= len(lines) <= 4
        assert all(re.search(r"\d+ %  [\d.]+ MiB of 100\.0 MiB", line) for line in lines)

    def test_quiet_is_quiet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stderr", out)
        reporter = progress.reporter_for(Console(quiet=True))
        reporter.started("one.gguf", 10, 0)
        reporter.concluded()
        assert out.getvalue() == ""


class TestOptions:
    @pytest.mark.parametrize("command", ["install", "verify"])
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--connections", "0"], "1<=x<=32"),
            (["--connections", "many"], "many"),
            (["--limit-rate", "1"], "too little"),
            (["--limit-rate", "fast"], "is not a size"),
        ],
    )
    def test_values_that_make_no_sense(self, cli: Cli, command: str, options: list[str], words: str) -> None:
        cli.call(command, *options).failed(2, words)


@pytest.mark.parametrize("discarded", [["one"], ["two"], ["one", "two"]])
def test_a_part_that_was_discarded_is_not_called_resumed(
    capsys: pytest.CaptureFixture[str], discarded: list[str]
) -> None:
    kept = {"one": 3 * MIB, "two": 5 * MIB}
    reporter = PlainReporter(Console())
    reporter.planned(2, 40 * MIB)
    for name, there in kept.items():
        reporter.started(name, 20 * MIB, there)
    for name in discarded:
        reporter.restarted(name, "the bytes do not have the promised sha256")
        reporter.advanced(name, -kept[name])
        reporter.restarted(name, "again")
    for name in kept:
        reporter.advanced(name, 20 * MIB - (0 if name in discarded else kept[name]))
        reporter.finished(name, 20 * MIB, "ab" * 32)
    reporter.concluded()
    said = capsys.readouterr().err.splitlines()[-1]
    left = sum(there for name, there in kept.items() if name not in discarded)
    assert (f"{left // MIB}.0 MiB resumed" in said) if left else ("resumed" not in said)
