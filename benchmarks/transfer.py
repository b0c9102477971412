"""Downloading over loopback: lmpm, which hashes on the way, beside `hf download`, which does not.

Run it as `python benchmarks/transfer.py [--size MB] [--rounds N]` from a checkout. The server is the
loopback Hub of the tests on the same machine, with a file of noise on disk; the clients run in turns, and
what counts are the ratios of the medians. CPU seconds are the client's own.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.hub import LoopbackHub

REPO = "bench/noise-GGUF"
FILE = "noise.Q8_0.gguf"
FETCH = """
import sys
from pathlib import Path
from lmpm.http import Http
from lmpm.hub import Hub
from lmpm.store import Store
from lmpm.transfer import Downloader
from lmpm.types import HubSource
endpoint, root = sys.argv[1], Path(sys.argv[2])
http = Http(endpoint)
found = Hub(http).repository("bench/noise-GGUF")
Downloader(Store(root / "hub", root / "home"), http).fetch(HubSource(found.id, found.revision), found.files[0])
"""


class Cost(NamedTuple):
    """What one run took."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Time the clients in turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="megabytes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, LoopbackHub() as hub:
        noise = Path(folder, FILE)
        with noise.open("wb") as file:
            for _ in range(options.size):
                file.write(os.urandom(1_000_000))
        hub.add_repo(REPO, {FILE: noise})
        costs: dict[str, list[Cost]] = {}
        for _ in range(options.rounds):
            for name, command in _clients(hub.endpoint, folder).items():
                costs.setdefault(name, []).append(_run(command, hub.endpoint, Path(folder, "cache")))
    _print(costs, options.size)


def _clients(endpoint: str, folder: str) -> dict[str, list[str]]:
    cache = str(Path(folder, "cache"))
    url = f"{endpoint}/{REPO}/resolve/main/{FILE}"
    clients = {
        "lmpm (sha256 on the way)": [sys.executable, "-c", FETCH, endpoint, cache],
        "hf download (no hash)": [_hf(), "download", REPO, FILE, "--quiet"],
    }
    if shutil.which("curl") and shutil.which("sha256sum"):
        target = f"{cache}/{FILE}"
        script = f"mkdir -p {cache} && curl -s -o {target} {url} && sha256sum {target}"
        clients["curl, then sha256sum"] = ["sh", "-c", script]
    return clients


def _hf() -> str:
    beside = Path(sys.executable).with_name("hf")
    return str(beside) if beside.exists() else "hf"


def _run(command: list[str], endpoint: str, cache: Path) -> Cost:
    """One download into an empty cache. Raises CalledProcessError when it fails."""
    shutil.rmtree(cache, ignore_errors=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "LMPM_"))}
    environment = kept | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _print(costs: dict[str, list[Cost]], megabytes: int) -> None:
    names = list(costs)
    base = statistics.median(cost.wall_s for cost in costs[names[0]])
    print(f"{'client':<28} {'wall':>8} {'ratio':>7} {'CPU':>8} {'MB/s':>7}")
    for name in names:
        wall = statistics.median(cost.wall_s for cost in costs[name])
        cpu = statistics.median(cost.cpu_s for cost in costs[name])
        print(f"{name:<28} {wall:6.2f} s {wall / base:6.2f}x {cpu:6.2f} s {megabytes / wall:7.0f}")


if __name__ == "__main__":
    main()
