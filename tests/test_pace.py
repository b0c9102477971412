"""How many connections there are, and how fast they may be."""

from __future__ import annotations

import threading
import time

from lmpm import limits
from lmpm.transfer.pace import Gauge, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(gauge: Gauge, clock: Clock, rate: float, windows: int, received: int = 0) -> int:
    """Let the connections have so many bytes a second, each, up to a line of 80."""
    for _ in range(windows):
        clock.now += limits.GAUGE_WINDOW_S
        received += int(rate * gauge.target * limits.GAUGE_WINDOW_S)
        gauge.observe(gauge.target, received)
    return received


def test_it_grows_while_the_rate_does() -> None:
    clock = Clock()
    gauge = Gauge(16, clock)
    assert gauge.target == limits.FIRST_CONNECTIONS
    run(gauge, clock, 20e6, 4)
    assert gauge.target == 16


def test_it_goes_back_when_more_bring_nothing() -> None:
    clock = Clock()
    gauge = Gauge(16, clock)
    received = 0
    for _ in range(6):
        clock.now += limits.GAUGE_WINDOW_S
        received += int(100e6 * limits.GAUGE_WINDOW_S)  # the line is full, however many share it
        gauge.observe(gauge.target, received)
    assert gauge.target == limits.FIRST_CONNECTIONS


def test_it_never_exceeds_what_was_allowed() -> None:
    for most in (1, 2, 3, 5, 32):
        clock = Clock()
        gauge = Gauge(most, clock)
        run(gauge, clock, 20e6, 20)
        assert gauge.target == most


def test_a_server_that_has_too_much_to_do_gets_half_and_later_more_again() -> None:
    clock = Clock()
    gauge = Gauge(16, clock)
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
    gauge = Gauge(16, clock)
    for _ in range(10):
        clock.now += limits.GAUGE_WINDOW_S
        gauge.observe(1, 0)
    assert gauge.target == limits.FIRST_CONNECTIONS


def test_a_rate_limit_holds_for_all_threads_together() -> None:
    limit = RateLimit(1_000_000)
    assert limit.most_at_once == 50_000
    stopped = threading.Event()
    began = time.monotonic()
    threads = [
        threading.Thread(target=lambda: [limit.take(50_000, stopped) for _ in range(3)])  # type: ignore[func-returns-value]
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 0.4  # 450,000 bytes


def test_a_rate_limit_lets_go_when_everything_stops() -> None:
    stopped = threading.Event()
    stopped.set()
    began = time.monotonic()
    RateLimit(limits.LEAST_RATE_LIMIT).take(100_000_000, stopped)
    assert time.monotonic() - began < 5


def test_a_low_limit_is_shared_by_few() -> None:
    assert RateLimit().connections(8) == 8
    assert RateLimit(10 * limits.RATE_PER_CONNECTION).connections(8) == 8
    assert RateLimit(3 * limits.RATE_PER_CONNECTION).connections(8) == 3
    assert RateLimit(limits.LEAST_RATE_LIMIT).connections(8) == 1
