"""The candidates that a lock keeps for one request, best first, and which of them a machine takes.

A machine takes the first rung that fits its budget and reaches the speed floor. That is decided from the
lock alone: no network, no catalog, and only totals of the machine, so that it is the same every day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm import memory, quant, select
from lmpm.errors import NotFoundError, NothingFitsError, NotPermittedError
from lmpm.lock_types import LockedCandidate, LockedModel
from lmpm.resolve import is_pinned
from lmpm.size import human
from lmpm.speed import kind_of, predict, seconds_per_token, will_thrash
from lmpm.types import Candidate, Choice, HubSource, Machine, Memory, Shape, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lmpm.catalog.schema import SpeedKind
    from lmpm.resolve import Resolution, Resolver
    from lmpm.types import Request

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
    has no answer, and NetworkError: a ladder must not depend on the weather.
    """
    choice = resolution.choice
    if choice.chosen is None:
        raise ValueError("a ladder needs a choice")
    pool = tuple(variant for variant in resolution.variants if isinstance(variant.source, HubSource))
    rungs = [choice.chosen]
    remarks: list[str] = []
    winners = [(choice.machine, choice.chosen)]
    served: dict[str, Candidate] = {}  # target -> the rung that it takes
    for name, machine in sorted(targets.items()):
        served[name] = _for_target(name, machine, choice.request, resolver, pool, rungs, remarks)
        winners.append((machine, served[name]))
        if _same(served[name], rungs) is None:
            rungs.append(served[name])
    floor = _floor(resolution, pool, choice.chosen)
    if floor is not None and _same(floor, rungs) is None:
        try:
            variant, _ = resolver.pin(floor.variant)
            rungs.append(replace(floor, variant=variant))
        except (NotFoundError, NotPermittedError) as error:
            remarks.append(f"no rung for smaller machines: {error.message}")
    ordered = _in_order(rungs, winners, choice.request)
    return (
        tuple(_locked(rung, tuple(name for name, taken in served.items() if taken is rung)) for rung in ordered),
        tuple(remarks),
    )


def _for_target(
    name: str,
    machine: Machine,
    request: Request,
    resolver: Resolver,
    pool: tuple[Variant, ...],
    rungs: list[Candidate],
    remarks: list[str],
) -> Candidate:
    """The rung that a declared machine takes: one that is there already if it is as good, else one more.

    Which of two small models is the faster differs from machine to machine, and a lock has one order: with
    `prefer="speed"` a rung that is fast enough is as good.
    """
    choice = select.select(request, machine, pool)
    there = [rung for rung in rungs if _is_able(rung.variant, request, machine)]
    if choice.chosen is not None and request.prefer == "quality":
        least = choice.chosen.variant.quality - select.SAME_QUALITY_POINTS
        there = [rung for rung in there if rung.variant.quality >= least]
    elif choice.chosen is not None and request.prefer == "small":
        there = [rung for rung in there if rung.variant.size <= choice.chosen.variant.size]
    if there:
        return there[0]
    picked = _pinned(choice, resolver, remarks, pool, rungs)
    if picked is None:
        raise NothingFitsError(
            f"No {request.ref} model fits the target `{name}`",
            details=tuple(describe_rejected(choice)),
            hint=f"Lower the context, or remove `{name}` from [targets] in `lmpm.toml`",
        )
    return picked


def _is_able(variant: Variant, request: Request, machine: Machine) -> bool:
    """Whether a variant may be taken on a machine and is fast enough there."""
    candidate = select.judge(request, machine, variant)
    return select.refuse(request, machine, candidate) is None and select.is_fast(candidate, request)


def _in_order(rungs: list[Candidate], winners: list[tuple[Machine, Candidate]], request: Request) -> list[Candidate]:
    """The rungs so that each machine, taking the first that it can, takes the one chosen for it."""

    def key(rung: Candidate) -> tuple[float, int, str]:
        variant = rung.variant
        name = f"{variant.source} {variant.quant}"
        if request.prefer == "small":
            return variant.size, rung.memory.total, name
        if request.prefer == "speed":
            return memory.bytes_per_token(variant, rung.memory.context), rung.memory.total, name
        return -variant.quality, -rung.memory.total, name

    ordered = sorted(rungs, key=key)
    for machine, winner in winners:
        place = ordered.index(winner)
        first = next((i for i in range(place) if _is_able(ordered[i].variant, request, machine)), place)
        ordered.insert(first, ordered.pop(place))
    return ordered


def take(model: LockedModel, machine: Machine, *, min_speed: float, kind: SpeedKind = "decode") -> Rung:
    """The rung that a machine takes. Raises NothingFitsError listing every rung when none fits.

    `min_speed` is the least speed of decoding, or of reading for `kind="prefill"`.
    """
    passed: list[str] = []
    fitting: list[tuple[float, int, LockedCandidate]] = []
    for number, candidate in enumerate(model.candidates, start=1):
        if will_thrash(machine, candidate.memory):
            budget = machine.budget + machine.host_budget
            passed.append(f"rung {number} needs {human(candidate.memory)}, budget {human(budget)}")
            continue
        speed = _speed_on(machine, candidate, kind)
        if speed is None or speed >= min_speed:
            return Rung(number, candidate, speed, tuple(passed))
        does = "read" if kind == "prefill" else "do"
        passed.append(f"rung {number} would {does} {speed:.1f} tok/s, floor {min_speed:g}")
        fitting.append((speed, -number, candidate))
    if fitting:
        speed, number, candidate = max(fitting, key=lambda item: item[:2])
        return Rung(-number, candidate, speed, tuple(passed), too_slow=True)
    raise NothingFitsError(
        f"No rung of `{model.name}` fits this machine: {human(machine.budget + machine.host_budget)} for models",
        details=tuple(passed),
        hint=f"Add a smaller one: declare this machine in [targets], or `lmpm install {model.name}` here",
    )


def _speed_on(machine: Machine, candidate: LockedCandidate, kind: SpeedKind) -> float | None:
    """Predicted tokens per second of a rung; None on a machine of unknown bandwidth."""
    seconds = seconds_per_token(
        machine,
        need=candidate.memory,
        touched=candidate.bytes_per_token,
        layers=candidate.layers,
        sparse=candidate.active_parameters < candidate.parameters if candidate.parameters else None,
        kind=kind_of(candidate.architecture),
        quant=candidate.quant,
    )
    if seconds is None:
        return None
    return 1 / seconds if kind == "decode" else _reading_speed(machine, candidate)


def _reading_speed(machine: Machine, candidate: LockedCandidate) -> float | None:
    """Predicted tokens of a prompt per second; where the lock has no number of weights, size and quant tell it."""
    size = sum(file.size for file in candidate.files if file.role == "model")
    weights = candidate.parameters or int(8 * size / (quant.bits_per_weight(candidate.quant) or 8.0))
    shape = Shape(
        layers=candidate.layers, embedding_length=0, heads=0, kv_heads=0, key_length=0, value_length=0,
        feed_forward_length=0, vocabulary=0, parameters=weights,
        active_parameters=candidate.active_parameters or weights,
    )  # fmt: skip
    variant = Variant(
        model=candidate.model, title=candidate.model, source=candidate.source, quant=candidate.quant,
        license=candidate.license, files=candidate.files, context_length=0,
        architecture=candidate.architecture, shape=shape,
    )  # fmt: skip
    need = Memory(
        context=1, weights=candidate.memory, kv_cache=0, recurrent=0, compute=0, output=0, mmproj=0, overhead=0
    )
    predicted = predict(machine, variant, need, prompt=1)
    return predicted.prefill if predicted else None


def describe_rejected(choice: Choice, most: int = 5) -> Iterable[str]:
    """The nearest candidates that could not be taken, a line each."""
    rows = [
        (item.candidate.variant.title, item.candidate.variant.quant, item.detail) for item in choice.rejected[:most]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for title, label, detail in rows:
        yield f"{title:<{widths[0]}}  {label:<{widths[1]}}  {detail}"


def _pinned(
    choice: Choice,
    resolver: Resolver,
    remarks: list[str],
    pool: tuple[Variant, ...],
    rungs: list[Candidate],
) -> Candidate | None:
    """The choice with its pins; what cannot be had is passed over for the next best."""
    while choice.chosen is not None:
        wanted = choice.chosen
        if (there := _same(wanted, rungs)) is not None:
            return there
        try:
            variant, notes = resolver.pin(wanted.variant)
        except (NotFoundError, NotPermittedError) as error:
            remarks.append(error.message)
            pool = tuple(item for item in pool if item.source != wanted.variant.source)
            choice = select.select(choice.request, choice.machine, pool)
            continue
        remarks.extend(notes)
        return select.judge(choice.request, choice.machine, variant)
    return None


def _same(wanted: Candidate, rungs: list[Candidate]) -> Candidate | None:
    """The rung that is this quant of this repository."""

    def name(candidate: Candidate) -> tuple[str, str]:
        source = candidate.variant.source
        return (source.repo if isinstance(source, HubSource) else str(source)), candidate.variant.quant

    return next((rung for rung in rungs if name(rung) == name(wanted)), None)


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
    variant, shape = candidate.variant, candidate.variant.shape
    if not is_pinned(variant):
        raise ValueError(f"{variant.title} is not pinned")
    return LockedCandidate(
        source=variant.source,
        model=variant.title,
        quant=variant.quant,
        license=variant.license,
        memory=memory.estimate(variant, candidate.memory.context).total,
        bytes_per_token=max(1, memory.bytes_per_token(variant, candidate.memory.context)),
        layers=shape.layers if shape else 0,
        architecture=variant.architecture,
        parameters=shape.parameters if shape else 0,
        active_parameters=shape.active_parameters if shape else 0,
        engine=variant.min_engine_build,
        targets=targets,
        files=variant.files,
    )
