"""What lmpm does on a machine with a GPU: detect, plan, load, measure, verify, and a table of it.

    python benchmarks/gpu.py [MODEL.gguf] [--engine NAME]

Without a model the starter is taken. A step that fails is a row, too: one run on a strange machine says all.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lmpm.catalog import directory, load
from lmpm.engine import EngineLimits, Files, LocalEngine
from lmpm.errors import LmpmError
from lmpm.estimate import HParams, exact_memory, gpus_of, settings_for
from lmpm.gguf import local_part, read_part
from lmpm.machine import describe, detect, load_chips
from lmpm.proof import run_smoke
from lmpm.units import human

STARTER = "starter/text-to-sql-starter-Q8_0.gguf"
CONTEXT = 1024
PROMPT = "CREATE TABLE users (id INTEGER, name TEXT);\n-- How many users are there?\n"


def main() -> None:
    """Run the steps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, default=directory() / STARTER)
    parser.add_argument("--engine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lmpm-gpu-") as home:
        bench = LocalEngine(detect(load_chips(directory())), Path(home), named=options.engine)
        for name, step in steps(bench, options.model):
            began = time.perf_counter()
            try:
                text = step()
            except (LmpmError, OSError, ValueError) as error:
                text = f"FAILED: {error}"
            print(f"{name:<16} {time.perf_counter() - began:7.2f} s  {text}")


def steps(bench: LocalEngine, path: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each row: its name, and what it does."""
    yield "detected", lambda: describe(bench.computer)
    for item in bench.engines.every():
        devices = ", ".join(device.name for device in item.info.devices) if item.info else ""
        yield item.name, lambda item=item, devices=devices: f"{item.standing} {item.problem} {devices}"  # type: ignore[misc]
    yield "chosen", lambda: f"{bench.chosen.name} {bench.info.build if bench.info else ''}"
    yield "usable", lambda: describe(bench.machine)
    parts = [local_part(path, path.name)]
    model = HParams(*map(read_part, parts))
    config = settings_for(model, CONTEXT, embeddings=False, repack=bench.repack, machine=bench.machine)
    layers = "all" if config.gpu_layers is None else config.gpu_layers
    yield "layers on GPU", lambda: str(layers)
    yield "computed", lambda: human(exact_memory(model, config, gpus_of(bench.machine)).total)
    yield "planned", lambda: human(bench.planner.ask(parts, config).total) if bench.planner else "cannot be asked"

    def run() -> str:
        with bench.open(Files(path), config, EngineLimits()) as session:
            answer = session.complete(PROMPT, max_tokens=64, stop=[";"])
            memory = session.memory()
            buffers = ", ".join(f"{name} {human(size)}" for name, size in memory.buffers)
            return f"{answer.decode or 0:.1f} tok/s, {answer.text.strip()!r}, held by {session.confined}, {buffers}"

    yield "ran", run

    def measured() -> str:
        found = bench.measure()
        before = f"{found.predicted:.1f} predicted" if found.predicted else "nothing predicted"
        return f"{found.decode:.1f} tok/s ({before}), {found.prefill:.0f} read, {found.bandwidth / 1e9:.0f} GB/s"

    yield "measured", measured

    def verified() -> str:
        task = load(directory()).task("text-to-sql")
        assert task is not None and task.starter is not None
        engine, recipe = bench.chosen.engine, task.starter.recipe
        return run_smoke(Files(path), task.smoke, recipe, plan=config, limits=EngineLimits(), engine=engine).detail

    yield "verified", verified


if __name__ == "__main__":
    main()
