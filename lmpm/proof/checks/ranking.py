"""Checks of an order: how well the scores of documents put the relevant ones first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from lmpm.proof.judge import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

Measure = Literal["ndcg", "recall"]
DEPTH: Final = 10  # places that count


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Documents of these relevances (0: not relevant) come in a good order: the measure is at least `least`."""

    kind: ClassVar = "ranking"
    relevance: tuple[float, ...]
    measure: Measure = "ndcg"
    depth: int = DEPTH
    least: float = 0.8

    def judge(self, scores: Sequence[float]) -> Verdict:
        """Put the documents in the order of their scores; of equals the one that stands first comes last."""
        if len(scores) != len(self.relevance) or not all(map(math.isfinite, scores)):
            return Verdict(False, "the model computes values that are not numbers", score=0.0)
        # of equal scores the less relevant one first: a model that says the same of all must not win by it
        order = sorted(range(len(scores)), key=lambda at: (-scores[at], self.relevance[at]))
        ranked = [self.relevance[at] for at in order]
        found = (ndcg if self.measure == "ndcg" else recall)(ranked, self.depth)
        title = "nDCG" if self.measure == "ndcg" else "recall"
        detail = f"{title}@{self.depth} {found:.3f}, {self.least:g} needed"
        return Verdict(found >= self.least, detail, answer=f"first: document {order[0] + 1}", score=found)


def ndcg(ranked: Sequence[float], depth: int = DEPTH) -> float:
    """The discounted gain of relevances in this order, as a share of what the best order gains; 0 without any.

    Gain 2^relevance - 1, discount log2 of the place and one: Burges et al., Learning to Rank (ICML 2005).
    """
    best = _gain(sorted(ranked, reverse=True), depth)
    return _gain(ranked, depth) / best if best else 0.0


def _gain(ranked: Sequence[float], depth: int) -> float:
    return math.fsum((2**relevance - 1) / math.log2(place + 2) for place, relevance in enumerate(ranked[:depth]))


def recall(ranked: Sequence[float], depth: int = DEPTH) -> float:
    """The share of the relevant documents that is among the first; 0 without any."""
    relevant = sum(relevance > 0 for relevance in ranked)
    return sum(relevance > 0 for relevance in ranked[:depth]) / relevant if relevant else 0.0
