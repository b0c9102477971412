"""How far the memory formula is from llama.cpp's own plan, beside what other tools would say.

Run it as `python -m benchmarks.memory [--quick] [--only NAME]` from the project's root. Every model is a file
with its real header and a hole for its weights, so that a model of 400 GB takes a few kB; llama.cpp plans with
it in a child process. No network is used. It takes some minutes; `--quick` tries one setting in five.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.peers import PEERS
from lmpm import engine
from lmpm.errors import EngineError
from lmpm.estimate.memory.constants import BUILD
from lmpm.estimate.memory.exact import exact_memory
from lmpm.estimate.memory.ggml.backend import repacking
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.run_plan import LLAMA_SERVER, LMPM
from lmpm.gguf.header import read_file
from lmpm.run_config import RunConfig
from tests.shapes import MODELS, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lmpm.engine import Engine
    from lmpm.run_config import Repacking

MIB: Final = 1024 * 1024
PARTS: Final = ("weights", "repack", "kv_cache", "recurrent", "compute", "output", "total")
ROUNDED: Final = 6 * 1024  # bytes by which llama.cpp's log rounds what it alone tells: output and states
WORKERS: Final = 2

SETTINGS: Final[Sequence[RunConfig]] = (
    replace(LMPM, context=4096),
    replace(LMPM, context=32768),
    replace(LMPM, context=131072),
    replace(LLAMA_SERVER, context=8192),
    replace(LLAMA_SERVER, context=65536, kv_type="q8_0"),
    replace(LMPM, context=16384, kv_type="q4_0", value_type="q8_0"),
    replace(LMPM, context=8192, flash_attention="off"),
    replace(LLAMA_SERVER, context=32768, flash_attention="off"),
    replace(LMPM, context=8192, ubatch=2048),
    replace(LMPM, context=1000, ubatch=100),
    replace(LMPM, context=4096, outputs=0),
    replace(LMPM, context=16384, sequences=4, outputs=4),
    replace(LMPM, context=16384, swa_full=True),
    replace(LMPM, context=2048, embeddings=True, batch=512, outputs=0),
    replace(LMPM, context=4096, repack="none"),
)
QUANTS: Final = ("Q4_K", "Q8_0", "Q4_0", "F16")


@dataclass(frozen=True)
class Row:
    """One model at one setting: bytes by part as llama.cpp plans and as we estimate, and the peers' totals."""

    model: str
    architecture: str
    truth: Mapping[str, int]
    ours: Mapping[str, int]
    peers: Mapping[str, int]

    def error(self, part: str) -> float:
        """Share of the truth by which a part is off; differences that llama.cpp's log rounds away are none."""
        difference = self.ours[part] - self.truth[part]
        if part in ("output", "recurrent", "kv_cache", "total") and abs(difference) <= ROUNDED:
            return 0.0
        return difference / self.truth[part] if self.truth[part] else float(bool(difference))


def main() -> None:
    """Compare all models at all settings and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--engine", default="xllamacpp", help="whose plan is the truth: xllamacpp or llama-cpp-python")
    options = parser.parse_args()
    planner = named(options.engine)
    print(f"the formula follows {BUILD}, the truth is that of {planner.probe().build}")
    names = [name for name in MODELS if options.only.lower() in name.lower()]
    refused: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = list(compare(names, SETTINGS[:: 5 if options.quick else 1], Path(folder), refused, planner))
    print_tables(rows)
    for line in refused:
        print(f"llama.cpp cannot plan {line}")


def named(name: str) -> Engine:
    """The engine of this name. Raises SystemExit when there is none here."""
    for candidate in engine.Engines(home=Path(tempfile.gettempdir())).candidates:
        if candidate.name == name and candidate.installation():
            return candidate
    raise SystemExit(f"{name} is not installed here")


def compare(
    names: Iterable[str],
    settings: Sequence[RunConfig],
    folder: Path,
    refused: list[str] | None = None,
    planner: Engine | None = None,
) -> Iterable[Row]:
    """A row for each model at each setting; what llama.cpp itself cannot do is noted in `refused`."""
    planner = planner or engine.default_engine()
    processor = repacking(planner.probe().system_info)
    jobs: list[tuple[str, Path, RunConfig]] = []
    for number, name in enumerate(names):
        quant = QUANTS[number % len(QUANTS)]
        path = write(folder / f"{number}-{quant}.gguf", MODELS[name](), quant)
        jobs += [(name, path, item) for item in settings]
    with ThreadPoolExecutor(WORKERS) as pool:
        for (name, _, item), row in zip(jobs, pool.map(partial(_row, planner, processor), jobs), strict=True):
            if row is not None:
                yield row
            elif refused is not None:
                refused.append(f"{name}: {_described(item)}")


def _described(settings: RunConfig) -> str:
    """The settings that are not the preset's."""
    changed = {key: value for key, value in asdict(settings).items() if value != asdict(LMPM)[key]}
    return ", ".join(f"{key} {value}" for key, value in changed.items())


def _row(planner: Engine, processor: Repacking, job: tuple[str, Path, RunConfig]) -> Row | None:
    name, path, settings = job
    model = HParams(read_file(path))
    # a dry run reads nothing, so nothing is mapped
    settings = replace(settings, mmap=False, repack="none" if settings.repack == "none" else processor)
    try:
        planned = planner.plan(path, settings)
    except EngineError:
        return None
    found = exact_memory(model, settings)
    ours = {part: getattr(found.parts, part) for part in PARTS[:-1]}
    truth = {part: getattr(planned.parts, part) for part in PARTS}
    return Row(
        model=name,
        architecture=model.header.architecture,
        truth=truth,
        ours={**ours, "total": sum(ours.values())},
        peers={peer: estimate(model, settings) for peer, estimate in PEERS.items()},
    )


def print_tables(rows: Sequence[Row]) -> None:
    """By part, by architecture, and beside the peers."""
    print(f"{len(rows)} rows: {len({row.model for row in rows})} models\n")
    print(_line("part", "median", "p90", "worst", "under by > 1 %"))
    for part in PARTS:
        print(_line(part, *_summary([row.error(part) for row in rows])))
    print("\n" + _line("architecture (total)", "median", "p90", "worst", "under by > 1 %"))
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        groups[row.architecture].append(row.error("total"))
    for name, errors in sorted(groups.items()):
        print(_line(name, *_summary(errors)))
    print("\n" + _line("estimator (total)", "median", "p90", "worst", "under by > 1 %"))
    print(_line("lmpm", *_summary([row.error("total") for row in rows])))
    for peer in PEERS:
        print(_line(peer, *_summary([row.peers[peer] / row.truth["total"] - 1 for row in rows])))


def _summary(errors: Sequence[float]) -> tuple[str, ...]:
    sizes = sorted(abs(error) for error in errors)
    under = sum(error < -0.01 for error in errors)
    p90 = sizes[min(len(sizes) - 1, int(len(sizes) * 0.9))]
    return (
        f"{statistics.median(sizes):.3%}",
        f"{p90:.3%}",
        f"{sizes[-1]:.2%}",
        f"{under / len(errors):.0%}",
    )


def _line(name: str, *columns: str) -> str:
    return f"{name:<28}" + "".join(f"{column:>16}" for column in columns)


if __name__ == "__main__":
    main()
