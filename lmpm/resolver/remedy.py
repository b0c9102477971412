"""What would do better where the choice is of little use: a machine with more, or a model that others host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.limits import GIB
from lmpm.machine import budget
from lmpm.resolver import rule
from lmpm.resolver.records import Remedy
from lmpm.types import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmpm.resolver.records import Candidate, Request

# The slowest Mac of each memory in catalog/chips.toml: GB, bandwidth in GB/s, TFLOPS of reading. What is of use on
# one of these is so on every later one with as much.
MACS: Final = (
    (8, 68, 1.45), (16, 68, 1.45), (24, 100, 1.97), (32, 120, 2.98), (48, 273, 4.91), (64, 273, 4.91), (96, 300, 7.65),
    (128, 400, 10.24), (192, 800, 13.67), (256, 800, 14.47), (512, 800, 19.83),
)  # fmt: skip

HOSTED_SIZE: Final = 64 * GIB  # of files, from where on most people use a model where others host it


def find(candidates: Sequence[Candidate], request: Request) -> Remedy:
    """The remedy for a choice among these candidates, of which some were too large or too slow to be taken."""
    useful = request.useful or 0.0
    by_judged = {id(candidate.judged.option): candidate for candidate in candidates}
    hosted = max(
        (item for item in candidates if item.variant.quality >= useful and item.variant.size > HOSTED_SIZE),
        key=lambda item: (item.variant.quality, item.variant.released, item.variant.title),
        default=None,
    )
    for size, bandwidth, compute in MACS:
        machine = unified(size * GIB, bandwidth, compute)
        taken = rule.take(_judged(candidates, request, machine), request.prefer)
        if taken is not None and taken.option.score >= useful and not taken.is_slow:
            larger = by_judged[id(taken.option)]
            is_better = hosted is not None and hosted.variant.quality > larger.variant.quality
            return Remedy(larger=larger, memory=size * GIB, hosted=hosted if is_better else None)
    return Remedy(larger=None, memory=0, hosted=hosted)


def unified(memory: int, bandwidth: float, compute: float) -> Machine:
    """A Mac with so many bytes of memory, GB/s and TFLOPS."""
    return Machine(
        name="unified memory",
        accelerator="metal",
        memory=memory,
        budget=budget.apple_budget(memory)[0],
        bandwidth=round(bandwidth * 1e9),
        gpus=1,
        compute=compute * 1e12,
    )


def _judged(candidates: Iterable[Candidate], request: Request, machine: Machine) -> Iterable[rule.Judged]:
    options = (candidate.judged.option for candidate in candidates)
    return (rule.judge(option, request.waiting, machine) for option in options if rule.fits(option, machine))
