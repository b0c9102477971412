"""How sure a count of right answers is, and a difference between two models that were asked the same questions."""

from __future__ import annotations

import math
import random
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL: Final = 0.95  # of every interval
RESAMPLES: Final = 5_000  # of a bootstrap: its ends are then within about 0.3 points of those of many more
SEED: Final = 20_260_501  # the same resamples each time

Interval = tuple[float, float]


def wilson(right: int, number: int, level: float = LEVEL) -> Interval:
    """The interval of a share of right answers: the score interval of Wilson (1927), without continuity correction.

    Raises ValueError unless 0 <= right <= number and number > 0.
    """
    if number <= 0 or not 0 <= right <= number:
        raise ValueError(f"{right} of {number} is not a share")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = right / number
    middle = share + z**2 / (2 * number)
    half = z * math.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    low, high = ((middle + side * half) / (1 + z**2 / number) for side in (-1, 1))
    return (0.0 if right == 0 else low, 1.0 if right == number else high)


def mcnemar(won: int, lost: int) -> float:
    """The chance of so uneven a split, or a more uneven one, if neither model were better: McNemar's exact test.

    `won` and `lost` are the cases where only one of the two is right. Two-sided; 1 where there are none.
    """
    number = won + lost
    if not number:
        return 1.0
    tail = sum(math.comb(number, count) for count in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / (1 << number))


def bootstrap_mean(values: Sequence[float], level: float = LEVEL) -> Interval:
    """The interval of a mean by resampling the cases (percentiles). Of the differences of pairs it is a paired one.

    Raises ValueError without values.
    """
    if not values:
        raise ValueError("no values")
    if min(values) == max(values):
        return (float(values[0]), float(values[0]))
    draw = random.Random(SEED)  # noqa: S311 - to resample, not to keep secret
    number = len(values)
    means = sorted(math.fsum(draw.choices(values, k=number)) / number for _ in range(RESAMPLES))
    return (_quantile(means, (1 - level) / 2), _quantile(means, (1 + level) / 2))


def median(values: Sequence[float]) -> float | None:
    """The middle value, None without any."""
    return _quantile(sorted(values), 0.5) if values else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which a share of them lies, None without any."""
    return _quantile(sorted(values), share) if values else None


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between the two nearest: method 7 of Hyndman and Fan (1996), numpy's default."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
