"""Which candidates a lock gets: for this machine, declared ones, common sizes, and small ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import NothingFitsError, OfflineError
from lmpm.project.lock.entry import rung_for
from lmpm.project.lock.recipes import with_recipes
from lmpm.project.lock.records import LockedCandidate, LockedModel
from lmpm.resolver import PinCheck, Refusal, choose, describe_rejected, is_pinned, rule, select
from lmpm.types import HubSource, StarterSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.project.manifest import ManifestModel
    from lmpm.resolver import Candidate, Choice, Request, Resolution, Resolver
    from lmpm.types import Machine, Variant

# A file that is meant for the smallest machines should still answer well: no candidate for them below this
# share of its model's score.
FLOOR_QUALITY_SHARE: Final = 0.9

# Machines of common sizes, so that one which nobody declared finds a candidate that suits it.
SIZE_CLASSES: Final = ("CPU, 4 cores, 8GB", "M2, 16GB", "RTX 3060 12GB, 32GB", "RTX 4090, 64GB")
MAX_RUNGS: Final = 6  # size classes add none beyond; declared targets may


def lock_model(
    resolution: Resolution,
    line: ManifestModel,
    resolver: Resolver,
    targets: Mapping[str, Machine],
    classes: Sequence[Machine] = (),
    *,
    offline: Sequence[Variant] = (),
) -> tuple[Resolution, LockedModel, tuple[str, ...]]:
    """The entry of the lock for a line, and the choice that this machine takes from it; also remarks.

    The ladder is made first, with the true sizes of its candidates, and this machine takes from it like every other:
    what is installed is what the lock gives. Without a network `offline` are the variants that the catalog pins in
    full: declared targets take of them where this machine has nothing but a starter. Raises NothingFitsError when a
    declared target has no answer, OfflineError when it has none without a network, and the errors of the Hub: a
    ladder must not depend on the weather.
    """
    choice = resolution.choice
    if choice.chosen is None:
        raise ValueError("a ladder needs a choice")
    ladder = _Ladder(choice, line, PinCheck(resolver.pin), _pool(resolution), offline=tuple(offline))
    ladder.add(choice.chosen)
    for name, machine in sorted(targets.items()):
        ladder.add_for_target(name, machine)
    ladder.add_floor()
    for machine in classes:
        ladder.add_for_class(machine)
    ladder.drop_idle([choice.machine, *targets.values(), *classes])
    entry = with_recipes(ladder.entry(targets), line, resolution.task, resolver.catalog)
    return _as_locked(resolution, entry, ladder), entry, tuple(dict.fromkeys(ladder.remarks))


def _pool(resolution: Resolution) -> tuple[Variant, ...]:
    return tuple(variant for variant in resolution.variants if isinstance(variant.source, HubSource))


def _as_locked(resolution: Resolution, entry: LockedModel, ladder: _Ladder) -> Resolution:
    """The resolution with what this machine takes from the lock as its choice."""
    choice = resolution.choice
    try:
        taken = rung_for(entry, choice.machine).candidate
    except NothingFitsError:  # by what stands in the lock, which is a little more careful
        return resolution
    if choice.chosen is None or _what(taken) == _what(choice.chosen.variant):
        return resolution
    chosen = next(item for item in ladder.candidates if _what(item.variant) == _what(taken))
    chosen = select.judge(choice.request, choice.machine, chosen.variant)
    note = f"{taken.model} {taken.quant} is in the lock for another machine and does as well here"
    return replace(resolution, choice=replace(choice, chosen=chosen, notes=(*choice.notes, note)), pinned=True)


@dataclass(slots=True)
class _Ladder:
    """The candidates of one entry while they are collected, all of them pinned."""

    choice: Choice
    line: ManifestModel
    can_be_had: PinCheck
    pool: tuple[Variant, ...]
    offline: tuple[Variant, ...] = ()
    candidates: list[Candidate] = field(default_factory=list)
    floor: Candidate | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def request(self) -> Request:
        """What all of them answer."""
        return self.choice.request

    def add(self, candidate: Candidate) -> None:
        """Add a candidate, unless it is there."""
        if all(_what(item.variant) != _what(candidate.variant) for item in self.candidates):
            self.candidates.append(candidate)

    def add_for_target(self, name: str, machine: Machine) -> None:
        """Add what a declared machine takes, which a starter is only where it was named.

        Raises NothingFitsError where it has no answer, OfflineError where it would have one with a network.
        """
        taken = self._taken(machine)
        is_stopgap = taken is None or isinstance(taken.variant.source, StarterSource)
        if not self.pool and is_stopgap and self.request.model is None:
            self.pool = self.offline
            choice: Choice | None = select.select(self.request, machine, self.pool)
            if choice is None or choice.chosen is None:
                raise OfflineError(
                    f"Offline there is nothing to pin for the target `{name}`",
                    details=(
                        f"a starter is only for the machine at hand, and no model for {self.request.ref} whose files "
                        "the catalog pins in full fits there",
                    ),
                    hint="Do it again with a network",
                )
        else:
            choice = self._choice_on(machine)
        if choice is None:
            return
        if choice.chosen is None:
            raise NothingFitsError(
                f"No {self.request.ref} model fits the target `{name}`",
                details=tuple(describe_rejected(choice)),
                hint=f"Lower the context, or remove `{name}` from [targets]",
            )
        self.add(choice.chosen)

    def add_for_class(self, machine: Machine) -> None:
        """Add what a machine of a common size takes, where there is one and room for it."""
        if len(self.candidates) < MAX_RUNGS:
            choice = self._choice_on(machine)
            if choice is not None and choice.chosen is not None:
                self.add(choice.chosen)

    def add_floor(self) -> None:
        """Add the candidate of least memory among those that still answer well, for the smallest machines."""
        roomy = replace(self.choice.machine, budget=2**62, host_budget=0)  # everything fits: only the rest counts
        able = [
            candidate
            for variant in self.pool
            if variant.score and variant.quality >= FLOOR_QUALITY_SHARE * variant.score
            if select.refuse(
                replace(self.request, min_speed=0.0, max_wait=None), roomy, candidate := self._judged(variant)
            )
            is None
            and rule.bits_of(variant.quant) >= rule.LEAST_BITS
        ]
        smallest = min(able, key=lambda item: (item.memory.must_fit, item.variant.title), default=None)
        if smallest is None or any(item.memory.must_fit <= smallest.memory.must_fit for item in self.candidates):
            return
        found = self.can_be_had(smallest)
        if isinstance(found, Refusal):
            self.remarks.append(f"nothing for smaller machines: {found.verdict.detail}")
        elif why := found.candidate.variant.withdrawn:
            self.remarks.append(f"nothing for smaller machines: {smallest.variant.title} is withdrawn: {why}")
        else:
            self.floor = found.candidate
            self.add(self.floor)

    def drop_idle(self, machines: Sequence[Machine]) -> None:
        """Drop what none of the machines takes, but for the smallest."""
        taken = [self._taken(machine) for machine in machines]
        self.candidates = [item for item in self.candidates if item is self.floor or any(item is t for t in taken)]

    def entry(self, targets: Mapping[str, Machine]) -> LockedModel:
        """The entry, largest first, each candidate with the targets that take it; remarks on those that crawl."""
        self.candidates.sort(key=lambda item: (-item.memory.must_fit, item.judged.option.name))
        entry = self._entry()
        for name, machine in sorted(targets.items()):
            rung = rung_for(entry, machine)
            if rung.judged.is_slow and rung.speed is not None:
                what = f"{rung.candidate.model} {rung.candidate.quant}"
                self.remarks.append(f"slow on the target `{name}`: {what} writes about {rung.speed:.1f} tok/s there")
        return with_targets(entry, targets)

    def _entry(self) -> LockedModel:
        return LockedModel(
            name=self.line.name,
            requested=self.line.requested(),
            candidates=tuple(map(_locked, self.candidates)),
            context=self._planned_context() if self.line.context is None else None,
            waiting=self.request.waiting and replace(self.request.waiting, answer_tokens=0, thinking_tokens=0),
        )

    def _planned_context(self) -> int:
        """Tokens to run the choice for: no more than it was trained for."""
        trained = self.choice.chosen.variant.context_length if self.choice.chosen else 0
        return min(self.request.context, trained or self.request.context)

    def _choice_on(self, machine: Machine) -> Choice | None:
        """What is chosen for a machine, pinned; None where it takes something of the ladder that is as good."""
        first = select.select(self.request, machine, self.pool)
        taken = self._taken(machine)
        if taken is not None and first.chosen is not None:
            here = select.judge(self.request, machine, taken.variant).judged
            if here.tier <= first.chosen.judged.tier and here.value >= (1 - rule.AS_GOOD) * first.chosen.judged.value:
                return None
        if taken is not None and first.chosen is None:
            return None
        checked = choose.choose(self.request, machine, self.pool, [self.can_be_had])
        self.remarks += checked.remarks
        return checked.choice

    def _taken(self, machine: Machine) -> Candidate | None:
        """What a machine takes of the ladder; None where there is nothing for it."""
        try:
            return self.candidates[rung_for(self._entry(), machine).number - 1]
        except NothingFitsError:
            return None

    def _judged(self, variant: Variant) -> Candidate:
        return select.judge(self.request, self.choice.machine, variant)


def with_targets(entry: LockedModel, targets: Mapping[str, Machine]) -> LockedModel:
    """The entry, each candidate with the declared machines that take it. Raises NothingFitsError."""
    places: dict[int, list[str]] = {}
    for name, machine in sorted(targets.items()):
        places.setdefault(rung_for(entry, machine).number, []).append(name)
    marked = [replace(rung, targets=tuple(places.get(n, ()))) for n, rung in enumerate(entry.candidates, start=1)]
    return replace(entry, candidates=tuple(marked))


def better_variant(model: LockedModel, resolution: Resolution) -> Variant | None:
    """What the catalog takes for a machine where that is better than what the lock gives it, else None.

    The sizes that the lock pins count. What is as good as the best is no news. Raises NothingFitsError where nothing
    of the lock can be taken.
    """
    before = resolution.choice
    taken = rung_for(model, before.machine).candidate
    pinned = {_what(rung): rung for rung in model.candidates}
    variants = [
        replace(variant, source=rung.source, files=rung.files) if (rung := pinned.get(_what(variant))) else variant
        for variant in resolution.variants
    ]
    choice = select.select(before.request, before.machine, variants)
    if choice.chosen is None or not isinstance(choice.chosen.variant.source, HubSource):
        return None
    if _what(choice.chosen.variant) == _what(taken):
        return None
    same = next((item.candidate for item in choice.rejected if _what(item.candidate.variant) == _what(taken)), None)
    if same is not None and same.judged.value >= (1 - rule.AS_GOOD) * choice.chosen.judged.value:
        return None
    return choice.chosen.variant


def _what(item: Variant | LockedCandidate) -> tuple[str, str, str]:
    """A quant of a repository in a mode, at whatever commit."""
    return item.source.repo if isinstance(item.source, HubSource) else str(item.source), item.quant, item.mode


def _locked(candidate: Candidate) -> LockedCandidate:
    variant, shape, option = candidate.variant, candidate.variant.shape, candidate.judged.option
    if not is_pinned(variant):
        raise ValueError(f"{variant.title} is not pinned")
    return LockedCandidate(
        source=variant.source,
        model=variant.title,
        quant=variant.quant,
        license=variant.license,
        score=round(variant.quality, 2),
        mode=variant.mode,
        answer_tokens=option.answer_tokens,
        thinking_tokens=option.thinking_tokens if variant.mode == "thinking" else 0,
        is_native=variant.is_native,
        memory=max(option.work.need, variant.size),
        bytes_per_token=max(1, option.work.touched),
        layers=shape.layers if shape else 0,
        architecture=variant.architecture,
        parameters=shape.parameters if shape else 0,
        active_parameters=shape.active_parameters if shape else 0,
        engine=variant.min_engine_build,
        template=variant.template,
        identity=variant.identity,
        files=variant.files,
    )
