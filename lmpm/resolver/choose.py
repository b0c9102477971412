"""A choice looked at closely: can it be had, and does it fit by its own header and llama.cpp's plan.

What turns out otherwise is rejected with its reason, and the choice is made again without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import IntegrityError, LmpmError, NotFoundError, NotPermittedError
from lmpm.resolver import rule
from lmpm.resolver.records import Candidate, Choice, Reason, Rejected
from lmpm.types import HubSource, Variant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.resolver.checks.fit import ExactFit
    from lmpm.resolver.records import Request
    from lmpm.resolver.resolver import Resolver

CONFIRMATIONS: Final = 5  # how many choices may turn out not to be had before giving up
APPRAISALS: Final = 12  # how many choices are looked at closely


def settle(
    resolver: Resolver,
    choice: Choice,
    variants: tuple[Variant, ...],
    appraiser: ExactFit | None,
    *,
    pins: bool,
) -> tuple[Choice, tuple[Variant, ...]]:
    """The choice that stands when looked at closely, and the variants with what was learned of them.

    What is chosen is looked up on the Hub (`pins`) and appraised; then the choice is made again with these
    facts, until it falls on what is known already. Raises NotPermittedError or NotFoundError when none of
    the best can be had.
    """
    request, machine = choice.request, choice.machine
    left = variants
    settled: dict[Variant, tuple[str, ...]] = {}  # with remarks
    refused: list[Rejected] = []
    errors: list[LmpmError] = []
    for _ in range(APPRAISALS):
        wanted = choice.chosen
        if wanted is None or len(refused) >= CONFIRMATIONS:
            break
        if wanted.variant in settled:
            asked, remark = appraiser.asked(wanted, request, machine) if appraiser else (wanted, "")
            if isinstance(asked, Candidate):
                remarks = (*settled[wanted.variant], *_surprises(choice, settled, refused), remark)
                notes = (*choice.notes, *filter(None, remarks))
                return replace(choice, chosen=asked, rejected=(*refused, *choice.rejected), notes=notes), variants
            refused.append(asked)
            left = _without(left, wanted, whole_repository=False)
        else:
            try:
                known, remarks = resolver.pin(wanted.variant) if pins else (wanted.variant, ())
            except (NotFoundError, NotPermittedError) as error:
                errors.append(error)
                reason: Reason = "gated" if isinstance(error, NotPermittedError) else "unreadable"
                refused.append(Rejected(wanted, reason, error.message))
                left = _without(left, wanted, whole_repository=True)
            else:
                known, wrong = _appraised(appraiser, known, choice)
                if wrong:
                    refused.append(Rejected(wanted, *wrong))
                    left = _without(left, wanted, whole_repository=False)
                else:
                    settled[known] = remarks
                    left = _replaced(left, wanted.variant, known)
                    variants = _replaced(variants, wanted.variant, known)
        choice = rule.select(request, machine, left)
    if errors:
        raise _none_to_be_had(request, errors, resolver.hub.host)
    return replace(choice, chosen=None, rejected=(*refused, *choice.rejected)), variants


def _none_to_be_had(request: Request, errors: list[LmpmError], host: str) -> LmpmError:
    """One error for all that the Hub would not give."""
    if len(errors) == 1:
        return errors[0]
    kind = next((NotPermittedError for error in errors if isinstance(error, NotPermittedError)), NotFoundError)
    return kind(
        f"`{host}` has none of the {len(errors)} best {request.task or request.ref} models for you",
        details=list(dict.fromkeys(error.message for error in errors)),
        hint=next((error.hint for error in errors if isinstance(error, kind)), None),
    )


def _appraised(
    appraiser: ExactFit | None, variant: Variant, choice: Choice
) -> tuple[Variant, tuple[Reason, str] | None]:
    """The variant with what its header tells, and what is wrong with it: unreadable, or not what it is called."""
    if appraiser is None:
        return variant, None
    try:
        told = appraiser.told(variant, choice.request, choice.machine)
    except IntegrityError as error:
        return variant, ("unreadable", error.message)
    why = appraiser.contradiction(told)
    return told, ("untrusted", why) if why else None


def _surprises(choice: Choice, settled: Iterable[Variant], refused: Iterable[Rejected]) -> Iterable[str]:
    """What was chosen by its name and is something else, or by its estimate and does not fit after all."""
    looked_at = set(settled)
    for item in refused:
        if item.reason == "untrusted":
            variant = item.candidate.variant
            yield f"{_repo(variant)} was passed over for its {variant.quant}: {item.detail}"
    for item in (*refused, *choice.rejected):
        if item.reason == "memory" and item.candidate.variant in looked_at:
            variant = item.candidate.variant
            yield f"{variant.title} {variant.quant} was passed over, it does not fit after all: {item.detail}"


def _replaced(variants: tuple[Variant, ...], old: Variant, new: Variant) -> tuple[Variant, ...]:
    return tuple(new if variant is old else variant for variant in variants)


def _without(variants: tuple[Variant, ...], out: Candidate, *, whole_repository: bool) -> tuple[Variant, ...]:
    if whole_repository:
        return tuple(variant for variant in variants if _repo(variant) != _repo(out.variant))
    return tuple(variant for variant in variants if variant is not out.variant)


def _repo(variant: Variant) -> str:
    return variant.source.repo if isinstance(variant.source, HubSource) else str(variant.source)
