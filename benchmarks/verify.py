"""How near `lmpm verify` is to the speed of hashing itself: beside `openssl dgst -sha256`, core for core.

Run it as `python benchmarks/verify.py [--size MB] [--rounds N] [--files N]` from a checkout. One file of noise
is hashed by OpenSSL's own program and by lmpm, in turns and out of a warm page cache; the whole command, with
its start, is timed beside. Then several files of the size divided by their number show what all cores do
together, and `--quick` what a stamp saves. What counts are the ratios of the medians; those of the CPU seconds
are per core, and hold on a machine that does other work, too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lmpm.fs.hashing import usable_cores
from lmpm.fs.stamp import Stamp
from lmpm.limits import MIB
from lmpm.project.lock.file import write_lock
from lmpm.project.lock.records import Lock, LockedCandidate, LockedModel
from lmpm.store.cache import Store
from lmpm.types import HubSource, ModelFile

SOURCE = HubSource("bench/noise-GGUF", "1" * 40)
HASH = (
    "import sys; from pathlib import Path; from lmpm.fs.disk import hash_file; print(hash_file(Path(sys.argv[1]))[0])"
)
NOISE = 64 * MIB  # of one piece, which is written again and again with a number before it


class Cost(NamedTuple):
    """What one run took."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Time the programs in turns and print the medians and their ratios to OpenSSL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4000, help="megabytes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=usable_cores(), help="files that are hashed side by side")
    parser.add_argument("--folder", help="where to write; it needs twice the size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = _Bench(Path(folder), options.size * 1_000_000, options.files)
        costs: dict[str, list[Cost]] = {}
        for _ in range(options.rounds):
            for name, command in bench.commands().items():
                costs.setdefault(name, []).append(bench.run(command))
    _print(costs, options.size)


class _Bench:
    """A store with one large file and several small ones, and a project for each of the two."""

    def __init__(self, folder: Path, size: int, files: int) -> None:
        self.folder = folder
        self.store = Store(folder / "hub", folder / "home")
        self.locked: dict[str, list[ModelFile]] = {}
        self.one = self._project("one", [size])
        self.many = self._project("many", [size // files] * files)
        self.file = self.store.link(SOURCE, self.locked["one"][0])

    def _project(self, name: str, sizes: list[int]) -> Path:
        directory = self.folder / name
        directory.mkdir()
        self.locked[name] = [self._file(f"{name}-{number}.gguf", size) for number, size in enumerate(sizes)]
        write_lock(directory / "lmpm.lock", Lock(tuple(_model(file) for file in self.locked[name])))
        return directory

    def _file(self, name: str, size: int) -> ModelFile:
        """A file of noise under its names in the store, noted as hashed."""
        noise, digest = os.urandom(min(size, NOISE)), hashlib.sha256()
        path = self.folder / name
        with path.open("wb") as file:
            while (left := size - file.tell()) > 0:
                piece = (str(left).encode() + noise)[:left]
                digest.update(piece)
                file.write(piece)
        found = ModelFile(path=name, size=size, sha256=digest.hexdigest())
        blob = self.store.blob(SOURCE, found)
        blob.parent.mkdir(parents=True, exist_ok=True)
        path.replace(blob)
        self.store.expose(SOURCE, found)
        self.store.stamps.note(Stamp.of(blob), digest.hexdigest())
        return found

    def commands(self) -> dict[str, tuple[list[str], Path]]:
        verify = [sys.executable, "-m", "lmpm", "verify", "--no-smoke", "--offline", "-q"]
        cores = f"{len(self.locked['many'])} files on {usable_cores()} cores"
        return {
            "openssl dgst -sha256": (["openssl", "dgst", "-sha256", str(self.file)], self.one),
            "lmpm's hash, in a Python of its own": ([sys.executable, "-c", HASH, str(self.file)], self.one),
            "lmpm verify, one file": (verify, self.one),
            f"lmpm verify, {cores}": (verify, self.many),
            "lmpm verify --quick, one file": ([*verify, "--quick"], self.one),
            "lmpm --version": ([sys.executable, "-m", "lmpm", "--version"], self.one),
        }

    def run(self, command: tuple[list[str], Path]) -> Cost:
        """One run. Raises CalledProcessError when it fails: a failure is no fast success."""
        unlike_users = ("HF_", "LMPM_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unlike_users)}
        root = str(Path(__file__).resolve().parent.parent)
        environment = kept | {
            "HF_HUB_CACHE": str(self.store.root),
            "LMPM_HOME": str(self.store.home),
            "LMPM_HARDWARE": "CPU, 8 cores, 64GB",
            "PYTHONPATH": root,
        }
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command[0], env=environment, cwd=command[1], check=True, capture_output=True)
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _model(file: ModelFile) -> LockedModel:
    rung = LockedCandidate(
        source=SOURCE,
        model="noise",
        quant="Q8_0",
        license="mit",
        memory=file.size,
        bytes_per_token=file.size,
        layers=32,
        files=(file,),
    )
    return LockedModel(name=file.path.removesuffix(".gguf"), requested={"ref": SOURCE.repo}, candidates=(rung,))


def _print(costs: dict[str, list[Cost]], megabytes: int) -> None:
    """Medians, and how many times as fast as OpenSSL, by the clock and by the CPU seconds."""
    walls = {name: statistics.median(cost.wall_s for cost in taken) for name, taken in costs.items()}
    cpus = {name: statistics.median(cost.cpu_s for cost in taken) for name, taken in costs.items()}
    first = next(iter(costs))
    print(f"{'command':<44} {'wall':>9} {'MB/s':>7} {'ratio':>7} {'CPU':>9} {'MB/s':>7} {'ratio':>7}")
    for name in costs:
        cells = "".join(
            f" {took[name]:7.2f} s {megabytes / took[name]:7.0f} {took[first] / took[name]:6.2f}x"
            for took in (walls, cpus)
        )
        print(f"{name:<44}{cells}")


if __name__ == "__main__":
    main()
