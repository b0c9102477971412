"""Downloading from a loopback Hub: lmpm, which hashes on the way, beside `hf download`, curl and aria2c.

Run it from a checkout as `python benchmarks/transfer.py PART [--size MB] [--rounds N]`. The parts:

- `loopback`: as fast as it goes; curl and aria2c are followed by sha256sum, `hf download` does not hash.
- `capped`: the server gives each connection 20 MB/s, after 40 ms; eight connections beside one.
- `resume`: killed (SIGKILL) when half of the file was sent, then run again: how much is sent twice.
- `memory`: the largest resident set, for files of a fiftieth and a tenth of `--size`, and of `--size`.

Server and clients share the machine, the clients run in turns, and what counts are the ratios of the medians. Wall
and CPU seconds are the client's own, with everything that it starts. A client that is not installed is left out,
and the table says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.gguf_files import write_bert
from tests.loopback import LoopbackHub, Sparse, faults

ROOT: Final = Path(__file__).resolve().parent.parent
REPO: Final = "bench/noise-GGUF"
FILE: Final = "noise.Q8_0.gguf"
CAP: Final = 20e6  # bytes a second and connection
DELAY_S: Final = 0.04
FETCH: Final = """
import sys
from pathlib import Path
from lmpm.hub.http import Http
from lmpm.hub import Hub
from lmpm.store import Store
from lmpm.store.transfer import Downloader
from lmpm.types import HubSource
endpoint, root, connections = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
http = Http(endpoint)
found = Hub(http).repository("bench/noise-GGUF")
loader = Downloader(Store(root / "hub", root / "home"), http, connections=connections)
loader.fetch(HubSource(found.id, found.revision), found.files[0])
"""


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    resident_bytes: int


class Bench:
    """A Hub with one file, an empty cache, and the clients."""

    def __init__(self, hub: LoopbackHub, folder: Path) -> None:
        self.hub = hub
        self.cache = folder / "cache"
        self.url = f"{hub.endpoint}/{REPO}/resolve/main/{FILE}"
        # without compiled files each start of a Python client would compile it anew
        unlike_users = ("HF_", "LMPM_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unlike_users)}
        self.environment = kept | {
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(self.cache),
            "LMPM_HOME": str(self.cache / "lmpm"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_XET": "1",
        }

    def lmpm(self, connections: int = 8) -> list[str]:
        """lmpm, without its command line."""
        return [sys.executable, "-c", FETCH, self.hub.endpoint, str(self.cache), str(connections)]

    def install(self) -> list[str]:
        """The whole of `lmpm install` but for the smoke test: choose, plan with llama.cpp, download, pin."""
        options = f"install {REPO} --task embeddings --name noise --no-smoke -c 256 --hardware 'CPU, 4 cores, 8GB'"
        project = self.cache / "project"
        return ["sh", "-c", f"mkdir -p {project} && cd {project} && exec {sys.executable} -m lmpm {options}"]

    def hf(self) -> list[str] | None:
        """`hf download`, as it comes."""
        beside = Path(sys.executable).with_name("hf")
        found = str(beside) if beside.exists() else shutil.which("hf")
        return [found, "download", REPO, FILE, "--quiet"] if found else None

    def curl(self, *, hashed: bool = True) -> list[str] | None:
        """curl, which goes on where a file ends."""
        if not shutil.which("curl"):
            return None
        return self._then_hash(f"curl -s -C - -o {self.cache}/{FILE} {self.url}", hashed)

    def aria2c(self, *, hashed: bool = True) -> list[str] | None:
        """aria2c with eight connections."""
        if not shutil.which("aria2c"):
            return None
        return self._then_hash(f"aria2c -q -c -x8 -s8 -k1M -d {self.cache} -o {FILE} {self.url}", hashed)

    def _then_hash(self, command: str, hashed: bool) -> list[str]:
        tail = f" && sha256sum {self.cache}/{FILE}" if hashed else ""
        return ["sh", "-c", f"mkdir -p {self.cache} && {command}{tail}"]

    def empty(self) -> None:
        """Forget what was downloaded and asked."""
        shutil.rmtree(self.cache, ignore_errors=True)
        self.hub.reset_log()

    def run(self, command: list[str]) -> Cost:
        """One download. Raises RuntimeError when it fails."""
        began = time.perf_counter()
        process = self.start(command)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command[:3]} ended with {process.returncode}")
        return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a client in a group of its own."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=self.environment, stdout=quiet, stderr=quiet, start_new_session=True)

    def sent(self) -> int:
        """Bytes of the file that the Hub gave to the network."""
        return self.hub.bytes_sent(FILE)


def main() -> None:
    """Run one part and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"loopback": loopback, "capped": capped, "resume": resume, "memory": memory}
    parser.add_argument("part", choices=parts)
    parser.add_argument("--size", type=int, default=1000, help="megabytes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, LoopbackHub() as hub:
        bench = Bench(hub, Path(folder))
        if options.part != "memory":
            content = noise(Path(folder, FILE), options.size)
            hub.add_repo(REPO, {FILE: content}, card_data={"license": "mit"})
        parts[options.part](bench, options.size, options.rounds)


def noise(path: Path, megabytes: int) -> Path:
    """A small real model, and behind its last tensor bytes that nothing can compress."""
    write_bert(path, quant="Q8_0")
    with path.open("ab") as file:
        while (left := megabytes * 1_000_000 - file.tell()) > 0:
            file.write(os.urandom(min(left, 1_000_000)))
    return path


def loopback(bench: Bench, megabytes: int, rounds: int) -> None:
    """Wall and CPU, in turns."""
    _race(
        bench,
        {
            "lmpm, sha256 on the way": bench.lmpm(),
            "lmpm, one connection": bench.lmpm(1),
            "lmpm install, all of it": bench.install(),
            "hf download, no hash": bench.hf(),
            "curl, then sha256sum": bench.curl(),
            "aria2c -x8, then sha256sum": bench.aria2c(),
        },
        megabytes,
        rounds,
    )


def capped(bench: Bench, megabytes: int, rounds: int) -> None:
    """Connections that are slow each."""
    bench.hub.faults.add(faults.Delay(DELAY_S), "*/resolve/*")
    bench.hub.faults.add(faults.Throttle(CAP), "*/resolve/*")
    _race(
        bench,
        {
            "lmpm --connections 8": bench.lmpm(8),
            "lmpm --connections 1": bench.lmpm(1),
            "aria2c -x8, no hash": bench.aria2c(hashed=False),
            "aria2c -x8, then sha256sum": bench.aria2c(),
        },
        megabytes,
        rounds,
    )


def resume(bench: Bench, megabytes: int, rounds: int) -> None:
    """Bytes that are sent a second time after SIGKILL in the middle."""
    clients = {"lmpm": bench.lmpm(), "hf download": bench.hf(), "curl -C -": bench.curl(hashed=False)}
    clients["aria2c -c -x8"] = bench.aria2c(hashed=False)
    print(f"{'client':<28} {'sent again, median':>20} {'worst':>12}")
    for name, command in clients.items():
        if command is None:
            print(f"{name:<28} {'not installed':>20}")
            continue
        again = [_killed_and_run_again(bench, command, megabytes * 1_000_000) for _ in range(rounds)]
        print(f"{name:<28} {statistics.median(again) / 1e6:17.1f} MB {max(again) / 1e6:9.1f} MB", flush=True)


def _killed_and_run_again(bench: Bench, command: list[str], size: int) -> int:
    bench.empty()
    process = bench.start(command)
    while bench.sent() < size / 2 and process.poll() is None:
        time.sleep(0.001)
    os.killpg(process.pid, 9)
    process.wait()
    bench.run(command)
    return bench.sent() - size


def memory(bench: Bench, megabytes: int, rounds: int) -> None:
    """The largest resident set of lmpm."""
    print(f"{'file':>12} {'resident':>12}")
    for size in (megabytes // 50, megabytes // 10, megabytes):
        content = Sparse(size * 1_000_000)
        bench.hub.add_repo(REPO, {FILE: content})
        peaks = []
        for _ in range(rounds):
            bench.empty()
            peaks.append(bench.run(bench.lmpm()).resident_bytes)
        print(f"{size:>9} MB {statistics.median(peaks) / 1e6:>9.0f} MB", flush=True)


def _race(bench: Bench, clients: dict[str, list[str] | None], megabytes: int, rounds: int) -> None:
    costs: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        for name, command in clients.items():
            if command is not None:
                bench.empty()
                costs.setdefault(name, []).append(bench.run(command))
    base = statistics.median(cost.wall_s for cost in next(iter(costs.values())))
    base_cpu = statistics.median(cost.cpu_s for cost in next(iter(costs.values())))
    print(f"{'client':<28} {'wall':>8} {'ratio':>7} {'CPU':>8} {'ratio':>7} {'MB/s':>7} {'resident':>9}")
    for name, runs in costs.items():
        wall = statistics.median(cost.wall_s for cost in runs)
        cpu = statistics.median(cost.cpu_s for cost in runs)
        peak = statistics.median(cost.resident_bytes for cost in runs)
        figures = f"{wall:6.2f} s {wall / base:6.2f}x {cpu:6.2f} s {cpu / base_cpu:6.2f}x {megabytes / wall:7.0f}"
        print(f"{name:<28} {figures} {peak / 1e6:6.0f} MB")
    for name in clients.keys() - costs.keys():
        print(f"{name:<28} not installed")


if __name__ == "__main__":
    main()
