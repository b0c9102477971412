"""How long it takes from nothing to the first token, with each engine that is here, as ratios to the first of them.

Run it as `python -m benchmarks.sessions [MODEL.gguf ...] [--rounds N]` from the project's root; without a model, with
the starter. The engines take turns, so that a noisy machine is noisy for all of them; the load is printed beside.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lmpm.catalog import directory
from lmpm.engine import EngineLimits, Engines, Files
from lmpm.run_config import RunConfig

if TYPE_CHECKING:
    from lmpm.engine import Engine

CONTEXT = 512
STARTER = directory() / "starter" / "text-to-sql-starter-Q8_0.gguf"


def main() -> None:
    """Measure each model with each engine, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path, default=[STARTER])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        engines = [item.engine for item in Engines(Path(home)).every() if item.standing == "proved"]
    for model in options.models or [STARTER]:
        seconds: dict[str, list[float]] = {engine.name: [] for engine in engines}
        for _ in range(options.rounds):
            for engine in engines:
                seconds[engine.name].append(first_token_s(engine, model))
        print(f"{model.name}, median of {options.rounds}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        base = statistics.median(seconds[engines[0].name])
        for name, found in seconds.items():
            median = statistics.median(found)
            print(f"  {name:<18}{median:7.3f} s  x{median / base:.2f}  (from {min(found):.3f} to {max(found):.3f})")


def first_token_s(engine: Engine, model: Path) -> float:
    """Seconds from the start of a child to its first token."""
    began = time.perf_counter()
    with engine.open(Files(model), RunConfig(context=CONTEXT), EngineLimits(time_s=120)) as session:
        session.complete("SELECT", max_tokens=1)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
