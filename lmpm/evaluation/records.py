"""What was asked, what was answered, and how models compare, as frozen records. Times are seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from lmpm.evaluation.statistics import Interval, bootstrap_mean, mcnemar, median, wilson

if TYPE_CHECKING:
    from lmpm.proof import Case, CaseAnswer, CaseSet, Verdict

Standing = Literal["better", "worse", "close"]
SURE: Final = 0.05  # the chance of error above which a difference is too close to call


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One case with its answer and verdict; `is_kept` says that it was answered in an earlier run."""

    case: Case
    answer: CaseAnswer
    verdict: Verdict
    is_kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one contender made of the cases. `load_s` is None where it was not loaded this time.

    `identity` is the sha256 of its file, or of a provider's model where it is asked; `cost` are US dollars for all
    answers, kept ones among them, None where no price is stated.
    """

    label: str
    quant: str
    build: str
    results: tuple[Result, ...]
    identity: str = ""
    recipe: str = ""
    peak_memory: int | None = None
    load_s: float | None = None
    is_cut_short: bool = False
    cost: float | None = None

    @property
    def sha256(self) -> str | None:
        """That of its file; None where it has none here."""
        return None if "://" in self.identity else self.identity

    @property
    def number(self) -> int:
        """How many cases were asked."""
        return len(self.results)

    @cached_property
    def right(self) -> int:
        """How many were right."""
        return sum(result.verdict.passed for result in self.results)

    @property
    def share(self) -> float:
        """The share that was right."""
        return self.right / self.number if self.number else 0.0

    @cached_property
    def interval(self) -> Interval:
        """Where that share lies at 95 %, by Wilson."""
        return wilson(self.right, self.number) if self.number else (0.0, 1.0)

    @property
    def is_graded(self) -> bool:
        """Whether answers can be right in part."""
        return any(result.verdict.score is not None for result in self.results)

    @cached_property
    def mean(self) -> float:
        """The mean of the scores, from 0 to 1."""
        return sum(result.verdict.value for result in self.results) / self.number if self.number else 0.0

    @cached_property
    def mean_interval(self) -> Interval:
        """Where that mean lies at 95 %, by resampling."""
        return bootstrap_mean([result.verdict.value for result in self.results]) if self.number else (0.0, 1.0)

    @property
    def first_token_s(self) -> float | None:
        """The median time to the first token."""
        return median(
            [result.answer.first_token_s for result in self.results if result.answer.first_token_s is not None]
        )

    @property
    def took_s(self) -> float | None:
        """The median time to the whole answer."""
        return median([result.answer.took_s for result in self.results if result.answer.took_s is not None])

    @property
    def tokens(self) -> float | None:
        """The median length of an answer."""
        return median([float(result.answer.tokens) for result in self.results if result.answer.tokens])

    @property
    def failures(self) -> int:
        """Cases without an answer, because the engine failed."""
        return sum(bool(result.answer.error) for result in self.results)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A contender beside the first one, on the cases that both were asked."""

    base: Score
    other: Score

    @cached_property
    def pairs(self) -> tuple[tuple[Result, Result], ...]:
        """The two results of each case."""
        known = {result.case.id: result for result in self.base.results}
        return tuple((known[item.case.id], item) for item in self.other.results if item.case.id in known)

    @cached_property
    def lost(self) -> tuple[tuple[Result, Result], ...]:
        """The pairs where only the first one is right."""
        return tuple(pair for pair in self.pairs if pair[0].verdict.passed and not pair[1].verdict.passed)

    @cached_property
    def won(self) -> tuple[tuple[Result, Result], ...]:
        """The pairs where only the other one is right."""
        return tuple(pair for pair in self.pairs if pair[1].verdict.passed and not pair[0].verdict.passed)

    @property
    def difference(self) -> float:
        """By how much more of the cases are right, from -1 to 1."""
        return (len(self.won) - len(self.lost)) / len(self.pairs) if self.pairs else 0.0

    @cached_property
    def interval(self) -> Interval:
        """Where that difference lies at 95 %, by resampling the pairs."""
        if not self.pairs:
            return (-1.0, 1.0)
        return bootstrap_mean([float(new.verdict.passed) - float(old.verdict.passed) for old, new in self.pairs])

    @cached_property
    def chance(self) -> float:
        """The chance of so uneven a split between two equally good models, by McNemar's exact test."""
        return mcnemar(len(self.won), len(self.lost))

    @property
    def standing(self) -> Standing:
        """Whether the other one is better or worse; `close` where that may be chance."""
        if self.chance >= SURE:
            return "close"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of contenders on the same cases, the first one being what the others are compared with."""

    name: str
    cases: CaseSet
    machine: str
    scores: tuple[Score, ...]
    left_out: int = 0  # cases that need code to be run, which nobody asked for

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each further contender beside the first."""
        return tuple(Comparison(base=self.scores[0], other=score) for score in self.scores[1:])

    @property
    def is_cut_short(self) -> bool:
        """Whether the user ended it before the last answer."""
        return any(score.is_cut_short for score in self.scores)
