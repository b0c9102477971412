"""How many connections there are, and how fast they may be."""

from __future__ import annotations

import threading
import time

import pytest

from lmpm import limits
from lmpm.store.transfer.pacing import ConcurrencyGauge, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(gauge: ConcurrencyGauge, clock: Clock, rate: float, windows: int, received: int = 0) -> int:
    """Let each connection have so many bytes a second."""
    for _ in range(windows):
        clock.now += limits.GAUGE_WINDOW_S
        received += int(rate * gauge.target * limits.GAUGE_WINDOW_S)
        gauge.observe(gauge.target, received)
    return received


def share(gauge: ConcurrencyGauge, clock: Clock, line: float, windows: int, received: int = 0) -> int:
    """Let all connections together have so many bytes a second: the line is full, however many share it."""
    for _ in range(windows):
        clock.now += limits.GAUGE_WINDOW_S
        received += int(line * limits.GAUGE_WINDOW_S)
        gauge.observe(gauge.target, received)
    return received


def test_it_grows_while_the_rate_does() -> None:
    clock = Clock()
    gauge = ConcurrencyGauge(32, clock)
    seen, received = [], 0
    for _ in range(5):
        seen.append(gauge.target)
        received = run(gauge, clock, 20e6, 1, received)
    assert seen == [1, limits.CONNECTIONS, 2 * limits.CONNECTIONS, 32, 32]


def test_the_first_is_alone_for_a_moment_only() -> None:
    clock = Clock()
    gauge = ConcurrencyGauge(8, clock)
    clock.now += 10  # until the first byte
    gauge.observe(1, 0)
    gauge.observe(1, 1000)
    clock.now += 1.1 * limits.GAUGE_ALONE_S
    gauge.observe(1, 1_000_000)
    assert gauge.target == 8


def test_it_stays_alone_where_it_is_as_fast_as_can_be_used_and_looks_again_later() -> None:
    clock = Clock()
    gauge = ConcurrencyGauge(8, clock)
    received = share(gauge, clock, limits.ENOUGH_BYTES_PER_S * 1.1, 6)
    assert (gauge.target, gauge.sharers) == (1, 1)
    clock.now += limits.GAUGE_HOLD_S
    received = run(gauge, clock, 300e6, 1, received)
    assert gauge.target == 2
    run(gauge, clock, 300e6, 4, received)
    assert gauge.target == 8


def test_it_goes_back_when_more_bring_nothing() -> None:
    clock = Clock()
    gauge = ConcurrencyGauge(16, clock)
    share(gauge, clock, 100e6, 6)
    assert gauge.target == limits.CONNECTIONS // 2
    assert gauge.sharers == gauge.target
    gauge = ConcurrencyGauge(32, clock)
    received = run(gauge, clock, 10e6, 2)
    assert gauge.target == 16
    share(gauge, clock, 80e6, 2, received)
    assert gauge.target == limits.CONNECTIONS


def test_it_never_exceeds_what_was_allowed() -> None:
    for most in (1, 2, 3, 5, 32):
        clock = Clock()
        gauge = ConcurrencyGauge(most, clock)
        run(gauge, clock, 20e6, 20)
        assert gauge.target == most


def test_a_server_that_has_too_much_to_do_gets_half_and_later_more_again() -> None:
    clock = Clock()
    gauge = ConcurrencyGauge(16, clock)
    received = run(gauge, clock, 20e6, 6)
    gauge.fewer(overloaded=True)
    assert gauge.target == 8
    gauge.fewer(overloaded=False)
    assert gauge.target == 7
    received = run(gauge, clock, 20e6, 4, received)
    assert gauge.target == 7
    clock.now += limits.GAUGE_HOLD_S
    run(gauge, clock, 20e6, 6, received)
    assert gauge.target == 16
    for _ in range(40):
        gauge.fewer(overloaded=True)
    assert gauge.target == 1


def test_a_rate_says_nothing_while_lines_are_missing() -> None:
    clock = Clock()
    gauge = ConcurrencyGauge(16, clock)
    received = run(gauge, clock, 20e6, 1)
    assert gauge.target == limits.CONNECTIONS
    for _ in range(10):
        clock.now += limits.GAUGE_WINDOW_S
        gauge.observe(1, received)
    assert gauge.target == limits.CONNECTIONS


class Waits(threading.Event):
    """An event that notes how long it would be waited for, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return False


def test_a_rate_limit_holds_for_all_threads_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    limit = RateLimit(1_000_000)
    assert limit.most_at_once == 50_000
    stopped = Waits()
    threads = [
        threading.Thread(target=lambda: [limit.take(50_000, stopped) for _ in range(3)])  # type: ignore[func-returns-value]
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stopped.seconds) == pytest.approx([0.05 * number for number in range(1, 10)])


def test_a_rate_limit_lets_go_when_everything_stops() -> None:
    stopped = threading.Event()
    stopped.set()
    RateLimit(limits.LEAST_RATE_LIMIT).take(10**12, stopped)  # two years


def test_a_low_limit_is_shared_by_few() -> None:
    assert RateLimit().connections(8) == 8
    assert RateLimit(10 * limits.RATE_PER_CONNECTION).connections(8) == 8
    assert RateLimit(3 * limits.RATE_PER_CONNECTION).connections(8) == 3
    assert RateLimit(limits.LEAST_RATE_LIMIT).connections(8) == 1
