"""Asking contenders: answers are kept, a run goes on where it was ended, and what differs is found."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lmpm.cloud import Price
from lmpm.evaluation import (
    Evaluation,
    as_json,
    bars,
    can_plot,
    evaluate,
    junit,
    markdown,
    plot_scores,
    standing_words,
    unanswered,
)
from lmpm.proof import Case, CaseAnswer, CaseSet, read_cases

NUMBER = 40


@dataclass
class Counter:
    """A contender that multiplies, right below a limit; it counts how often it is opened and asked."""

    label: str = "counter"
    quant: str = "Q8_0"
    identity: str = "0" * 64
    recipe: str = "r"
    build: str = "b1"
    right: frozenset[int] = frozenset(range(NUMBER))
    ends_at: int | None = None
    price: Price | None = None
    opened: int = 0
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[Loaded]:
        self.opened += 1
        yield Loaded(self)


@dataclass
class Loaded:
    counter: Counter
    load_s: float = 0.25

    def ask(self, case: Case) -> CaseAnswer:
        if self.counter.ends_at is not None and len(self.counter.asked) == self.counter.ends_at:
            raise KeyboardInterrupt
        self.counter.asked.append(case.id)
        number = int(case.id.removeprefix("c"))
        value = number * 3 if number in self.counter.right else -1
        return CaseAnswer(text=f"= {value}", first_token_s=0.1, took_s=0.2 + number / 100, tokens=3)

    def peak_memory(self) -> int | None:
        return 1 << 20


@pytest.fixture
def cases(tmp_path: Path) -> CaseSet:
    lines = [
        {
            "id": f"c{n}",
            "check": "number",
            "prompt": f"{n} * 3?",
            "expected": n * 3,
            "tags": ["odd" if n % 2 else "even"],
        }
        for n in range(NUMBER)
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return read_cases(tmp_path / "cases.jsonl")


def run(cases: CaseSet, folder: Path, *contenders: Counter) -> Evaluation:
    return evaluate("math", cases, contenders, kept=folder / "kept", machine="a machine")


def test_answers_are_kept_and_the_model_is_not_loaded_for_them(cases: CaseSet, tmp_path: Path) -> None:
    counter = Counter()
    assert unanswered(cases, counter, tmp_path / "kept") == cases.cases
    first, second = run(cases, tmp_path, counter), run(cases, tmp_path, counter)
    assert (counter.opened, len(counter.asked)) == (1, NUMBER)
    assert unanswered(cases, counter, tmp_path / "kept") == ()
    assert first.scores[0].right == second.scores[0].right == NUMBER
    assert [result.is_kept for result in second.scores[0].results] == [True] * NUMBER
    assert second.scores[0].took_s == first.scores[0].took_s == pytest.approx(0.395)
    assert (first.scores[0].load_s, second.scores[0].load_s) == (0.25, None)


@pytest.mark.parametrize("changed", [{"identity": "1" * 64}, {"recipe": "s"}, {"build": "b2"}])
def test_another_file_recipe_or_engine_is_asked_anew(cases: CaseSet, tmp_path: Path, changed: dict[str, str]) -> None:
    run(cases, tmp_path, Counter())
    other = Counter(**changed)  # type: ignore[arg-type]
    run(cases, tmp_path, other)
    assert len(other.asked) == NUMBER


def test_a_run_that_was_ended_goes_on_where_it_was(cases: CaseSet, tmp_path: Path) -> None:
    ended = run(cases, tmp_path, Counter(ends_at=15), Counter(identity="1" * 64))
    assert (ended.is_cut_short, len(ended.scores), ended.scores[0].number) == (True, 1, 15)
    counter = Counter()
    whole = run(cases, tmp_path, counter)
    assert (len(counter.asked), whole.scores[0].number, whole.is_cut_short) == (NUMBER - 15, NUMBER, False)


def test_what_differs_is_counted_by_pairs(cases: CaseSet, tmp_path: Path) -> None:
    base = Counter(right=frozenset(range(30)))
    worse = Counter(identity="1" * 64, right=frozenset(range(12)))
    close = Counter(identity="2" * 64, right=frozenset({*range(2, 30), 31}))
    better = Counter(identity="3" * 64, right=frozenset(range(NUMBER)))
    found = run(cases, tmp_path, base, worse, close, better).comparisons
    assert [(len(item.lost), len(item.won), item.standing) for item in found] == [
        (18, 0, "worse"), (2, 1, "close"), (0, 10, "better"),
    ]  # fmt: skip
    assert [standing_words(item) for item in found[:2]] == [
        "worse (18 lost, 0 won)",
        "too close to call (2 lost, 1 won)",
    ]
    low, high = found[0].interval
    assert low < found[0].difference < high < 0
    assert found[0].difference == pytest.approx(-0.45)


def test_reports(cases: CaseSet, tmp_path: Path) -> None:
    found = run(cases, tmp_path, Counter(right=frozenset(range(30))), Counter(identity="1" * 64, label="a|b"))
    page = markdown(found)
    assert "| counter | Q8_0 | 30 of 40 | 75 % (60-86) |" in page
    assert "| a\\|b | Q8_0 | 40 of 40 | 100 % (91-100) | +25 points (" in page
    assert "## Won by a|b Q8_0" in page
    assert "| even | 15 of 20 | 20 of 20 |" in page
    assert bars(found)[0] in page
    tree = ET.fromstring(junit(found, 0.8))
    assert tree.attrib["tests"] == "80"
    assert [len(suite.findall("testcase")) for suite in tree] == [40, 40]
    assert len(tree.findall(".//failure")) == 10
    data = json.loads(json.dumps(as_json(found)))
    assert data["comparisons"][0]["won"] == [f"c{n}" for n in range(30, 40)]
    assert data["scores"][0]["share"] == 0.75


def test_a_plot(cases: CaseSet, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert can_plot()
    found = run(cases, tmp_path, Counter(right=frozenset(range(30))), Counter(identity="1" * 64))
    for name, head in (("plot.png", b"\x89PNG"), ("plot.svg", b"<?xml")):
        plot_scores(found, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(head)


def test_bars_show_the_share_and_its_interval(cases: CaseSet, tmp_path: Path) -> None:
    found = run(cases, tmp_path, Counter(right=frozenset(range(20))))
    (line,) = bars(found)
    assert line.startswith("counter Q8_0  ██")
    assert line.endswith("50 % (35-65)")
    assert line.count("█") + line.count("▓") == 20  # half of 40 characters
