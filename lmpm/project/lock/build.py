"""Which candidates become the rungs of a ladder: for this machine, declared ones, common sizes, and small ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import NothingFitsError
from lmpm.estimate import estimate_memory
from lmpm.project.lock.entry import rung_for
from lmpm.project.lock.ladder import idle_rungs, take
from lmpm.project.lock.records import LockedCandidate, LockedModel
from lmpm.resolver import Candidate, Choice, PinCheck, Refusal, choose, describe_rejected, is_pinned, rule
from lmpm.types import HubSource, Machine, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.project.manifest import ManifestModel
    from lmpm.resolver import Request, Resolution, Resolver

# A file that is meant for the smallest machines should still answer well: no floor rung below this
# share of its model's score.
FLOOR_QUALITY_SHARE: Final = 0.9

# Machines of common sizes, so that one which nobody declared finds a rung that suits it.
SIZE_CLASSES: Final = ("CPU, 4 cores, 8GB", "M2, 16GB", "RTX 3060 12GB, 32GB", "RTX 4090, 64GB")
MAX_RUNGS: Final = 6  # size classes add none beyond; declared targets may


def lock_model(
    resolution: Resolution,
    line: ManifestModel,
    resolver: Resolver,
    targets: Mapping[str, Machine],
    classes: Sequence[Machine] = (),
) -> tuple[Resolution, LockedModel, tuple[str, ...]]:
    """The entry of the lock for a line, and the choice that this machine takes from it; also remarks.

    The ladder is made first, with the true sizes of its rungs, and this machine takes from it like every other: what is
    installed is what the lock gives. Raises NothingFitsError when a declared target has no answer, and the errors of
    the Hub.
    """
    rungs, remarks = build(resolution, resolver, targets, classes)
    choice = resolution.choice
    request = choice.request
    entry = LockedModel(
        name=line.name,
        requested=line.requested(),
        candidates=tuple(rung.locked for rung in rungs),
        context=_planned(choice) if line.context is None else None,
        min_speed=request.min_speed if line.min_speed is None else None,
        speed_kind=request.speed_kind,
    )
    return _as_locked(resolution, entry, rungs), entry, remarks


def _planned(choice: Choice) -> int:
    """Tokens to run the choice for: no more than it was trained for."""
    asked, trained = choice.request.context, choice.chosen.variant.context_length if choice.chosen else 0
    return min(asked, trained or asked)


def _as_locked(resolution: Resolution, entry: LockedModel, rungs: Sequence[BuiltRung]) -> Resolution:
    """The resolution with what this machine takes from the lock as its choice."""
    choice = resolution.choice
    try:
        taken = rungs[rung_for(entry, choice.machine).number - 1].candidate.variant
    except NothingFitsError:  # by what stands in the lock, which is a little more careful
        return resolution
    if choice.chosen is None or taken.files == choice.chosen.variant.files:
        return resolution
    chosen = rule.judge(choice.request, choice.machine, taken)
    note = f"{taken.title} {taken.quant} is in the lock for another machine and does as well here"
    return replace(resolution, choice=replace(choice, chosen=chosen, notes=(*choice.notes, note)), pinned=True)


@dataclass(frozen=True, slots=True)
class BuiltRung:
    """A candidate of a ladder and what the lock keeps of it."""

    candidate: Candidate
    locked: LockedCandidate


def build(
    resolution: Resolution, resolver: Resolver, targets: Mapping[str, Machine], classes: Sequence[Machine] = ()
) -> tuple[tuple[BuiltRung, ...], tuple[str, ...]]:
    """The rungs for the chosen variant, the declared targets, common sizes and the smallest machines, best first.

    Also returns remarks on rungs that had to be left out. Raises NothingFitsError when a declared target has no
    answer, and NetworkError: a ladder must not depend on the weather.
    """
    choice = resolution.choice
    if choice.chosen is None:
        raise ValueError("a ladder needs a choice")
    pool = tuple(variant for variant in resolution.variants if isinstance(variant.source, HubSource))
    can_be_had = PinCheck(resolver.pin)
    rungs = [choice.chosen]
    remarks: list[str] = []
    winners = [(choice.machine, choice.chosen)]
    for name, machine in sorted(targets.items()):
        served = _for_target(name, machine, choice.request, can_be_had, pool, rungs, remarks)
        winners.append((machine, served))
        if _same(served, rungs) is None:
            rungs.append(served)
    floor = _floor(resolution, pool, choice.chosen)
    if floor is not None and _same(floor, rungs) is None:
        found = can_be_had(floor)
        if isinstance(found, Refusal):
            remarks.append(f"no variant for smaller machines: {found.verdict.detail}")
        elif why := found.candidate.variant.withdrawn:
            remarks.append(f"no variant for smaller machines: {floor.variant.title} is withdrawn: {why}")
        else:
            rungs.append(found.candidate)
    ordered = _in_order(rungs, winners, choice.request)
    for machine in classes:
        ordered = _with_class(machine, ordered, winners, choice.request, can_be_had, pool)
    needed = _needed(ordered, [machine for machine, _ in winners], choice, floor)
    locked = [_locked(rung) for rung in needed]
    idle = idle_rungs(locked)
    kept = [number for number in range(len(locked)) if number + 1 not in idle]
    served_rungs, slow = _for_targets(tuple(locked[number] for number in kept), targets, choice.request)
    built = tuple(BuiltRung(needed[number], rung) for number, rung in zip(kept, served_rungs, strict=True))
    return built, (*remarks, *slow)


def _with_class(
    machine: Machine,
    ordered: list[Candidate],
    winners: list[tuple[Machine, Candidate]],
    request: Request,
    can_be_had: PinCheck,
    pool: tuple[Variant, ...],
) -> list[Candidate]:
    """The rungs with one more for a common size of machine, where it needs one and nobody else is disturbed."""
    try:
        rung = _for_target("", machine, request, can_be_had, pool, ordered, [])
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
    can_be_had: PinCheck,
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
    if choice.chosen is not None and (there := _same(choice.chosen, rungs)) is not None:
        return there
    checked = choose.choose(request, machine, pool, [can_be_had])
    choice = checked.choice
    if choice.chosen is None:
        raise NothingFitsError(
            f"No {request.ref} model fits the target `{name}`",
            details=tuple(describe_rejected(choice)),
            hint=f"Lower the context, or remove `{name}` from [targets]",
        )
    remarks.extend(remark for remark in checked.remarks if remark not in remarks)
    return _same(choice.chosen, rungs) or choice.chosen


def better_variant(model: LockedModel, resolution: Resolution) -> Variant | None:
    """What the catalog takes for a machine where that is better than what the lock gives it, else None.

    The sizes that the lock pins count. Within the point that is no difference, a rung for another machine serves this
    one as well. Raises NothingFitsError where no rung fits.
    """
    before = resolution.choice
    taken = rung_for(model, before.machine).candidate
    pinned = {_what(rung): rung for rung in model.candidates}
    variants = [
        replace(variant, source=rung.source, files=rung.files) if (rung := pinned.get(_what(variant))) else variant
        for variant in resolution.variants
    ]
    choice = rule.select(before.request, before.machine, variants)
    if choice.chosen is None or not isinstance(choice.chosen.variant.source, HubSource):
        return None
    if _what(choice.chosen.variant) == _what(taken):
        return None
    same = next((variant for variant in variants if _what(variant) == _what(taken)), None)
    return None if same is not None and is_as_good(same, choice) else choice.chosen.variant


def _what(item: Variant | LockedCandidate) -> tuple[str, str]:
    """A quant of a repository, at whatever commit."""
    return item.source.repo if isinstance(item.source, HubSource) else str(item.source), item.quant


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


def _same(wanted: Candidate, rungs: list[Candidate]) -> Candidate | None:
    """The rung that is this quant of this repository."""
    return next((rung for rung in rungs if _what(rung.variant) == _what(wanted.variant)), None)


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
