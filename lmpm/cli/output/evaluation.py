"""An evaluation on a terminal: how far it is, the table, and what differed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from lmpm.cli.output.console import put, put_table
from lmpm.cli.output.layout import Fit
from lmpm.cli.output.moving import MovingLine
from lmpm.evaluation import (
    Watcher,
    one_line,
    percents,
    points_of,
    standing_words,
    tags_of,
    title_of,
)
from lmpm.units import count, dollars, duration, human

if TYPE_CHECKING:
    from lmpm.cli.output.console import Console
    from lmpm.evaluation import Contender, Evaluation, Result, Score
    from lmpm.proof import CaseSet

HEADS: Final = ("", "right", "", "score", "answer", "TTFT", "tokens", "memory", "cost")
MOST_TAGS: Final = 8
SHOWN_CHARS: Final = 400


def show_begin(console: Console, cases: CaseSet, machine: str) -> None:
    """What is asked, and where."""
    console.say("", f"{count(len(cases), 'case')} of {cases.name} on {machine} · greedy")
    console.blank()


class Progress(Watcher):
    """Says how far an evaluation is."""

    def __init__(self, console: Console) -> None:
        self.console, self.line = console, MovingLine(console, "Asking")
        self.began_s = time.monotonic()
        self.right = 0

    def began(self, contender: Contender, kept: int, number: int) -> None:
        """Begin to count."""
        self.right, self.began_s = 0, time.monotonic()
        if kept:
            self.console.detail(f"{contender.label}: {kept} of {number} answers are kept from before")

    def answered(self, contender: Contender, result: Result, done: int, number: int) -> None:
        """Say how far it is."""
        self.right += result.verdict.passed
        took = time.monotonic() - self.began_s
        left = f", {duration(took / done * (number - done))} left" if not result.is_kept and done < number else ""
        self.line.show(f"{contender.label} {contender.quant}  {done} of {number}, {self.right} right{left}")

    def ended(self, score: Score) -> None:
        """Take the line away."""
        self.line.clear()


def show_scores(found: Evaluation) -> None:
    """The table, how the others stand beside the first, and by tag where there are tags."""
    graded = any(score.is_graded for score in found.scores)
    rows = [
        (
            title_of(score),
            f"{score.right} of {score.number}",
            percents(score),
            f"{score.mean:.2f}" if graded else "",
            *("" if value is None else duration(value) for value in (score.took_s, score.first_token_s)),
            f"{score.tokens:.0f}" if score.tokens else "",
            human(score.peak_memory) if score.peak_memory else "",
            "" if score.cost is None else dollars(score.cost),
        )
        for score in found.scores
    ]
    put_table(rows, heads=HEADS, indent="  ", right=frozenset({1}), fit=Fit(drop=(7, 6, 3, 5, 8, 4), shorten=(0,)))
    if found.comparisons:
        put("")
        put(f"  beside {title_of(found.scores[0])}")
        beside = [(title_of(item.other), f"{standing_words(item)}: {points_of(item)}") for item in found.comparisons]
        put_table(beside, indent="  ", fit=Fit(shorten=(0,), wraps=True))
    for score in found.scores:
        if score.failures:
            put(f"  {score.label}: {count(score.failures, 'case')} without an answer: {_why(score)}")
    tags = tags_of(found)[:MOST_TAGS]
    if tags and any(number < len(found.cases) for _, cells in tags for _, number in cells):
        put("")
        names = [title_of(score) for score in found.scores]
        cells = [
            [name, *(f"{line[number][0]} of {line[number][1]}" for _, line in tags)]
            for number, name in enumerate(names)
        ]
        fit = Fit(drop=tuple(range(len(tags), 1, -1)), shorten=(0,))  # rarer tags give way
        put_table(cells, heads=["", *(tag for tag, _ in tags)], indent="  ", fit=fit)


def _why(score: Score) -> str:
    return next(result.answer.error for result in score.results if result.answer.error)


def show_cases(found: Evaluation, show: str | None) -> None:
    """The cases that are wanted, with what was asked, answered and wrong."""
    if show is None:
        return
    if show in ("lost", "won"):
        for comparison in found.comparisons:
            pairs = comparison.lost if show == "lost" else comparison.won
            put("")
            put(f"{len(pairs)} {show} by {comparison.other.label} {comparison.other.quant}".rstrip())
            for old, new in pairs:
                _put_case(old.case.id, old.case.title, (comparison.base.label, old), (comparison.other.label, new))
        if found.comparisons:
            return
    for score in found.scores:
        wanted = "all" if show in ("all", "won") else "wrong"
        results = [result for result in score.results if wanted == "all" or not result.verdict.passed]
        put("")
        put(f"{score.label} {score.quant}: {wanted}, {len(results)} of {score.number}".replace(" :", ":"))
        for result in results:
            _put_case(result.case.id, result.case.title, (score.label, result))


def _put_case(name: str, asked: str, *answers: tuple[str, Result]) -> None:
    put("")
    put(f"  {name}  {one_line(asked, SHOWN_CHARS)}")
    for label, result in answers:
        sign = "right" if result.verdict.passed else "wrong"
        shown = one_line(result.verdict.answer or result.answer.text, SHOWN_CHARS)
        put(f"    {sign}  {label}: {shown}", hang=6)
        if not result.verdict.passed:
            put(f"           {one_line(result.verdict.detail, SHOWN_CHARS)}")


def show_next(console: Console, found: Evaluation, *, is_shown: bool, own_checks: bool) -> None:
    """One step further."""
    console.blank()
    own = found.cases.name if not found.cases.name.startswith("lmpm's") else ""
    if not is_shown:
        what = "lost" if found.comparisons else "wrong"
        console.say("next", f"the same with `--show {what}`: answers are kept, so it takes no time")
    elif own and not own_checks:
        console.say("next", f'keep it as this project\'s check: `checks = "{own}"` in lmpm.toml')
