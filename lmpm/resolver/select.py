"""Which variants answer a request on a machine: what excludes them, and what the rule makes of the rest.

Every candidate that is not taken keeps its reason and its figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm import licenses
from lmpm.estimate import estimate_memory, workload_of
from lmpm.licenses import permits_commercial_use
from lmpm.resolver import remedy, rule
from lmpm.resolver.records import Candidate, Choice, Rejected, Remedy, Request, Verdict
from lmpm.resolver.rule import Option
from lmpm.types import Machine, Variant
from lmpm.units import duration, human

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.types import MemoryPlan

UNUSED_GPU: Final = "{} is not used: the engine here was built for the CPU alone, `lmpm doctor` tells how to mend it"


_TIERS: Final = ("", "coarser than 4.25 bits", "leaves too little memory free", "would be split")


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
    settled = rule.settled(candidate.judged for candidate in able)
    taken = rule.best(settled, request.prefer)
    top = rule.greatest(settled, taken.tier) if taken else None
    chosen = next((candidate for candidate in able if candidate.judged is taken), None)
    greatest = next((candidate for candidate in able if candidate.judged is top), None)
    if chosen is not None:
        rejected += [Rejected("worse", _worse(chosen, other, request), other) for other in able if other is not chosen]
    return Choice(
        request=request,
        machine=machine,
        chosen=chosen,
        rejected=_nearest_first(rejected),
        notes=tuple(_notes(chosen, request, machine)) if chosen else (),
        greatest=greatest,
        remedy=_remedy(chosen, rejected, request) if chosen else None,
    )


def judge(request: Request, machine: Machine, variant: Variant) -> Candidate:
    """What a variant needs, how fast it would be, and what it is worth."""
    memory = estimate_memory(variant, request.context)
    return Candidate(
        variant=variant, memory=memory, judged=rule.judge(option_of(variant, memory, request), request.waiting, machine)
    )


def option_of(variant: Variant, memory: MemoryPlan, request: Request) -> Option:
    """What the rule knows of a variant; an answer is as long as is usual for the task where the model does not say."""
    usual = request.waiting
    return Option(
        model=variant.model,
        quant=variant.quant,
        score=variant.quality,
        work=workload_of(variant, memory),
        mode=variant.mode,
        answer_tokens=variant.answer_tokens or (usual.answer_tokens if usual else 0),
        thinking_tokens=variant.thinking_tokens or (usual.thinking_tokens if usual else 0),
        is_native=variant.is_native,
        released=variant.released,
        trust=variant.trust,
        name=f"{variant.source}/{variant.quant}",
    )


def refuse(request: Request, machine: Machine, candidate: Candidate) -> Verdict | None:
    """The first reason that excludes a candidate whatever its value, or None."""
    variant = candidate.variant
    if variant.withdrawn:
        return Verdict("withdrawn", f"withdrawn: {variant.withdrawn}")
    return (
        _asked_for(request, variant)
        or _allowed(request, variant)
        or _able(request, variant)
        or _fits(machine, candidate)
        or _fast(request, candidate)
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
    if not rule.fits(candidate.judged.option, machine):
        budget = machine.budget + machine.host_budget
        return Verdict("memory", f"needs {human(candidate.judged.option.work.need)}, budget {human(budget)}")
    return None


def _fast(request: Request, candidate: Candidate) -> Verdict | None:
    """What a user asks of the speed excludes; without a known speed nothing is held against a candidate."""
    speed, first = speed_of(candidate, request), candidate.judged.first_token_s
    if speed < request.min_speed:
        return Verdict("speed", f"{speed:.1f} tok/s, at least {request.min_speed:g} asked for")
    if request.max_wait is not None and first is not None and first > request.max_wait:
        return Verdict("wait", f"first token after {duration(first)}, at most {request.max_wait:g} s asked for")
    return None


def speed_of(candidate: Candidate, request: Request) -> float:
    """Tokens a second, of writing, or of reading where nothing is written; infinite where it is not known."""
    if candidate.speed is None:
        return float("inf")
    return candidate.speed.prefill if request.is_silent else candidate.speed.decode


def _notes(chosen: Candidate, request: Request, machine: Machine) -> Iterable[str]:
    judged = chosen.judged
    if judged.is_slow and judged.first_token_s is not None and judged.whole_s is not None:
        yield f"slow: first token after {duration(judged.first_token_s)}, the whole after {duration(judged.whole_s)}"
    if judged.tier in (2, 3) and not judged.is_whole and machine.vram:
        yield "a part of it is kept in host memory, and little of that stays free"
    elif judged.tier == 2:
        yield "it leaves little memory free"
    elif judged.tier == 1 and request.quant is None:
        yield f"{chosen.variant.quant} loses much of the model; no finer quant of anything as good fits"
    if not permits_commercial_use(chosen.variant.license):
        yield f"its licence does not permit every commercial use: {licenses.describe(chosen.variant.license)}"
    if machine.unused_gpu:
        yield UNUSED_GPU.format(machine.unused_gpu)


def is_weak(candidate: Candidate, request: Request) -> bool:
    """Whether a candidate is of little use for the task, by what is expected of it."""
    return request.model is None and request.useful is not None and candidate.variant.quality < request.useful


def _remedy(chosen: Candidate, rejected: Iterable[Rejected], request: Request) -> Remedy | None:
    """What would be of use, of a weak choice: among all that only this machine stands in the way of."""
    if not is_weak(chosen, request):
        return None
    able = [item.candidate for item in rejected if item.kind in ("memory", "speed", "wait", "worse")]
    return remedy.find([chosen, *able], request)


def _worse(chosen: Candidate, other: Candidate, request: Request) -> str:
    """Why an able candidate was not taken."""
    mine, theirs = other.judged, chosen.judged
    if request.prefer == "small" and other.variant.size > chosen.variant.size:
        return f"larger, {human(other.variant.size)} against {human(chosen.variant.size)}"
    if other.variant.model == chosen.variant.model and other.variant.mode == chosen.variant.mode:
        what = _TIERS[mine.tier] if mine.tier > theirs.tier else "another quant of it"
        return f"{what}, value {mine.value:.1f} against {theirs.value:.1f}"
    if mine.value < theirs.value or mine.tier > theirs.tier:
        why = f"{_TIERS[mine.tier]}, " if mine.tier > theirs.tier else ""
        return f"{why}value {mine.value:.1f} against {theirs.value:.1f}{_seconds(other)}"
    if mine.whole_s is not None and theirs.whole_s is not None and mine.whole_s > theirs.whole_s:
        return f"as good within 1.5 %, but slower: {duration(mine.whole_s)} against {duration(theirs.whole_s)}"
    return f"alike, value {mine.value:.1f}"


def _seconds(candidate: Candidate) -> str:
    whole = candidate.judged.whole_s
    return "" if whole is None else f": {candidate.variant.quality:.1f} in {duration(whole)}"


def _nearest_first(rejected: list[Rejected]) -> tuple[Rejected, ...]:
    """Runners-up first, then by how little was missing."""
    order = {"worse": 0, "speed": 1, "wait": 1, "memory": 2}

    def key(item: Rejected) -> tuple[int, float, float, str]:
        candidate, variant = item.candidate, item.candidate.variant
        need = float(candidate.judged.option.work.need) if item.kind == "memory" else -candidate.judged.value
        name = f"{variant.model} {variant.quant} {variant.mode} {variant.source}"
        return order.get(item.kind, 3), need, -variant.quality, name

    return tuple(sorted(rejected, key=key))
