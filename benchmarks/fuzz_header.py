"""Damaged GGUF headers by the thousand: each is read or refused, quickly, and without growth.

Run it as `python -m benchmarks.fuzz_header [--count N] [--seed S]`. Every mutant is read with and without its
tensor table; one that can be read is given to the memory formula, too. Any error but a refusal is shown with
the seed that makes it again. Before them come headers that are made to cost much: their seconds and bytes of memory.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

from lmpm.errors import IntegrityError
from lmpm.estimate.memory.exact import exact_memory
from lmpm.gguf.header import read_file, read_header
from lmpm.run_config import RunConfig
from tests.gguf_files import write_llama
from tests.heavy_headers import HEAVY
from tests.mutations import mutate


def main() -> None:
    """Try every heavy header and every mutant, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name, (make, _) in HEAVY.items():
        _weigh(name, make())
    with tempfile.TemporaryDirectory() as folder:
        (path,) = write_llama(Path(folder, "m.gguf"), vocab=262, layers=1, extra={"x": "y" * 50})
        data, end = path.read_bytes(), read_file(path).size
    refused = slowest = 0.0
    before = _peak_bytes()
    for number in range(options.seed, options.seed + options.count):
        mutant = mutate(data, end, random.Random(number))
        began = time.process_time()
        try:
            refused += not _is_read(mutant)
        except Exception as error:
            raise SystemExit(f"seed {number}: {type(error).__name__}: {error}") from error
        slowest = max(slowest, time.process_time() - began)
    grown = (_peak_bytes() - before) / 2**20
    print(f"{options.count:,} mutants: {refused:,.0f} refused, {options.count - refused:,.0f} read")
    print(f"slowest {slowest * 1000:.1f} ms of CPU, peak memory grew by {grown:.1f} MiB")


def _weigh(name: str, data: bytes) -> None:
    """Print what it costs to read a header."""

    def read_at(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    def attempt() -> bool:
        with suppress(IntegrityError):
            read_header(read_at, size=len(data), name="m")
            return True
        return False

    began = time.process_time()
    is_read = attempt()
    seconds = time.process_time() - began
    tracemalloc.start()
    attempt()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"{seconds:6.2f} s  {peak:5.1f} MB  {'read' if is_read else 'refused':7}  {name}, {len(data) / 1e6:.1f} MB")


def _is_read(mutant: bytes) -> bool:
    """Whether a mutant is taken for a file, with the memory formula as a second reader."""

    def read_at(offset: int, length: int) -> bytes:
        return mutant[offset : offset + length]

    try:
        read_header(read_at, size=len(mutant), name="m", tensors=False)
        header = read_header(read_at, size=len(mutant), name="m")
    except IntegrityError:
        return False
    try:
        exact_memory(header, RunConfig(context=4096))
    except ValueError:
        return False
    return True


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
