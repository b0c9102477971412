"""A slice of `benchmarks/torture.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import Torture


@pytest.mark.slow
def test_21_every_round_of_torture_ends_well(tmp_path: Path) -> None:
    with Torture(tmp_path, seed=21) as torture:
        for _ in range(50):
            torture.round()
        assert torture.tally.endings["killed"] >= 15
        assert torture.tally.resumes >= 10
