"""CPU speed: fits the constants of `lmpm.estimate.cpu_speed`, and prints the errors.

`python benchmarks/cpu_speed.py` judges the shipped constants by the published runs of `benchmarks/data`;
`--spare-cores FILE` fits them anew on those and on the runs of Spare Cores, and prints the errors on CPUs, and on
models, that the fit did not see. FILE is made from SpareCores/sc-inspector-data, which is CC BY-SA 4.0 and not kept
here; `benchmarks/data/README.md` names its columns.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, get_args

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import measured  # noqa: E402
from benchmarks.fitting import HEADER, minimise, quantiles, share_within, summary  # noqa: E402
from lmpm.estimate import cpu_speed, speed  # noqa: E402
from lmpm.estimate.cpu_speed import Cpu, CpuConstants  # noqa: E402
from lmpm.machine import budget  # noqa: E402
from lmpm.machine.chip import pick  # noqa: E402
from lmpm.machine.chips import Chips, load_chips  # noqa: E402
from lmpm.types import Processor, Simd  # noqa: E402

HUBER: Final = 0.15
ROUNDS: Final = 12
FOLDS: Final = 8  # groups that are left out at once: a fit for each CPU would take an hour
CLIENT_WEIGHT: Final = 6.0  # PCs have few rows, and are what most people have
PULL: Final = 0.05
SIMDS: Final = tuple(simd for simd in get_args(Simd) if simd and simd != "neon")  # of which no row is known

# Layers and bytes of the embedding table (GB, not read) of the models that Spare Cores runs, from their GGUF files.
SPARE_CORES_MODELS: Final = {
    "Qwen1.5-0.5B": (24, 0.0875), "Gemma-2B": (18, 0.0), "LLaMA-7B": (32, 0.0737),
    "phi-4": (40, 0.289), "Llama-3.3-70B": (80, 0.591),
}  # fmt: skip


class Run(NamedTuple):
    """One measurement: tokens a second decoded, and of the prompt, each 0 where it was not measured."""

    table: str
    chip: str
    model: str
    quant: str
    cpu: Cpu
    prompt_cpu: Cpu
    touched: float
    layers: float  # plain ones
    parameters: float
    decode: float
    prompt: float

    @property
    def low_bit(self) -> bool:
        """Whether the quant is unpacked through tables."""
        return speed.is_low_bit(self.quant)


def published(chips: Chips) -> list[Run]:
    """The runs that are kept here: those of `tps_cpu.tsv`, and of the CPUs in the tables of all chips."""
    runs = []
    for row in _table(measured.DATA / "tps_cpu.tsv"):
        processor = Processor(simd=_simd(row["simd"]), server=row["server"] == "1")
        bandwidth = round(float(row["peak_gbs"]) * 1e9)
        runs.append(
            Run(
                table="published",
                chip=row["chip"],
                model=row["model"],
                quant=row["quant"],
                cpu=Cpu(bandwidth, int(row["threads"]), processor),
                prompt_cpu=Cpu(bandwidth, int(row["prompt_threads"]), processor),
                touched=float(row["bytes_gb"]) * 1e9,
                layers=float(row["layers"]),
                parameters=float(row["params"]),
                decode=float(row["tok_s"] or 0),
                prompt=float(row["prefill_tok_s"] or 0),
            )
        )
    for one, parameters, prompt in measured.on_cpus(chips):
        cpu = Cpu(one.part.bandwidth, one.part.cores, one.part.processor)
        layers = one.layers * speed.FITTED.kinds[one.kind]
        numbers = (one.touched, layers, parameters, one.measured, prompt)
        runs.append(Run(one.table, one.chip, one.model, one.quant, cpu, cpu, *numbers))
    return runs


def spare_cores(path: Path, chips: Chips) -> list[Run]:
    """The runs of a file of Spare Cores, with what lmpm would know of each machine."""
    runs = []
    for row in _table(path):
        if "SpareCores" not in row["source"] or row["model"] not in SPARE_CORES_MODELS or not row["cores"]:
            continue
        cores = int(float(row["cores"]))
        sockets = int(float(row["sockets"] or 1))
        processor = Processor(simd=_flags(row["simd"]), server=True, sockets=sockets if sockets <= cores / 2 else 1)
        builds = chips.named(row["cpu"])
        bandwidth = pick(builds).chip.bandwidth if builds else budget.assumed_cpu_bandwidth(cores, server=True)[0]
        layers, table = SPARE_CORES_MODELS[row["model"]]
        cpu = Cpu(bandwidth, cores, processor)
        touched = (float(row["size_gb"]) - table) * 1e9
        numbers = (float(row["params_b"]) * 1e9, float(row["tg_tps"] or 0), float(row["pp_tps"] or 0))
        runs.append(Run("spare cores", row["cpu"], row["model"], row["quant"], cpu, cpu, touched, layers, *numbers))
    return runs


def _table(path: Path) -> Iterable[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _simd(text: str) -> Simd:
    return next(simd for simd in get_args(Simd) if simd == text)


def _flags(text: str) -> Simd:
    """The class of the instruction sets that a file of Spare Cores lists."""
    for mark, simd in (
        ("AMX", "amx"), ("i8mm", "i8mm"), ("dotprod", "dotprod"), ("AVX_VNNI+BF16", "avx512-full"),
        ("BF16", "avx512-bf16"), ("AVX512+VNNI", "avx512-vnni"), ("AVX512", "avx512"), ("AVX2", "avx2"),
    ):  # fmt: skip
        if mark in text:
            return _simd(simd)
    return "sse"


# Where the fit starts: the logarithms are fitted.
START: Final = {
    **{f"rate.{simd}": 7e9 for simd in SIMDS},
    **{f"flops.{simd}": 60e9 for simd in SIMDS},
    "client_rate": 2.0, "low_bit_rate": 0.5, "share": 0.7, "server_share": 0.7, "sockets_share": 1.0,
    "layer_s": 30e-6, "core_layer_s": 3e-6,
    "flops_growth": 0.9, "client_flops": 1.5, "sockets_flops": 1.0, "low_bit_flops": 0.5,
}  # fmt: skip


def constants_of(theta: Sequence[float] | np.ndarray) -> CpuConstants:
    """The constants that a list of logarithms stands for."""
    value = dict(zip(START, (math.exp(item) for item in theta), strict=True))
    single = {name: value[name] for name in START if "." not in name}
    shipped = cpu_speed.FITTED
    rates = {simd: value[f"rate.{simd}"] for simd in SIMDS} | {"neon": shipped.core_rate["neon"]}
    flops = {simd: value[f"flops.{simd}"] for simd in SIMDS} | {"neon": shipped.core_flops["neon"]}
    return CpuConstants(core_rate=rates, core_flops=flops, low_bit_share=shipped.low_bit_share, **single)


def fit(runs: Sequence[Run]) -> CpuConstants:
    """The constants that fit the runs best."""
    start = np.log(np.array(list(START.values())))
    weights = np.array([CLIENT_WEIGHT if not run.cpu.processor.server else 1.0 for run in runs])
    decoded = np.array([run.decode > 0 for run in runs])
    read = np.array([run.prompt > 0 and run.parameters > 0 for run in runs])

    def errors(theta: np.ndarray) -> np.ndarray:
        constants = constants_of(theta)
        decode = [math.log(decode_with(constants)(run) / run.decode) for run in runs if run.decode > 0]
        prompt = [
            math.log(prompt_with(constants)(run) / run.prompt) for run in runs if run.prompt > 0 and run.parameters > 0
        ]
        return np.array(decode + prompt)

    def pulls(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (theta - start) * math.sqrt(PULL), np.eye(len(start)) * math.sqrt(PULL)

    every = np.concatenate([weights[decoded], weights[read]])
    return constants_of(minimise(errors, start, pulls, huber=HUBER, rounds=ROUNDS, weights=every))


def decode_with(constants: CpuConstants) -> Callable[[Run], float]:
    """Tokens a second decoded, by these constants."""
    return lambda run: (
        1 / cpu_speed.decode_seconds(constants, run.cpu, touched=run.touched, steps=run.layers, low_bit=run.low_bit)
    )


def prompt_with(constants: CpuConstants) -> Callable[[Run], float]:
    """Tokens a second of the prompt, by these constants."""
    return lambda run: cpu_speed.prompt_flops(constants, run.prompt_cpu, low_bit=run.low_bit) / (2 * run.parameters)


def before(run: Run) -> float:
    """Tokens a second decoded by the rule that this one replaced: a share of the memory, 10 GB/s a core at most."""
    reached = min(0.625 * run.cpu.bandwidth, (run.cpu.cores or 4) * 10e9)
    return 1 / (run.touched / reached + 44.7e-6 * run.layers)


def before_unnamed(run: Run) -> float:
    """The same for a computer whose CPU's name is not known, as all were."""
    known = budget.assumed_cpu_bandwidth(run.cpu.cores)[0]
    return before(run._replace(cpu=run.cpu._replace(bandwidth=known)))


def left_out(runs: Sequence[Run], by: Callable[[Run], str]) -> list[tuple[Run, CpuConstants]]:
    """Each run with the constants that were fitted without its group, and without those of its fold."""
    groups = {group: number % FOLDS for number, group in enumerate(dict.fromkeys(by(run) for run in runs))}
    result = []
    for fold in range(FOLDS):
        constants = fit([run for run in runs if groups[by(run)] != fold])
        result += [(run, constants) for run in runs if groups[by(run)] == fold]
    return result


GROUPS: Final[dict[str, Callable[[Run], bool]]] = {
    "servers": lambda run: run.cpu.processor.server,
    "servers, to 8 cores": lambda run: run.cpu.processor.server and (run.cpu.cores or 0) <= 8,
    "servers, 9 to 32 cores": lambda run: run.cpu.processor.server and 8 < (run.cpu.cores or 0) <= 32,
    "servers, more cores": lambda run: run.cpu.processor.server and (run.cpu.cores or 0) > 32,
    "PCs": lambda run: not run.cpu.processor.server and not run.low_bit,
    "low-bit quants": lambda run: run.low_bit,
}


def main() -> None:
    """Print the constants and the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spare-cores", type=Path, help="runs made from SpareCores/sc-inspector-data")
    arguments = parser.parse_args()
    chips = load_chips(ROOT / "catalog")
    runs = published(chips)
    tables: dict[str, list[tuple[Run, CpuConstants]]] = {"shipped": [(run, cpu_speed.FITTED) for run in runs]}
    if arguments.spare_cores:
        runs += spare_cores(arguments.spare_cores, chips)
        constants = fit(runs)
        print(f"{len(runs)} runs on {len({run.chip for run in runs})} CPUs, fitted:\n  {constants}")
        tables = {
            "CPU left out": left_out(runs, lambda run: run.chip),
            "model left out": left_out(runs, lambda run: run.model),
            "fitted on all": [(run, constants) for run in runs],
            "shipped": [(run, cpu_speed.FITTED) for run in runs],
        }
    for group, belongs in GROUPS.items():
        low, high = speed.RANGES["low-bit" if "low" in group else "server" if "servers" in group else "cpu"]
        inside = [run for run in runs if belongs(run) and run.decode]
        if not inside:
            continue
        print(f"\n{group:24} {HEADER}  in range   5 10 50 90 95 in a hundred")
        rules = {name: [(run, decode_with(c)(run)) for run, c in pairs] for name, pairs in tables.items()}
        rules |= {
            "before, name known": [(r, before(r)) for r in runs],
            "before": [(r, before_unnamed(r)) for r in runs],
        }
        for name, predictions in rules.items():
            errors = [value / run.decode - 1 for run, value in predictions if belongs(run) and run.decode]
            parts = " ".join(f"{part:.2f}" for part in quantiles(errors))
            print(f"{name:24} {summary(errors)}  {share_within(errors, low, high):8.0%}   {parts}")
        for name, pairs in tables.items():
            errors = [
                prompt_with(c)(run) / run.prompt - 1 for run, c in pairs if belongs(run) and run.prompt * run.parameters
            ]
            if errors:
                print(f"{'prompt, ' + name:24} {summary(errors)}")


if __name__ == "__main__":
    main()
