"""Checks of an answer in words: the same text, a pattern, facts, a label, a number, a translation."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from lmpm.catalog import LabelCase
from lmpm.proof.judge import Verdict, judge_label
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHARS: Final = 16 * 1024  # of an answer that a pattern is searched in
SHOWN_CHARS: Final = 60
NUMBER: Final = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
CHRF_ORDER: Final = 6  # the longest pieces, in characters, and what recall weighs beside precision:
CHRF_BETA: Final = 2  # both as in Popović, chrF++ (WMT 2017), without words


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The answer is one of these texts, blanks around it aside."""

    kind: ClassVar = "exact"
    expected: tuple[str, ...]
    ignore_case: bool = False

    def judge(self, answer: str) -> Verdict:
        """Compare the whole answer."""
        found = self._plain(answer)
        right = any(found == self._plain(text) for text in self.expected)
        return Verdict(
            right, "as expected" if right else f"expected {_quoted(self.expected[0])}", answer=answer.strip()
        )

    def _plain(self, text: str) -> str:
        return text.strip().casefold() if self.ignore_case else text.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The answer holds what a regular expression describes."""

    kind: ClassVar = "regex"
    expected: re.Pattern[str]

    def judge(self, answer: str) -> Verdict:
        """Search the answer."""
        right = self.expected.search(answer[:MAX_CHARS]) is not None
        return Verdict(right, "found" if right else "the pattern is not in the answer", answer=answer.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The answer has every fact, each in one of its wordings, and none of those that it must not have."""

    kind: ClassVar = "facts"
    must: tuple[tuple[str, ...], ...]
    must_not: tuple[tuple[str, ...], ...] = ()

    def judge(self, answer: str) -> Verdict:
        """Look for each fact; the score is the share of them that is as it should be."""
        text = " ".join(answer.split())
        missing = [words[0] for words in self.must if not has_fact(text, words)]
        wrong = [words[0] for words in self.must_not if has_fact(text, words)]
        facts = len(self.must) + len(self.must_not)
        detail = f"{count(len(text.split()), 'word')}, all facts as expected"
        if missing:
            detail = "without " + ", ".join(map(_quoted, missing))
        elif wrong:
            detail = "has what it must not have: " + ", ".join(map(_quoted, wrong))
        score = 1 - (len(missing) + len(wrong)) / facts
        return Verdict(not missing and not wrong, detail, answer=answer.strip(), score=score)


def has_fact(text: str, wordings: Sequence[str]) -> bool:
    """Whether a text has one of the wordings, at the beginning of a word; a number is not part of a longer one."""
    return any(_fact_pattern(words).search(text) for words in wordings)


def _fact_pattern(words: str) -> re.Pattern[str]:
    end = r"(?!\d|[.,]\d)" if words[-1].isdigit() else ""
    return re.compile(rf"(?<![\w.,]){re.escape(words)}{end}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The first label that the answer names is the expected one."""

    kind: ClassVar = "label"
    labels: tuple[str, ...]
    expected: str

    def judge(self, answer: str) -> Verdict:
        """Find the first label."""
        return judge_label(LabelCase(inputs={"labels": self.labels}, expected=self.expected), answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The last number of the answer is the expected one, within a tolerance of so much more or less."""

    kind: ClassVar = "number"
    expected: float
    tolerance: float = 1e-6

    def judge(self, answer: str) -> Verdict:
        """Compare the last number."""
        found = NUMBER.findall(answer[-MAX_CHARS:])
        if not found:
            return Verdict(False, "the answer has no number", answer=answer.strip())
        last = float(found[-1].replace(",", ""))
        right = abs(last - self.expected) <= self.tolerance
        detail = f"{last:g} as expected" if right else f"expected {self.expected:g}, got {last:g}"
        return Verdict(right, detail, answer=answer.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The answer is near to one of the references: chrF, from 0 to 100, is at least `least`."""

    kind: ClassVar = "chrf"
    expected: tuple[str, ...]
    least: float = 50.0

    def judge(self, answer: str) -> Verdict:
        """Compare the pieces of both texts."""
        found = max(chrf(answer, reference) for reference in self.expected)
        detail = f"chrF {found:.1f}, {self.least:g} needed"
        return Verdict(found >= self.least, detail, answer=answer.strip(), score=found / 100)


def chrf(answer: str, reference: str) -> float:
    """The F-score of the pieces of up to six characters that two texts share, from 0 to 100; blanks do not count.

    Popović, chrF: character n-gram F-score for automatic MT evaluation (WMT 2015), of one sentence.
    """
    texts = ["".join(text.split()) for text in (answer, reference)]
    precision, recall = [], []
    for size in range(1, CHRF_ORDER + 1):
        ours, theirs = (Counter(text[at : at + size] for at in range(len(text) - size + 1)) for text in texts)
        if ours and theirs:
            shared = (ours & theirs).total()
            precision.append(shared / ours.total())
            recall.append(shared / theirs.total())
    if not precision or not any((*precision, *recall)):
        return 0.0
    p, r, weight = sum(precision) / len(precision), sum(recall) / len(recall), CHRF_BETA**2
    return 100 * (1 + weight) * p * r / (weight * p + r)


def _quoted(text: str) -> str:
    text = " ".join(text.split())
    return f"`{text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + '…'}`"
