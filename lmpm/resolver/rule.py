"""The rule: which variant does a task best on a machine. A pure function, and deterministic.

1. It fits: memory <= budget, or split over GPU and host.
2. It is fast enough: predicted decode speed >= the floor. When nothing reaches the floor, the fastest
   that does the task is taken, and that is said.
3. It is allowed: licence, gated access, capabilities, context, engine.
4. It is sound: its quant does not lose so much that a far smaller model would be better. Where nothing sound can
   be had, what is left is taken, and that is said; a quant that was asked for is taken as it is.
5. It is best: expected quality on the task; within a point the faster, then the smaller, then the more
   trusted publisher, then the name.

Every candidate that is not taken keeps its reason and its figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm import licenses
from lmpm.estimate import estimate_memory, predict_speed, will_thrash, workload_of
from lmpm.licenses import permits_commercial_use
from lmpm.resolver.records import Candidate, Choice, Rejected, Request, Verdict
from lmpm.types import Machine, Variant
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterable

SAME_QUALITY_POINTS: Final = 1.0  # closer scores are no difference: the faster one is taken

# Of the score that a quant may lose. With a quarter of the parameters models of one family in the catalog lose 16 % of
# their score in the median (2.6 to 5 times fewer, 212 pairs on one metric), and 30 % with 5 to 20 times fewer (293
# pairs): beyond this share a sibling of a quarter of the size, in half the memory, is expected to be better.
SPOILT_SHARE: Final = 0.25

UNUSED_GPU: Final = "{} is not used: the engine here was built for the CPU alone, `lmpm doctor` tells how to mend it"


def select(request: Request, machine: Machine, variants: Iterable[Variant]) -> Choice:
    """Judge every variant and take the best. `Choice.chosen` is None when nothing can be taken."""
    able: list[Candidate] = []
    rejected: list[Rejected] = []
    for variant in variants:
        candidate = judge(request, machine, variant)
        verdict = refuse(request, machine, candidate)
        if verdict is None:
            able.append(candidate)
        else:
            rejected.append(Rejected(verdict.kind, verdict.detail, candidate))

    chosen: Candidate | None = None
    notes: tuple[str, ...] = ()
    below_floor = False
    sound = [candidate for candidate in able if is_sound(candidate, request)]
    spoilt = [candidate for candidate in able if not is_sound(candidate, request)]
    fast = [candidate for candidate in sound if is_fast(candidate, request)]
    slow = [candidate for candidate in sound if not is_fast(candidate, request)]
    if fast:
        chosen = _best(fast, request)
        top = max(candidate.variant.quality for candidate in fast)
        rejected += [_worse(chosen, other, request, top) for other in fast if other is not chosen]
        rejected += [Rejected("speed", _too_slow(other, request), other) for other in slow]
    elif slow:
        chosen = min(slow, key=lambda item: (-speed_of(item, request), *_rank(item)))
        below_floor = True
        notes = (f"nothing here reaches {request.min_speed:g} tok/s: this is the fastest that does the task",)
        rejected += [Rejected("speed", _too_slow(other, request), other) for other in slow if other is not chosen]
    elif spoilt:
        chosen = min(spoilt, key=lambda item: (-item.variant.quality, *_rank(item)))
        notes = (f"{_spoilt(chosen)}, and no better quant of it can be had here: take a smaller model at Q4_K_M",)
    rejected += [Rejected("worse", _spoilt(other), other) for other in spoilt if other is not chosen]
    if chosen is not None and not permits_commercial_use(chosen.variant.license):
        notes += (f"its licence does not permit every commercial use: {licenses.describe(chosen.variant.license)}",)
    if machine.unused_gpu:
        notes += (UNUSED_GPU.format(machine.unused_gpu),)
    return Choice(
        request=request,
        machine=machine,
        chosen=chosen,
        rejected=_nearest_first(rejected),
        notes=notes,
        below_floor=below_floor,
    )


def judge(request: Request, machine: Machine, variant: Variant) -> Candidate:
    """What a variant needs and how fast it would be."""
    memory = estimate_memory(variant, request.context)
    speed = predict_speed(machine, workload_of(variant, memory), prompt=request.typical_prompt)
    return Candidate(variant=variant, memory=memory, speed=speed)


def refuse(request: Request, machine: Machine, candidate: Candidate) -> Verdict | None:
    """The first reason that excludes a candidate whatever its quality, or None."""
    variant = candidate.variant
    if variant.withdrawn:
        return Verdict("withdrawn", f"withdrawn: {variant.withdrawn}")
    return (
        _asked_for(request, variant)
        or _allowed(request, variant)
        or _able(request, variant)
        or _fits(machine, candidate)
    )


def _asked_for(request: Request, variant: Variant) -> Verdict | None:
    if request.quant and variant.quant.upper() != request.quant.upper():
        return Verdict("quant", f"{variant.quant}, asked for {request.quant}")
    if request.max_size is not None and variant.size > request.max_size:
        return Verdict("size", f"{human(variant.size)}, at most {human(request.max_size)} asked for")
    return None


def _allowed(request: Request, variant: Variant) -> Verdict | None:
    if variant.license in request.licenses_denied:
        return Verdict("license", f"{variant.license} is denied")
    if request.licenses_allowed is not None:
        if variant.license not in request.licenses_allowed:
            return Verdict("license", f"{variant.license} is not among the allowed licences")
    # a model that was asked for by name is taken with its licence; a task never picks this silently
    elif request.model is None and not permits_commercial_use(variant.license):
        return Verdict("license", f"{variant.license or 'unknown licence'} does not permit commercial use")
    account = variant.publisher.lower()
    if account in request.publishers_denied or (
        request.publishers_allowed is not None and account not in request.publishers_allowed
    ):
        who = f"the publisher {variant.publisher}" if variant.publisher else "what is built in"
        return Verdict("publisher", f"the policy does not allow {who}")
    if variant.gated:
        return Verdict("gated", "its publisher asks for an account and an agreement")
    return None


def _able(request: Request, variant: Variant) -> Verdict | None:
    if variant.context_length and request.min_context > variant.context_length:
        return Verdict("context", f"trained for {variant.context_length:,} tokens, {request.min_context:,} asked for")
    missing = request.capabilities - variant.capabilities
    if missing:
        return Verdict("capability", f"cannot do {', '.join(sorted(missing))}")
    if request.engine_build and variant.min_engine_build and request.engine_build < variant.min_engine_build:
        return Verdict("engine", f"needs llama.cpp b{variant.min_engine_build}, here is b{request.engine_build}")
    return None


def _fits(machine: Machine, candidate: Candidate) -> Verdict | None:
    if will_thrash(machine, candidate.memory.total):
        budget = machine.budget + machine.host_budget
        return Verdict("memory", f"needs {human(candidate.memory.total)}, budget {human(budget)}")
    return None


def speed_of(candidate: Candidate, request: Request) -> float:
    """The speed that the floor means; a machine of unknown bandwidth is not held to a floor."""
    if candidate.speed is None:
        return float("inf")
    return candidate.speed.prefill if request.speed_kind == "prefill" else candidate.speed.decode


def is_fast(candidate: Candidate, request: Request) -> bool:
    """Whether the candidate reaches the floor."""
    return speed_of(candidate, request) >= request.min_speed


def is_sound(candidate: Candidate, request: Request) -> bool:
    """Whether the quant leaves enough of the model, or is the one that was asked for."""
    variant = candidate.variant
    return request.quant is not None or variant.quant_loss <= SPOILT_SHARE * (variant.score or 0.0)


def _spoilt(candidate: Candidate) -> str:
    variant = candidate.variant
    return f"{variant.quant} is expected to lose {variant.quant_loss / (variant.score or 1.0):.0%} of what it can do"


def _too_slow(candidate: Candidate, request: Request) -> str:
    return f"{speed_of(candidate, request):.1f} tok/s, {request.min_speed:g} are wanted"


def _rank(candidate: Candidate) -> tuple[int, int, str]:
    """Ties after speed: the smaller, then the more trusted, then the name; the least is the best."""
    variant = candidate.variant
    return candidate.memory.total, variant.trust, f"{variant.source}/{variant.quant}"


def _best(candidates: list[Candidate], request: Request) -> Candidate:
    """The candidate to take."""
    if request.prefer == "speed":
        return min(candidates, key=lambda item: (-speed_of(item, request), -item.variant.quality, *_rank(item)))
    if request.prefer == "small":
        return min(candidates, key=lambda item: (item.variant.size, -item.variant.quality, *_rank(item)))
    top = max(item.variant.quality for item in candidates)
    close = [item for item in candidates if item.variant.quality >= top - SAME_QUALITY_POINTS]
    return min(close, key=lambda item: (-speed_of(item, request), *_rank(item)))


def _worse(chosen: Candidate, other: Candidate, request: Request, top: float) -> Rejected:
    """Why an able and fast candidate was not taken; `top` is the best quality among these."""
    if request.prefer == "small" and other.variant.size > chosen.variant.size:
        return Rejected("worse", f"larger, {human(other.variant.size)} against {human(chosen.variant.size)}", other)
    if request.prefer == "quality" and other.variant.quality < top - SAME_QUALITY_POINTS:
        what = "a worse quant of it" if other.variant.model == chosen.variant.model else "lower score"
        near = chosen.variant.quality - other.variant.quality <= SAME_QUALITY_POINTS
        best = f"the best, {top:.1f}" if near else f"{chosen.variant.quality:.1f}"
        return Rejected("worse", f"{what}, {other.variant.quality:.1f} against {best}", other)
    if speed_of(other, request) < speed_of(chosen, request):
        speeds = f"{speed_of(other, request):.1f} against {speed_of(chosen, request):.1f} tok/s"
        return Rejected("worse", f"{_as_good(request)}slower, {speeds}", other)
    if other.memory.total > chosen.memory.total:
        needs = f"{human(other.memory.total)} against {human(chosen.memory.total)}"
        return Rejected("worse", f"{_as_good(request)}larger, {needs}", other)
    if other.variant.trust > chosen.variant.trust:
        return Rejected("worse", f"alike, but {chosen.variant.publisher} is more trusted", other)
    return Rejected("worse", f"alike in everything, quality {other.variant.quality:.1f}", other)


def _as_good(request: Request) -> str:
    return "as good within a point, but " if request.prefer == "quality" else ""


def _nearest_first(rejected: list[Rejected]) -> tuple[Rejected, ...]:
    """Runners-up first, then by how little was missing."""
    order = {"worse": 0, "speed": 1, "memory": 2}

    def key(item: Rejected) -> tuple[int, int, float, str]:
        candidate, variant = item.candidate, item.candidate.variant
        need = candidate.memory.total if item.kind == "memory" else 0
        name = f"{variant.model} {variant.quant} {variant.source}"
        return order.get(item.kind, 3), need, -variant.quality, name

    return tuple(sorted(rejected, key=key))
