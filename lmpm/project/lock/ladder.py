"""The candidates that a lock keeps for one request, best first, and which of them a machine takes.

A machine takes the first rung that fits its budget and reaches the speed floor. That is decided from the
lock alone: no network, no catalog, and only totals of the machine, so that it is the same every day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import NothingFitsError
from lmpm.estimate import (
    FITTED,
    Workload,
    is_low_bit,
    is_sparse,
    kind_of,
    layer_steps,
    predict_speed,
    will_thrash,
)
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.catalog import SpeedKind
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.types import Machine, Variant

WEIGHTS_PER_BYTE: Final = 2  # of a quant of four bits: those with more bits hold fewer


@dataclass(frozen=True, slots=True)
class Rung:
    """The rung that a machine takes, its place from 1, its predicted speed, and why not a better one."""

    number: int
    candidate: LockedCandidate
    speed: float | None  # decoded tokens per second
    passed_over: tuple[str, ...] = ()  # of each better rung
    too_slow: bool = False  # nothing in the ladder reaches the floor on this machine


def take(model: LockedModel, machine: Machine, *, min_speed: float, kind: SpeedKind = "decode") -> Rung:
    """The rung that a machine takes. Raises NothingFitsError listing every rung when none fits.

    `min_speed` is the least speed of decoding, or of reading for `kind="prefill"`.
    """
    passed: list[str] = []
    fitting: list[tuple[float, int, LockedCandidate]] = []
    for number, candidate in enumerate(model.candidates, start=1):
        if will_thrash(machine, candidate.memory):
            budget = machine.budget + machine.host_budget
            passed.append(f"variant {number} needs {human(candidate.memory)}, budget {human(budget)}")
            continue
        speed = _speed_on(machine, candidate, kind)
        if speed is None or speed >= min_speed:
            return Rung(number, candidate, speed, tuple(passed))
        does = "read" if kind == "prefill" else "do"
        passed.append(f"variant {number} would {does} {speed:.1f} tok/s, {min_speed:g} are wanted")
        fitting.append((speed, -number, candidate))
    if fitting:
        speed, number, candidate = max(fitting, key=lambda item: item[:2])
        return Rung(-number, candidate, speed, tuple(passed), too_slow=True)
    raise NothingFitsError(
        f"No variant of `{model.name}` fits this machine: {human(machine.budget + machine.host_budget)} for models",
        details=tuple(passed),
        hint=f"Add a smaller one: declare this machine in [targets], or `lmpm install {model.name}` here",
    )


def idle_rungs(rungs: Sequence[LockedCandidate]) -> dict[int, int]:
    """The rungs that no machine can ever take, each with the better one that is always taken before it; from 1.

    Whatever machine could take such a rung has room for the other one as well, and runs it no slower: somebody
    changed their order.
    """
    costs = [_costs(rung) for rung in rungs]
    found: dict[int, int] = {}
    for number, own in enumerate(costs, start=1):
        for better, other in enumerate(costs[: number - 1], start=1):
            if all(less <= more for less, more in zip(other, own, strict=True)):
                found[number] = better
                break
    return found


def _costs(rung: LockedCandidate) -> tuple[float, ...]:
    """All that memory and speed of a rung depend on, each such that less is better on every machine."""
    sparse = _is_sparse(rung)
    if sparse is None:
        sparse = is_sparse(rung.bytes_per_token, rung.memory)
    steps = layer_steps(FITTED, rung.layers, kind_of(rung.architecture), sparse=sparse)
    weights = rung.active_parameters or _weights(rung)
    return rung.memory, rung.size, rung.bytes_per_token, steps, is_low_bit(rung.quant), sparse, weights


def _is_sparse(rung: LockedCandidate) -> bool | None:
    """Whether it is a mixture of experts, None where the lock does not say."""
    return 0 < rung.active_parameters < rung.parameters if rung.parameters else None


def _weights(rung: LockedCandidate) -> int:
    """Parameters; where the lock does not say, as many as the files can hold."""
    return rung.parameters or WEIGHTS_PER_BYTE * sum(file.size for file in rung.files if file.role == "model")


def _speed_on(machine: Machine, candidate: LockedCandidate, kind: SpeedKind) -> float | None:
    """Predicted tokens per second of a rung; None on a machine of unknown bandwidth."""
    work = Workload(
        need=candidate.memory,
        touched=candidate.bytes_per_token,
        layers=candidate.layers,
        active_parameters=candidate.active_parameters or _weights(candidate),
        size=candidate.size,
        quant=candidate.quant,
        kind=kind_of(candidate.architecture),
        sparse=_is_sparse(candidate),
    )
    predicted = predict_speed(machine, work, prompt=0)
    if predicted is None:
        return None
    return predicted.decode if kind == "decode" else predicted.prefill


def variant_of(candidate: LockedCandidate) -> Variant:
    """A rung as the variant that it pins; the lock does not say for how many tokens it was trained."""
    from lmpm.types import Variant

    return Variant(
        model=candidate.model, title=candidate.model, source=candidate.source, quant=candidate.quant,
        license=candidate.license, files=candidate.files, context_length=0,
        architecture=candidate.architecture,
    )  # fmt: skip
