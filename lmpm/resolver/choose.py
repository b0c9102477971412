"""Choose, look closer, and choose again until a choice stands.

The rule ranks candidates by what is known of them, which is cheap. What is chosen is looked at by checks, the cheapest
first: is it what its name says, is it still there, does it fit by its own header, does llama.cpp agree. A check that
learns something has the choice made again with it; a check that refuses has it made again without the candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from lmpm.errors import LmpmError, NotFoundError, NotPermittedError
from lmpm.resolver.records import Candidate, Choice, Kind, Rejected, Request, Verdict
from lmpm.resolver.select import select
from lmpm.types import HubSource, Machine, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_LOOKS: Final = 40  # at candidates, by all checks together
MOST_REFUSALS: Final = 8  # candidates that may turn out to be useless before giving up


@dataclass(frozen=True, slots=True)
class Learned:
    """A candidate that passes a check, with what that learned of it.

    `shared` says what holds for the other variants as well, where they are of the same model.
    """

    candidate: Candidate
    remarks: tuple[str, ...] = ()
    shared: Callable[[Variant], Variant] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candidate that does not pass a check. `scope` is what else is not to be taken with it.

    `error` is raised where nothing else can be taken; without one the choice falls on nothing.
    """

    verdict: Verdict
    scope: Literal["file", "repository"] = "file"
    error: LmpmError | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A choice that stands, and all variants that are left with what was learned of them.

    `remarks` are on what was chosen, and on what was passed over for what a check found.
    """

    choice: Choice
    variants: tuple[Variant, ...]
    remarks: tuple[str, ...] = ()


Check = Callable[[Candidate, Request, Machine], Learned | Refusal]


@dataclass(slots=True)
class _Entry:
    """A variant that may be taken, how many checks it has passed, and what is to be said of it."""

    variant: Variant
    passed: int = 0
    remarks: tuple[str, ...] = ()


def choose(
    request: Request,
    machine: Machine,
    variants: Sequence[Variant],
    checks: Sequence[Check],
    *,
    spare: Sequence[Variant] = (),
    explains: bool = False,
) -> Checked:
    """The choice that passes all checks, and the variants that are left.

    `spare` are the same quants elsewhere, which take the place of what is refused. With `explains` the first check also
    looks at the candidate that lacks least where nothing can be taken, so that what is said of it is true.
    Raises the errors of refusals where nothing passes, and whatever a check raises.
    """
    entries, spare = [_Entry(variant) for variant in variants], list(spare)
    refused: list[tuple[Rejected, Refusal]] = []
    choice = select(request, machine, variants)
    for _ in range(MOST_LOOKS):
        found = choice.chosen or (_lacking_least(choice, entries) if explains else None)
        if found is None or len(refused) >= MOST_REFUSALS:
            break
        entry = next(entry for entry in entries if entry.variant is found.variant)
        pending = checks[entry.passed :] if choice.chosen else checks[:1]
        result = _inspect(found, entry, pending, choice, entries)
        if isinstance(result, Refusal):
            verdict = result.verdict
            refused.append((Rejected(verdict.kind, verdict.detail, found), result))
            entries, spare = _without(entry, result, entries, spare)
        elif result is not None:
            remarks = (*entry.remarks, *_surprises(choice, entries, refused))
            rejected = (*(item for item, _ in refused), *choice.rejected)
            return Checked(replace(choice, chosen=result, rejected=rejected), _left(entries), remarks)
        choice = select(request, machine, _left(entries))
    errors = [refusal.error for _, refusal in refused if refusal.error]
    if errors:
        raise _none_to_be_had(request, errors)
    rejected = (*(item for item, _ in refused), *choice.rejected)
    return Checked(replace(choice, chosen=None, rejected=rejected), _left(entries))


def _inspect(
    found: Candidate, entry: _Entry, pending: Sequence[Check], choice: Choice, entries: list[_Entry]
) -> Candidate | Refusal | None:
    """The candidate when it has passed all that is pending, its refusal, or None when it is to be ranked anew."""
    for check in pending:
        result = check(found, choice.request, choice.machine)
        if isinstance(result, Refusal):
            return result
        entry.passed += 1
        entry.remarks += result.remarks
        is_news = _weight(result.candidate.variant) != _weight(entry.variant) or result.shared is not None
        entry.variant, found = result.candidate.variant, result.candidate
        if result.shared is not None:
            for other in entries:
                other.variant = result.shared(other.variant)
        if is_news:
            return None
    return found if choice.chosen else None


def _weight(variant: Variant) -> tuple[object, ...]:
    """What of a variant the rule looks at, and a check may learn: a commit and digests alone change no choice."""
    return variant.size, variant.license, variant.gated, variant.withdrawn, variant.shape, variant.memory


def _lacking_least(choice: Choice, entries: Sequence[_Entry]) -> Candidate | None:
    """The rejected candidate that is nearest to being taken and was not looked at yet."""
    seen = {id(entry.variant) for entry in entries if entry.passed}
    near = next((item for item in choice.rejected if item.kind in ("memory", "speed", "wait", "worse")), None)
    return None if near is None or id(near.candidate.variant) in seen else near.candidate


def _without(
    entry: _Entry, refusal: Refusal, entries: list[_Entry], spare: list[Variant]
) -> tuple[list[_Entry], list[Variant]]:
    """What is left without the refused, the spare ones in the places that become free."""
    source = entry.variant.source
    is_all = refusal.scope == "repository"
    out = [item for item in entries if item is entry or (is_all and item.variant.source == source)]
    left = [item for item in entries if not any(item is other for other in out)]
    spare = [variant for variant in spare if not (is_all and variant.source == source)]
    for lost in out:
        heir = next((variant for variant in spare if variant.quant == lost.variant.quant), None)
        if heir is not None:
            left.append(_Entry(heir))
            spare.remove(heir)
    return left, spare


def _repository(variant: Variant) -> str:
    return variant.source.repo if isinstance(variant.source, HubSource) else str(variant.source)


def _left(entries: Sequence[_Entry]) -> tuple[Variant, ...]:
    return tuple(entry.variant for entry in entries)


def _surprises(choice: Choice, entries: Sequence[_Entry], refused: Sequence[tuple[Rejected, Refusal]]) -> Iterator[str]:
    """What was chosen by its name and is something else, or turned out not to fit."""
    looked_at = {id(entry.variant) for entry in entries if entry.passed}
    late: tuple[Kind, ...] = ("worse", "speed", "wait")
    checked = [(item, True) for item, _ in refused]
    for item, was_refused in (*checked, *((item, False) for item in choice.rejected)):
        variant = item.candidate.variant
        if item.kind == "contradiction":
            yield f"{_repository(variant)} was passed over for its {variant.quant}: {item.detail}"
        elif item.kind == "memory" and (id(variant) in looked_at or was_refused):
            yield f"{variant.title} {variant.quant} was passed over, it does not fit after all: {item.detail}"
        elif id(variant) in looked_at and item.kind not in late:
            yield f"{variant.title} {variant.quant} was passed over: {item.detail}"
        elif item.kind in ("gated", "unreadable") and was_refused:
            yield item.detail


def _none_to_be_had(request: Request, errors: Sequence[LmpmError]) -> LmpmError:
    """One error for all that cannot be had."""
    if len(errors) == 1:
        return errors[0]
    kinds = (NotPermittedError, NotFoundError)
    kind = next((kind for kind in kinds if any(isinstance(error, kind) for error in errors)), type(errors[0]))
    return kind(
        f"None of the {len(errors)} best candidates for `{request.ref}` can be had",
        details=list(dict.fromkeys(error.message for error in errors)),
        hint=next((error.hint for error in errors if isinstance(error, kind)), None),
    )
