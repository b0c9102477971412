"""Intervals and tests against scipy: a table that it made, and scipy itself where it is installed."""

from __future__ import annotations

import random

import pytest

from lmpm.evaluation.statistics import bootstrap_mean, mcnemar, median, percentile, wilson

# scipy 1.16: `binomtest(right, number).proportion_ci(method="wilson")`
WILSON = [
    (0, 10, 0.0, 0.27753279986288926),
    (10, 10, 0.7224672001371109, 1.0),
    (1, 1, 0.20654931437723745, 1.0),
    (66, 80, 0.7274245802116867, 0.8927936355902207),
    (41, 80, 0.40493334216542254, 0.6189212045961893),
    (300, 1000, 0.2724068424770048, 0.3291238609172172),
]
# scipy 1.16: `binomtest(won, won + lost, 0.5).pvalue`
MCNEMAR = [
    (6, 31, 4.12575900554657e-05),
    (3, 3, 1.0),
    (0, 5, 0.0625),
    (0, 6, 0.03125),
    (12, 5, 0.143463134765625),
    (0, 0, 1.0),
]


@pytest.mark.parametrize(("right", "number", "low", "high"), WILSON)
def test_wilson(right: int, number: int, low: float, high: float) -> None:
    assert wilson(right, number) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("right", "number"), [(-1, 5), (6, 5), (0, 0)])
def test_what_is_no_share(right: int, number: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        wilson(right, number)


@pytest.mark.parametrize(("won", "lost", "chance"), MCNEMAR)
def test_mcnemar(won: int, lost: int, chance: float) -> None:
    assert mcnemar(won, lost) == pytest.approx(chance, rel=1e-12)
    assert mcnemar(lost, won) == pytest.approx(chance, rel=1e-12)


def test_against_scipy_itself() -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(1)
    for _ in range(200):
        number = draw.randint(1, 400)
        right = draw.randint(0, number)
        expected = stats.binomtest(right, number).proportion_ci(method="wilson")
        assert wilson(right, number) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert mcnemar(right, number - right) == pytest.approx(stats.binomtest(right, number, 0.5).pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_resampling_against_scipy(seed: int) -> None:
    stats, numpy = pytest.importorskip("scipy.stats"), pytest.importorskip("numpy")
    draw = random.Random(seed)
    values = [draw.choice([-1.0, 0.0, 0.0, 0.5, 1.0]) for _ in range(90)]
    expected = stats.bootstrap(
        (numpy.array(values),), numpy.mean, method="percentile", n_resamples=40_000, rng=numpy.random.default_rng(seed)
    ).confidence_interval
    assert bootstrap_mean(values) == pytest.approx((expected.low, expected.high), abs=0.012)
    assert bootstrap_mean(values) == bootstrap_mean(values)  # the same resamples each time


def test_values_that_are_all_the_same() -> None:
    assert bootstrap_mean([0.5] * 7) == (0.5, 0.5)
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])


def test_quantiles_are_those_of_numpy() -> None:
    assert (median([]), median([3.0]), median([4.0, 1.0, 2.0, 3.0])) == (None, 3.0, 2.5)
    values = [5.0, 1.0, 9.0, 7.0]
    assert percentile(values, 0.95) == pytest.approx(8.7)  # numpy.quantile([1, 5, 7, 9], 0.95)
