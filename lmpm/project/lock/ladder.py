"""The candidates that a lock keeps for one request, and which of them a machine takes.

That is decided by the rule of choosing from the lock alone: no network, no catalog, and only totals of the machine, so
that it is the same every day. The order of the candidates is for reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import NothingFitsError
from lmpm.estimate import Workload, kind_of
from lmpm.resolver import rule
from lmpm.units import duration, human

if TYPE_CHECKING:
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.resolver import Judged, Prefer
    from lmpm.types import Machine, Variant

WEIGHTS_PER_BYTE: Final = 2  # of a quant of four bits: those with more bits hold fewer


@dataclass(frozen=True, slots=True)
class Rung:
    """The candidate that a machine takes, its place from 1, what it is worth there, and why not another one."""

    number: int
    candidate: LockedCandidate
    judged: Judged
    passed_over: tuple[str, ...] = ()  # of each other candidate

    @property
    def speed(self) -> float | None:
        """Decoded tokens a second; None where it is not known."""
        return self.judged.speed.decode if self.judged.speed else None


def take(model: LockedModel, machine: Machine) -> Rung:
    """The candidate that a machine takes. Raises NothingFitsError listing every candidate when there is none."""
    judged: dict[int, Judged] = {}
    passed: list[str] = []
    for number, candidate in enumerate(model.candidates, start=1):
        option = option_of(candidate)
        if not rule.fits(option, machine):
            budget = machine.budget + machine.host_budget
            passed.append(f"{_title(candidate)} needs {human(candidate.memory)}, budget {human(budget)}")
            continue
        found = rule.judge(option, model.waiting, machine)
        if why := _too_slow(found, model):
            passed.append(f"{_title(candidate)}: {why}")
        else:
            judged[number] = found
    taken = rule.take(judged.values(), _prefer(model))
    if taken is None:
        raise NothingFitsError(
            f"Nothing that the lock has for `{model.name}` can be taken on this machine: "
            f"{human(machine.budget + machine.host_budget)} for models",
            details=tuple(passed),
            hint=f"Add a smaller one: declare this machine in [targets], or `lmpm install {model.name}` here",
        )
    number = next(number for number, found in judged.items() if found is taken)
    passed += [_worse(model.candidates[other - 1], found, taken) for other, found in judged.items() if other != number]
    return Rung(number, model.candidates[number - 1], taken, tuple(passed))


def option_of(candidate: LockedCandidate) -> rule.Option:
    """What the rule knows of a candidate."""
    weights = WEIGHTS_PER_BYTE * sum(file.size for file in candidate.files if file.role == "model")
    work = Workload(
        need=candidate.memory,
        touched=candidate.bytes_per_token,
        layers=candidate.layers,
        active_parameters=candidate.active_parameters or candidate.parameters or weights,
        size=candidate.size,
        quant=candidate.quant,
        kind=kind_of(candidate.architecture),
        sparse=0 < candidate.active_parameters < candidate.parameters if candidate.parameters else None,
    )
    return rule.Option(
        model=candidate.model,
        quant=candidate.quant,
        score=candidate.score,
        work=work,
        mode=candidate.mode,
        answer_tokens=candidate.answer_tokens,
        thinking_tokens=candidate.thinking_tokens,
        is_native=candidate.is_native,
        name=f"{candidate.source} {candidate.quant}",
    )


def _prefer(model: LockedModel) -> Prefer:
    asked = model.requested.get("prefer")
    return "speed" if asked == "speed" else "small" if asked == "small" else "quality"


def _too_slow(found: Judged, model: LockedModel) -> str:
    """Why a candidate is not as fast as its line asks; empty where it is, or where the speed is not known."""
    least, longest = model.requested.get("min_speed"), model.requested.get("max_wait")
    if found.speed is None:
        return ""
    speed, first = found.speed.decode if found.option.answer_tokens else found.speed.prefill, found.first_token_s
    if isinstance(least, int | float) and speed < least:
        return f"{speed:.1f} tok/s, at least {least:g} asked for"
    if isinstance(longest, int | float) and first is not None and first > longest:
        return f"first token after {duration(first)}, at most {duration(longest)} asked for"
    return ""


def _worse(candidate: LockedCandidate, found: Judged, taken: Judged) -> str:
    seconds = "" if found.whole_s is None else f", {duration(found.whole_s)}"
    return f"{_title(candidate)}: value {found.value:.1f} against {taken.value:.1f}{seconds}"


def _title(candidate: LockedCandidate) -> str:
    mode = f" {candidate.mode}" if candidate.mode else ""
    return f"{candidate.model} {candidate.quant}{mode}"


def variant_of(candidate: LockedCandidate) -> Variant:
    """A candidate as the variant that it pins; the lock does not say for how many tokens it was trained."""
    from lmpm.types import Variant

    return Variant(
        model=candidate.model, title=candidate.model, source=candidate.source, quant=candidate.quant,
        license=candidate.license, files=candidate.files, context_length=0, architecture=candidate.architecture,
        score=candidate.score, mode=candidate.mode, answer_tokens=candidate.answer_tokens,
        thinking_tokens=candidate.thinking_tokens, is_native=candidate.is_native,
    )  # fmt: skip
