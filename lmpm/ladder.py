"""The candidates that a lock keeps for one request, best first, and which of them a machine takes.

A machine takes the first rung that fits its budget and reaches the speed floor. That is decided from the
lock alone: no network, no catalog, and only totals of the machine, so that it is the same every day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm import memory, select
from lmpm.errors import LmpmError, NothingFitsError, NotPermittedError
from lmpm.lock_types import LockedCandidate, LockedModel
from lmpm.resolve import is_pinned
from lmpm.size import human
from lmpm.speed import seconds_per_token
from lmpm.types import Candidate, Choice, HubSource, Machine, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lmpm.resolve import Resolution, Resolver

# A file that is meant for the smallest machines should still answer well: no floor rung below this
# share of its model's score.
FLOOR_QUALITY_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Rung:
    """The rung that a machine takes, its place from 1, its predicted speed, and why not a better one."""

    number: int
    candidate: LockedCandidate
    speed: float | None  # decoded tokens per second
    passed_over: tuple[str, ...] = ()  # of each better rung
    too_slow: bool = False  # nothing in the ladder reaches the floor on this machine


def build(
    resolution: Resolution, resolver: Resolver, targets: Mapping[str, Machine]
) -> tuple[tuple[LockedCandidate, ...], tuple[str, ...]]:
    """The rungs for the chosen variant, the declared targets and the smallest machines, best first.

    Also returns remarks on rungs that had to be left out. Raises NothingFitsError when a declared target
    has no answer.
    """
    chosen = resolution.choice.chosen
    if chosen is None:
        raise ValueError("a ladder needs a choice")
    winners: dict[str, list[str]] = {}  # variant -> targets that it wins
    rungs: dict[str, Candidate] = {}
    remarks: list[str] = []

    def add(candidate: Candidate, target: str | None) -> None:
        key = f"{candidate.variant.source} {candidate.variant.quant}"
        rungs.setdefault(key, candidate)
        winners.setdefault(key, []).extend([target] if target else [])

    add(chosen, None)
    pool = tuple(variant for variant in resolution.variants if isinstance(variant.source, HubSource))
    request = resolution.choice.request
    for name, machine in targets.items():
        choice = select.select(request, machine, pool)
        picked = _pinned(choice, resolver, remarks, pool, chosen)
        if picked is None:
            raise NothingFitsError(
                f"No {request.ref} model fits the target `{name}`",
                details=tuple(describe_rejected(choice)),
                hint=f"Lower the context, or remove `{name}` from [targets] in `lmpm.toml`",
            )
        add(picked, name)
    floor = _floor(resolution, pool, chosen)
    if floor is not None:
        try:
            variant, _ = resolver.pin(floor.variant)
            add(replace(floor, variant=variant), None)
        except LmpmError as error:
            remarks.append(f"no rung for smaller machines: {error.message}")
    ordered = sorted(rungs.items(), key=lambda item: (-item[1].variant.quality, -item[1].memory.total, item[0]))
    return tuple(_locked(candidate, tuple(winners[key])) for key, candidate in ordered), tuple(remarks)


def take(model: LockedModel, machine: Machine, *, min_speed: float) -> Rung:
    """The rung that a machine takes. Raises NothingFitsError listing every rung when none fits."""
    passed: list[str] = []
    fitting: list[tuple[float, int, LockedCandidate]] = []
    for number, candidate in enumerate(model.candidates, start=1):
        seconds = seconds_per_token(
            machine,
            need=candidate.memory,
            touched=candidate.bytes_per_token,
            layers=candidate.layers,
            quant=candidate.quant,
        )
        budget = machine.budget + machine.host_budget
        if candidate.memory > budget:
            passed.append(f"rung {number} needs {human(candidate.memory)}, budget {human(budget)}")
            continue
        speed = 1 / seconds if seconds else None
        if speed is None or speed >= min_speed:
            return Rung(number, candidate, speed, tuple(passed))
        passed.append(f"rung {number} would do {speed:.1f} tok/s, floor {min_speed:g}")
        fitting.append((speed, -number, candidate))
    if fitting:
        speed, number, candidate = max(fitting, key=lambda item: item[:2])
        return Rung(-number, candidate, speed, tuple(passed), too_slow=True)
    raise NothingFitsError(
        f"No rung of `{model.name}` fits this machine: {human(machine.budget)} for models",
        details=tuple(passed),
        hint=f"Add a smaller one: declare this machine in [targets], or `lmpm install {model.name}` here",
    )


def describe_rejected(choice: Choice, most: int = 5) -> Iterable[str]:
    """The nearest candidates that could not be taken, a line each."""
    rows = [
        (item.candidate.variant.title, item.candidate.variant.quant, item.detail) for item in choice.rejected[:most]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for title, quant, detail in rows:
        yield f"{title:<{widths[0]}}  {quant:<{widths[1]}}  {detail}"


def _pinned(
    choice: Choice,
    resolver: Resolver,
    remarks: list[str],
    pool: tuple[Variant, ...],
    chosen: Candidate,
) -> Candidate | None:
    """The choice with its pins; what cannot be had is passed over for the next best."""
    while choice.chosen is not None:
        wanted = choice.chosen
        if (wanted.variant.title, wanted.variant.quant) == (chosen.variant.title, chosen.variant.quant):
            return chosen
        try:
            variant, notes = resolver.pin(wanted.variant)
        except (NotPermittedError, LmpmError) as error:
            remarks.append(error.message)
            pool = tuple(item for item in pool if item.source != wanted.variant.source)
            choice = select.select(choice.request, choice.machine, pool)
            continue
        remarks.extend(notes)
        return select.judge(choice.request, choice.machine, variant)
    return None


def _floor(resolution: Resolution, pool: tuple[Variant, ...], chosen: Candidate) -> Candidate | None:
    """The candidate for the smallest machines: least memory among those that still answer well."""
    request, machine = resolution.choice.request, resolution.choice.machine
    roomy = replace(machine, budget=2**62, host_budget=0)  # everything fits: only the rest of the rule counts
    able = [
        candidate
        for variant in pool
        if variant.score and variant.quality >= FLOOR_QUALITY_SHARE * variant.score
        if select.refuse(request, roomy, candidate := select.judge(request, machine, variant)) is None
    ]
    smallest = min(able, key=lambda item: (item.memory.total, item.variant.title), default=None)
    if smallest is None or smallest.memory.total >= chosen.memory.total:
        return None
    return smallest


def _locked(candidate: Candidate, targets: tuple[str, ...]) -> LockedCandidate:
    variant = candidate.variant
    if not is_pinned(variant):
        raise ValueError(f"{variant.title} is not pinned")
    return LockedCandidate(
        source=variant.source,
        model=variant.title,
        quant=variant.quant,
        license=variant.license,
        memory=candidate.memory.total,
        bytes_per_token=memory.bytes_per_token(variant, candidate.memory.context),
        layers=variant.shape.layers if variant.shape else 0,
        engine=variant.min_engine_build,
        targets=targets,
        files=variant.files,
    )
