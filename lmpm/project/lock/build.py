"""Which candidates become the rungs of a ladder: for this machine, declared ones, common sizes, and small ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import NotFoundError, NothingFitsError, NotPermittedError
from lmpm.estimate import estimate_memory
from lmpm.project.lock.ladder import idle_rungs, take
from lmpm.project.lock.records import LockedCandidate, LockedModel
from lmpm.resolver import Candidate, Choice, describe_rejected, is_pinned, rule
from lmpm.types import HubSource, Machine, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.resolver import Request, Resolution, Resolver

# A file that is meant for the smallest machines should still answer well: no floor rung below this
# share of its model's score.
FLOOR_QUALITY_SHARE: Final = 0.9

# Machines of common sizes, so that one which nobody declared finds a rung that suits it.
SIZE_CLASSES: Final = ("CPU, 4 cores, 8GB", "M2, 16GB", "RTX 3060 12GB, 32GB", "RTX 4090, 64GB")
MAX_RUNGS: Final = 6  # size classes add none beyond; declared targets may


def build(
    resolution: Resolution,
    resolver: Resolver,
    targets: Mapping[str, Machine],
    classes: Sequence[Machine] = (),
    *,
    own_first: bool = False,
) -> tuple[tuple[LockedCandidate, ...], tuple[str, ...]]:
    """The rungs for the chosen variant, the declared targets, common sizes and the smallest machines, best first.

    Also returns remarks on rungs that had to be left out. `own_first` has this machine take what was chosen for it,
    even where another one would be better served by a rung before that. Raises NothingFitsError when a declared target
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
            if variant.withdrawn:
                remarks.append(f"no rung for smaller machines: {variant.title} is withdrawn: {variant.withdrawn}")
            else:
                rungs.append(replace(floor, variant=variant))
        except (NotFoundError, NotPermittedError) as error:
            remarks.append(f"no rung for smaller machines: {error.message}")
    ordered = _in_order(rungs, [*winners[1:], winners[0]] if own_first else winners, choice.request)
    for machine in classes:
        ordered = _with_class(machine, ordered, winners, choice.request, resolver, pool)
    locked = [_locked(rung) for rung in _needed(ordered, [machine for machine, _ in winners], choice, floor)]
    idle = idle_rungs(locked)
    kept = tuple(rung for number, rung in enumerate(locked, start=1) if number not in idle)
    served_rungs, slow = _for_targets(kept, targets, choice.request)
    return served_rungs, (*remarks, *slow)


def _with_class(
    machine: Machine,
    ordered: list[Candidate],
    winners: list[tuple[Machine, Candidate]],
    request: Request,
    resolver: Resolver,
    pool: tuple[Variant, ...],
) -> list[Candidate]:
    """The rungs with one more for a common size of machine, where it needs one and nobody else is disturbed."""
    try:
        rung = _for_target("", machine, request, resolver, pool, ordered, [])
    except NothingFitsError:
        return ordered
    if rung in ordered or len(ordered) >= MAX_RUNGS:
        return ordered
    longer = _in_order([*ordered, rung], [(machine, rung), *winners], request)
    disturbed = any(_taken(longer, known, request) is not _taken(ordered, known, request) for known, _ in winners)
    if disturbed:
        return ordered
    winners.append((machine, rung))
    return longer


def _taken(ordered: list[Candidate], machine: Machine, request: Request) -> Candidate | None:
    """The rung that a machine takes by what will stand in the lock; None where none is fast enough."""
    rungs = LockedModel(name=request.ref, requested={}, candidates=tuple(map(_locked, ordered)))
    try:
        rung = take(rungs, machine, min_speed=request.min_speed, kind=request.speed_kind)
    except NothingFitsError:
        return None
    return None if rung.too_slow else ordered[rung.number - 1]


def _needed(
    ordered: list[Candidate], machines: list[Machine], choice: Choice, floor: Candidate | None
) -> list[Candidate]:
    """The rungs that some machine takes; where nothing reaches the floor, all that it might fall back on."""
    taken = [_taken(ordered, machine, choice.request) for machine in machines]
    if None in taken:
        return ordered
    kept = [choice.chosen, _same(floor, ordered) if floor else None, *taken]
    return [rung for rung in ordered if any(rung is other for other in kept)]


def _for_targets(
    rungs: tuple[LockedCandidate, ...], targets: Mapping[str, Machine], request: Request
) -> tuple[tuple[LockedCandidate, ...], list[str]]:
    """The rungs, each with the targets that take it by what stands in the lock, and remarks on those that crawl."""
    ladder = LockedModel(name=request.ref, requested={}, candidates=rungs)
    places: dict[int, list[str]] = {}
    slow = []
    for name, machine in sorted(targets.items()):
        rung = take(ladder, machine, min_speed=request.min_speed, kind=request.speed_kind)
        places.setdefault(rung.number, []).append(name)
        if rung.too_slow:
            what = f"{rung.candidate.model} {rung.candidate.quant}"
            speed = f"about {rung.speed:.1f} tok/s, {request.min_speed:g} were asked for"
            slow.append(f"nothing is fast enough on the target `{name}`: {what} does {speed}")
    marked = (replace(rung, targets=tuple(places.get(number, ()))) for number, rung in enumerate(rungs, start=1))
    return tuple(marked), slow


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
    choice = rule.select(request, machine, pool)
    for rung in rungs:
        if is_as_good(rung.variant, choice):
            return rung
    picked = _pinned(choice, resolver, remarks, pool, rungs)
    if picked is None:
        raise NothingFitsError(
            f"No {request.ref} model fits the target `{name}`",
            details=tuple(describe_rejected(choice)),
            hint=f"Lower the context, or remove `{name}` from [targets]",
        )
    return picked


def is_as_good(variant: Variant, choice: Choice) -> bool:
    """Whether a variant does on the machine of a choice what the chosen one does, as far as a lock tells them apart."""
    chosen, request = choice.chosen, choice.request
    if not _is_able(variant, request, choice.machine):
        return False
    if chosen is None or request.prefer == "speed":
        return True
    if request.prefer == "small":
        return variant.size <= chosen.variant.size
    return variant.quality >= chosen.variant.quality - rule.SAME_QUALITY_POINTS


def _is_able(variant: Variant, request: Request, machine: Machine) -> bool:
    """Whether a variant may be taken on a machine and is fast enough there."""
    candidate = rule.judge(request, machine, variant)
    return rule.refuse(request, machine, candidate) is None and rule.is_fast(candidate, request)


def _in_order(rungs: list[Candidate], winners: list[tuple[Machine, Candidate]], request: Request) -> list[Candidate]:
    """The rungs so that each machine, taking the first that it can, takes the one chosen for it."""

    def key(rung: Candidate) -> tuple[float, int, str]:
        variant = rung.variant
        name = f"{variant.source} {variant.quant}"
        if request.prefer == "small":
            return variant.size, rung.memory.total, name
        if request.prefer == "speed":
            return rung.memory.bytes_per_token, rung.memory.total, name
        return -variant.quality, -rung.memory.total, name

    ordered = sorted(rungs, key=key)
    for machine, winner in winners:
        place = ordered.index(winner)
        first = next((i for i in range(place) if _is_able(ordered[i].variant, request, machine)), place)
        ordered.insert(first, ordered.pop(place))
    return ordered


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
            choice = rule.select(choice.request, choice.machine, pool)
            continue
        pinned = rule.judge(choice.request, choice.machine, variant)
        if (refused := rule.refuse(choice.request, choice.machine, pinned)) is None:
            remarks.extend(notes)
            return pinned
        # what the Hub has is not what the catalog knows
        remarks.append(f"{variant.title} {variant.quant} was passed over: {refused[1]}")
        pool = tuple(item for item in pool if item is not wanted.variant)
        choice = rule.select(choice.request, choice.machine, pool)
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
        if rule.refuse(request, roomy, candidate := rule.judge(request, machine, variant)) is None
    ]
    smallest = min(able, key=lambda item: (item.memory.total, item.variant.title), default=None)
    if smallest is None or smallest.memory.total >= chosen.memory.total:
        return None
    return smallest


def _locked(candidate: Candidate) -> LockedCandidate:
    variant, shape = candidate.variant, candidate.variant.shape
    if not is_pinned(variant):
        raise ValueError(f"{variant.title} is not pinned")
    memory = estimate_memory(variant, candidate.memory.context)
    return LockedCandidate(
        source=variant.source,
        model=variant.title,
        quant=variant.quant,
        license=variant.license,
        memory=memory.must_fit,
        bytes_per_token=max(1, memory.bytes_per_token),
        layers=shape.layers if shape else 0,
        architecture=variant.architecture,
        parameters=shape.parameters if shape else 0,
        active_parameters=shape.active_parameters if shape else 0,
        engine=variant.min_engine_build,
        template=variant.template,
        identity=variant.identity,
        files=variant.files,
    )
