"""A choice that fell on nothing, as the error that says why and what to loosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import NothingFitsError, NotPermittedError
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.resolver.records import Choice

SMALL_CONTEXT: Final = 2048  # tokens: what a user is told to try when nothing fits


def require_choice(choice: Choice) -> None:
    """Raise NothingFitsError, listing the nearest candidates, when nothing was chosen."""
    if choice.chosen is not None:
        return
    request, machine = choice.request, choice.machine
    what = request.task or request.ref
    by_memory = [item for item in choice.rejected if item.reason == "memory"]
    if by_memory:
        rows = sorted(by_memory, key=lambda item: item.candidate.memory.total)
        other = 'choose for another machine with `--hardware "M2, 16GB"`'
        lower = f"Lower the context with `--context {SMALL_CONTEXT}`, or {other}"
        raise NothingFitsError(
            f"No {what} model fits this machine: {human(machine.budget + machine.host_budget)} for models, "
            f"the smallest needs {human(rows[0].candidate.memory.total)}",
            details=tuple(describe_rejected(replace(choice, rejected=tuple(rows)))),
            hint=lower if request.context > SMALL_CONTEXT else other[0].upper() + other[1:],
        )
    if choice.rejected:
        forbidden = all(item.reason in ("license", "gated", "untrusted") for item in choice.rejected)
        error = NotPermittedError if forbidden else NothingFitsError
        raise error(
            f"No {what} model can be taken: "
            + ("its only candidate was" if choice.considered == 1 else f"all {choice.considered} candidates were")
            + " rejected",
            details=tuple(describe_rejected(choice)),
            hint=_loosen(choice),
        )
    raise NothingFitsError(
        f"No {what} model is on this machine",
        hint="Drop `--offline` to choose among those of the Hub",
    )


def _loosen(choice: Choice) -> str | None:
    """Which of the things that were asked for stand in the way; None where it is none of them."""
    options = {"context": "--context", "quant": "--quant", "size": "--max-size", "license": "--license"}
    reasons = {item.reason for item in choice.rejected}
    asked = [f"`{option}`" for reason, option in options.items() if reason in reasons]
    if reasons & {"license", "size", "untrusted"}:
        asked.append("the policy of the project")
    return f"Loosen what was asked for, here or in the manifest: {', '.join(asked)}" if asked else None


def describe_rejected(choice: Choice, most: int = 5) -> Iterable[str]:
    """The nearest candidates that could not be taken, a line each."""
    rows = [
        (item.candidate.variant.title, item.candidate.variant.quant, item.detail) for item in choice.rejected[:most]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for title, label, detail in rows:
        yield f"{title:<{widths[0]}}  {label:<{widths[1]}}  {detail}"
