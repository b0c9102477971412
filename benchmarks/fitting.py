"""Robust least squares for the speed models, and how a set of errors is told."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

STEP = 1e-5  # of the numeric slopes
LARGEST_MOVE = 0.3  # of a parameter in a round, in its logarithm

Errors = Callable[[np.ndarray], np.ndarray]
Pulls = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def minimise(
    errors: Errors, start: np.ndarray, pulls: Pulls, *, huber: float, rounds: int, weights: np.ndarray | float = 1.0
) -> np.ndarray:
    """Gauss-Newton on Huber's loss of `errors`, with residuals that draw the parameters (`pulls`, with slopes)."""
    theta = start.copy()
    for _ in range(rounds):
        found = errors(theta)
        slopes = np.array([(errors(theta + step) - found) / STEP for step in np.eye(len(theta)) * STEP]).T
        loss = weights * np.minimum(1.0, huber / np.maximum(np.abs(found), 1e-12))
        pulled, pull_slopes = pulls(theta)
        left = (slopes * loss[:, None]).T @ slopes + pull_slopes.T @ pull_slopes
        right = (slopes * loss[:, None]).T @ found + pull_slopes.T @ pulled
        theta = theta - np.clip(np.linalg.solve(left, right), -LARGEST_MOVE, LARGEST_MOVE)
    return theta


class Summary(NamedTuple):
    """Errors of a set of predictions."""

    rows: int
    median: float
    p90: float
    within_15: float
    within_25: float
    bias: float

    def __str__(self) -> str:
        return (
            f"{self.rows:5d} {self.median:8.1%} {self.p90:8.1%} {self.within_15:8.0%} {self.within_25:8.0%}"
            f" {self.bias:+8.1%}"
        )


HEADER = " rows   median      p90     <15%     <25%     bias"


def summary(errors: Sequence[float]) -> Summary:
    """What a list of relative errors comes to."""
    sizes = sorted(abs(error) for error in errors)
    return Summary(
        rows=len(sizes),
        median=statistics.median(sizes),
        p90=sizes[math.ceil(0.9 * len(sizes)) - 1],
        within_15=sum(size <= 0.15 for size in sizes) / len(sizes),
        within_25=sum(size <= 0.25 for size in sizes) / len(sizes),
        bias=statistics.median(errors),
    )


def quantiles(errors: Sequence[float]) -> list[float]:
    """Measured / predicted below which 5, 10, 50, 90 and 95 in a hundred lie."""
    ratios = sorted(1 / (1 + error) for error in errors)
    return [ratios[min(len(ratios) - 1, int(len(ratios) * part))] for part in (0.05, 0.1, 0.5, 0.9, 0.95)]


def share_within(errors: Sequence[float], low: float, high: float) -> float:
    """The share of measurements that lie within a range around their predictions."""
    return sum(low <= 1 / (1 + error) <= high for error in errors) / len(errors)
