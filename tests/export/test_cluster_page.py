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
    rows = re.findall(r"^\| (\d) \| (\d+) \| (\d+) % \| ([\d.]+) % \| ([\d.]+) s \|$", PAGE, re.MULTILINE)
    assert [(row[0], row[1]) for row in rows] == [("2", "8"), ("3", "12")]
    load, seconds = 300 * 6 / 3600 * 9, 9
    for _, slots, busy, waits, wait in rows:
        assert round(100 * load / int(slots)) == int(busy)
        assert f"{100 * share(int(slots), load):.1g}" in (waits, f"{float(waits):.0e}")
        assert round(seconds / (int(slots) - load), 1) == float(wait)
    assert share(60, 45.0) < 0.05
