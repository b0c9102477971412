"""The front under worker kills, faults of a provider, clients that leave, changed locks and stops.

    python -m benchmarks.serve_torture --rounds 1000 --seed 1
    python -m benchmarks.serve_torture --requests 10000     # is its memory flat?

What a round is, and what must hold after each, stands in `tests/server/torture.py`. It ends with 1 at the first round
that fails, and names the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.server.deployments import Fake
from tests.server.fronts import front
from tests.server.provider import provider
from tests.server.torture import Torture


async def rounds(number: int, seed: int) -> int:
    """Run the rounds and print what happened in them."""
    with tempfile.TemporaryDirectory() as folder:
        async with provider() as cloud, aiohttp.ClientSession() as session:
            torture = Torture(Path(folder), seed, cloud)
            await torture.start()
            for count in range(1, number + 1):
                try:
                    await torture.round(session)
                except (AssertionError, TimeoutError) as error:
                    print(f"seed {seed}, round {count} failed: {error!r}")
                    return 1
                if count % 50 == 0:
                    print(count, dict(torture.seen.most_common()), flush=True)
            await torture.stop()
            print(f"seed {seed}: {number} rounds held, {dict(torture.seen.most_common())}")
    return 0


async def memory(requests: int) -> int:
    """Resident memory of front and client together, over many requests."""
    with tempfile.TemporaryDirectory() as folder:
        model = Fake("chat", tokens=4, interval_s=0, slots=8)
        async with front(Path(folder), model) as client:
            for count in range(0, requests, 100):
                answers = await asyncio.gather(*(client.chat("chat", stream=bool(n % 2)) for n in range(100)))
                assert all(answer.status == 200 for answer in answers)
                if count % 1000 == 0:
                    fields = Path("/proc/self/statm").read_text().split()
                    print(count, f"{int(fields[1]) * resource.getpagesize() / 2**20:.1f} MiB", flush=True)
    return 0


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--requests", type=int)
    options = parser.parse_args()
    logging.getLogger("lmpm.server").setLevel(logging.ERROR)
    return asyncio.run(memory(options.requests) if options.requests else rounds(options.rounds, options.seed))


if __name__ == "__main__":
    sys.exit(main())
