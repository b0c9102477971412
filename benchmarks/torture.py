"""Installs under kill -9, faults of the server and full disks, as many rounds as you have time for.

Run it as `python benchmarks/torture.py --rounds 1000` from a checkout. What a round is, and what must hold after
each, stands in `tests/torture.py`, of which the tests run a slice. It ends with 1 at the first round that fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> int:
    """Run the rounds and print what happened in them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("HF_", "LMPM_")) or name.lower().endswith("_proxy")]:
        del os.environ[name]  # before huggingface_hub reads them
    os.environ["HF_TOKEN_PATH"] = str(ROOT / "no-token-is-here")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["PYTHONPATH"] = str(ROOT)

    from tests.torture import Torture

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Torture(Path(folder), options.seed) as torture:
        print(f"seed {options.seed}", flush=True)
        for number in range(options.rounds):
            try:
                torture.round()
            except AssertionError as error:
                print(f"FAILED after {number} rounds\n{error}")
                return 1
            if (number + 1) % 50 == 0 or number < 3:
                print(f"{number + 1} rounds, {time.monotonic() - began:.0f} s", flush=True)
        tally = torture.tally
    print(f"{tally.rounds} rounds in {time.monotonic() - began:.0f} s, none failed")
    print("faulty runs:", ", ".join(f"{count} x {ending}" for ending, count in tally.endings.most_common()))
    print(f"{tally.resumes} rounds resumed; {tally.resumed:,} of {tally.size:,} bytes were there")
    print(f"{tally.claimed_less:,} bytes had been sent and were fetched again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
