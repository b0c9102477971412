"""docs/cluster.md: its sum gives the figures of its example."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "cluster.md").read_text("utf-8")


def test_the_example_is_what_the_sum_says() -> None:
    made: dict[str, Any] = {}
    exec(textwrap.dedent(PAGE.split("```python\n")[1].split("```")[0]), made)
    share = made["waiting_share"]
    rate = 300 * 6 / 3600
    chosen = re.search(r"c = (\d+) and S = ([\d.]+) s\. The load is a = ([\d.]+) × \2 = ([\d.]+) slots", PAGE)
    assert chosen is not None
    clients, seconds, load = int(chosen[1]), float(chosen[2]), float(chosen[4])
    assert float(chosen[3]) == rate and round(rate * seconds, 3) == load
    assert f"| {clients} | {seconds} s |" in PAGE  # a row of what was measured
    rows = re.findall(r"^\| (\d) \| (\d+) \| (\d+) % \| ([\d.]+) % \| ([\d.]+) s \|$", PAGE, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [1, 2, 3]
    for replicas, slots, busy, waits, wait in rows:
        assert int(slots) == int(replicas) * clients
        assert round(100 * load / int(slots)) == int(busy)
        assert float(f"{100 * share(int(slots), load):.2g}") == float(waits)
        assert round(seconds / (int(slots) - load), 1) == float(wait)
    for slots, busy, waits in ((7, 71, 32), (8, 62, 16)):
        heavy = round(10 * load, 2)
        assert (round(100 * heavy / slots), round(100 * share(slots, heavy))) == (busy, waits)
        assert f"{busy} %" in PAGE and f"{waits} %" in PAGE


def test_what_was_measured_is_of_one_piece() -> None:
    """Of each row: the tokens together are not more than the clients bring alone, and last as long as an answer."""
    for clients, seconds, each, together in re.findall(r"\| (\d) \| ([\d.]+) s \| ([\d,]+) \| ([\d,]+) \|", PAGE):
        all_at_once = int(together.replace(",", ""))
        assert all_at_once <= int(clients) * int(each.replace(",", ""))
        assert 0.7 <= all_at_once * float(seconds) / (48 * int(clients)) <= 1.2
