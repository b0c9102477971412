"""Decode speed: fits the constants of `lmpm.estimate.speed` to published measurements, and prints the errors.

Run it as `python benchmarks/speed.py` from a checkout. It fits on all rows and prints the constants, then
fits again without each chip and without the models of each depth, and prints how far the predictions for
what was left out are from the measurements, beside two common rules: llmfit's 0.55 x bandwidth / size, and
0.70 x bandwidth / bytes touched. Rows and their origin: `benchmarks/data/README.md`.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import measured  # noqa: E402
from benchmarks.fitting import HEADER, minimise, quantiles, summary  # noqa: E402
from benchmarks.measured import Comparison, Row  # noqa: E402
from lmpm.estimate import speed  # noqa: E402
from lmpm.estimate.speed import Constants, Efficiency  # noqa: E402
from lmpm.machine.chips import load_chips  # noqa: E402

GPUS: Final = ("metal", "cuda", "rocm")

# The fit: Huber's loss on log(predicted / measured); the constants of an accelerator are drawn to those that
# all GPUs have in common, and the shared factors loosely to 1, so that few rows move them little.
HUBER: Final = 0.08
PULL_TO_COMMON: Final = {"share": 1.0, "layer": 0.05}
PULL_TO_START: Final = 0.05
ROUNDS: Final = 10

Predict = Callable[[Row], float]


def predict_with(constants: Constants) -> Predict:
    """Tokens a second by the model of `lmpm.estimate.speed` with these constants."""

    def predicted(row: Row) -> float:
        steps = speed.layer_steps(constants, row.layers, row.kind, sparse=row.sparse)
        return 1 / speed.decode_seconds(constants, row.part, touched=row.touched, steps=steps, quant=row.quant)

    return predicted


def llmfit_rule(row: Row) -> float:
    """0.55 x bandwidth / size of the weights; of a mixture of experts the bytes that a token touches."""
    return 0.55 * row.part.bandwidth / (row.touched if row.sparse else row.size)


def flat_rule(row: Row) -> float:
    """0.70 of the roofline."""
    return 0.70 * row.part.bandwidth / row.touched


# Where the fit starts, and where a parameter stays without rows. So many operations for a byte limit most
# cards, so that the rows of all of them can tell that it is less.
START: Final = {
    **{f"{name}.share": 0.8 for name in ("common", *GPUS)},
    **{f"{name}.layer": 60e-6 for name in ("common", *GPUS)},
    "gemma": 1.0,
    "hybrid": 1.0,
    "experts": 1.0,
    "cuda_operations": 100.0,
    "low_bit_share": 1.0,
    "shared_share": 1.0,
}  # fmt: skip


# What was shipped before the models of experts, GB10 and the CPUs had rows of their own: to compare with.
BEFORE: Final = Constants(
    accelerators={
        "metal": Efficiency(0.884, 130.7e-6),
        "cuda": Efficiency(0.888, 54.8e-6),
        "rocm": Efficiency(0.839, 61.0e-6),
        "vulkan": Efficiency(0.839, 61.0e-6),
        "sycl": Efficiency(0.652, 95.4e-6),
    },
    shared_share=1.0,
    kinds={"dense": 1.0, "gemma": 1.62, "hybrid": 1.48},
    experts=1.34,
    cuda_operations=52.9,
    low_bit_share=0.69,
)
CPU_BEFORE: Final = Efficiency(0.625, 44.7e-6)
CORE_BEFORE: Final = 10e9  # bytes/s


def predict_before(row: Row) -> float:
    """Tokens a second by the model that was shipped before."""
    if row.part.accelerator != "cpu":
        return predict_with(BEFORE)(row)
    reached = min(CPU_BEFORE.bandwidth_share * row.part.bandwidth, (row.part.cores or 4) * CORE_BEFORE)
    steps = speed.layer_steps(BEFORE, row.layers, row.kind, sparse=row.sparse)
    return 1 / (row.touched / reached + CPU_BEFORE.layer_s * steps)


def fit(rows: Sequence[Row]) -> Constants:
    """The constants that fit the rows of GPUs best. Nothing but the rows and `START` goes in."""
    rows = [row for row in rows if row.part.accelerator in GPUS]
    origin = np.log(np.array(list(START.values())))
    return constants_of(
        minimise(
            lambda theta: _errors(theta, rows),
            origin,
            lambda theta: _pulls(theta, origin),
            huber=HUBER,
            rounds=ROUNDS,
        )
    )


def _errors(theta: np.ndarray, rows: Sequence[Row]) -> np.ndarray:
    predicted = predict_with(constants_of(theta))
    return np.array([math.log(predicted(row) / row.measured) for row in rows])


def _pulls(theta: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals that draw each parameter to where it belongs without rows, and their slopes."""
    names = list(START)
    slopes = np.eye(len(names)) * math.sqrt(PULL_TO_START)
    pulls = (theta - origin) * math.sqrt(PULL_TO_START)
    for name in GPUS:
        for what in ("share", "layer"):
            own, common = names.index(f"{name}.{what}"), names.index(f"common.{what}")
            pull = math.sqrt(PULL_TO_COMMON[what])
            slopes[own] = 0.0
            slopes[own, own], slopes[own, common] = pull, -pull
            pulls[own] = (theta[own] - theta[common]) * pull
    return pulls, slopes


def constants_of(theta: Iterable[float]) -> Constants:
    """The constants that a list of logarithms stands for."""
    value = dict(zip(START, (math.exp(item) for item in theta), strict=True))
    own = {name: Efficiency(value[f"{name}.share"], value[f"{name}.layer"]) for name in GPUS}
    common = Efficiency(0.75 * value["common.share"], value["common.layer"] / 0.75)
    return Constants(
        accelerators={
            "metal": own["metal"],
            "cuda": own["cuda"],
            "rocm": own["rocm"],
            "vulkan": own["rocm"],
            "sycl": common,
        },
        kinds={"dense": 1.0, "gemma": value["gemma"], "hybrid": value["hybrid"]},
        experts=value["experts"],
        cuda_operations=value["cuda_operations"],
        low_bit_share=value["low_bit_share"],
        shared_share=value["shared_share"],
    )


def left_out(rows: Sequence[Row], by: Callable[[Row], str]) -> list[tuple[Row, float]]:
    """Each row with the error of the prediction that was fitted without its group.

    A row whose accelerator has no other chip is not predicted: nothing is left to fit on.
    """
    rows = [row for row in rows if row.part.accelerator in GPUS]
    result = []
    for group in dict.fromkeys(by(row) for row in rows):
        rest = [row for row in rows if by(row) != group]
        known = {row.part.accelerator for row in rest}
        predicted = predict_with(fit(rest))
        result += [
            (row, predicted(row) / row.measured - 1)
            for row in rows
            if by(row) == group and row.part.accelerator in known
        ]
    return result


def by_chip(row: Row) -> str:
    """The chip, whatever its build."""
    return row.chip


def by_depth(row: Row) -> str:
    """The model, whatever its quant, together with all others of its depth: many are the same shape renamed."""
    return f"{row.layers} {row.kind} {row.sparse}"


def group_of(row: Row) -> speed.Group:
    """What the prediction of a row is as sure as."""
    return speed.group_of(row.part, known=True, share=1.0, kind=row.kind, sparse=row.sparse, quant=row.quant)


GROUPS: Final[dict[str, Callable[[Row], bool]]] = {
    "published plain": lambda row: row.table == "tps_published" and group_of(row) == "plain",
    "published experts": lambda row: row.table == "tps_published" and group_of(row) == "experts",
    "plain": lambda row: group_of(row) == "plain",
    "experts": lambda row: group_of(row) == "experts",
    "hybrid": lambda row: group_of(row) == "hybrid",
    "GB10": lambda row: row.part.shared,
    "low-bit quants": lambda row: group_of(row) == "low-bit",
    "Arc": lambda row: row.part.accelerator == "sycl",
    "CPU": lambda row: row.part.accelerator == "cpu",
}


def range_of(row: Row) -> tuple[float, float]:
    """The range that is shown around the prediction of a row."""
    return speed.RANGES[group_of(row)]


def in_range(errors: Iterable[tuple[Row, float]]) -> float:
    """The share of the measurements that lie within the range shown for each."""
    inside = [low <= 1 / (1 + error) <= high for row, error in errors for low, high in [range_of(row)]]
    return sum(inside) / len(inside)


def main() -> None:
    """Print the constants and the tables."""
    chips = load_chips(ROOT / "catalog")
    rows = measured.published(chips) + measured.community(chips)
    print(f"{len(rows)} rows on {len({row.chip for row in rows})} chips\n\nfitted on the GPUs among them:")
    constants = fit(rows)
    for name, efficiency in constants.accelerators.items():
        print(f"  {name:8} share {efficiency.bandwidth_share:.3f}, layer {efficiency.layer_s * 1e6:.1f} us")
    print(
        f"  kinds {', '.join(f'{kind} {value:.2f}' for kind, value in constants.kinds.items())};"
        f" experts {constants.experts:.2f}; CUDA operations {constants.cuda_operations:.1f};"
        f" low-bit share {constants.low_bit_share:.2f}; shared memory {constants.shared_share:.3f}"
    )

    without_chip, without_model = left_out(rows, by_chip), left_out(rows, by_depth)
    shipped, old = predict_with(speed.FITTED), predict_before
    rules: dict[str, list[tuple[Row, float]]] = {
        "lmpm, chip left out": without_chip,
        "lmpm, depth left out": without_model,
        "lmpm, fitted on all": [(row, shipped(row) / row.measured - 1) for row in rows],
        "lmpm, before": [(row, old(row) / row.measured - 1) for row in rows],
        "0.55 x bandwidth / size": [(row, llmfit_rule(row) / row.measured - 1) for row in rows],
        "0.70 x roofline": [(row, flat_rule(row) / row.measured - 1) for row in rows],
    }
    for group, belongs in GROUPS.items():
        print(f"\n{group:24} {HEADER}  in range   5 10 50 90 95 in a hundred")
        for rule, errors in rules.items():
            inside = [(row, error) for row, error in errors if belongs(row)]
            if inside:
                only = [error for _, error in inside]
                parts = " ".join(f"{part:.2f}" for part in quantiles(only))
                print(f"{rule:24} {summary(only)}  {in_range(inside):8.0%}   {parts}")

    print("\nworst with the chip left out:")
    for row, error in sorted(without_chip, key=lambda item: -abs(math.log1p(item[1])))[:12]:
        print(f"  {error:+7.0%}  {row.measured:7.2f} tok/s  {row.chip} {row.model} {row.quant}")
    print("\nbehind long prompts, tok/s predicted and measured:")
    print_comparisons(measured.deep(chips))
    print("\nsplit over GPU and host, tok/s predicted and measured (context and layers on the GPU not told):")
    print_comparisons(measured.splits(chips))
    for models, sparse in (("plain", False), ("experts", True)):
        ratios = [row.predicted / row.measured for row in measured.prefill(chips, sparse=sparse)]
        print(
            f"\nprompts, {models}: median of predicted / measured {statistics.median(ratios):.2f} of {len(ratios)} rows"
        )


def print_comparisons(rows: Iterable[Comparison]) -> None:
    """A line for each."""
    for row in rows:
        print(f"  {row.predicted:6.1f} {row.measured:6.1f}  {row.name}")


if __name__ == "__main__":
    main()
