"""A choice that fell on nothing, as the error that says why and what to loosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.errors import EngineError, IntegrityError, LmpmError, NothingFitsError, NotPermittedError
from lmpm.machine import sold_size
from lmpm.resolver.select import is_weak
from lmpm.units import duration, human

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.resolver.records import Candidate, Choice, Kind, Remedy, Request

SMALL_CONTEXT: Final = 2048  # tokens: what a user is told to try when nothing fits

# The error, and with it the exit code, of a choice whose candidates were all rejected for one of these kinds.
ERRORS: Final[dict[Kind, type[LmpmError]]] = {
    "contradiction": IntegrityError, "unreadable": IntegrityError, "engine": EngineError, "license": NotPermittedError,
    "gated": NotPermittedError, "untrusted": NotPermittedError, "publisher": NotPermittedError,
    "withdrawn": NotPermittedError,
}  # fmt: skip
# What a user may have asked for, by the kind of rejection that it leads to: the option and the key of the manifest.
ASKED: Final[dict[Kind, tuple[str, str]]] = {
    "context": ("--context", "context"),
    "quant": ("--quant", "quant"),
    "size": ("--max-size", "max_size"),
    "license": ("--license", "license"),
    "speed": ("--min-speed", "min_speed"),
    "wait": ("--max-wait", "max_wait"),
}
HINTS: Final[dict[Kind, str]] = {
    "contradiction": "Look for another repository of it with `lmpm search`",
    "unreadable": "Look for another repository of it with `lmpm search`",
    "engine": "A newer llama.cpp may run it: `pip install -U xllamacpp`",
    "gated": "Accept its terms on its page at the Hub, then `hf auth login`",
}
OFFLINE: Final = "Drop `--offline`, or unset LMPM_OFFLINE and HF_HUB_OFFLINE, to choose among those of the Hub"


def require_choice(choice: Choice) -> None:
    """Raise the error that follows from the kinds of the rejections when nothing was chosen.

    NothingFitsError, NotPermittedError, IntegrityError or EngineError, each listing the nearest candidates.
    """
    if choice.chosen is not None:
        return
    request, machine = choice.request, choice.machine
    by_memory = [item for item in choice.rejected if item.kind == "memory"]
    if by_memory and not any(item.kind in ("speed", "wait") for item in choice.rejected):  # those fit, and are too slow
        rows = sorted(by_memory, key=lambda item: item.candidate.memory.total)
        other = 'choose for another machine with `--hardware "M2, 16GB"`'
        lower = f"Lower the context with `--context {SMALL_CONTEXT}`, or {other}"
        raise NothingFitsError(
            f"No {_wanted(request)} fits this machine: {human(machine.budget + machine.host_budget)} for models, "
            f"the smallest needs {human(rows[0].candidate.memory.total)}",
            details=tuple(describe_rejected(replace(choice, rejected=tuple(rows)))),
            hint=_sibling(choice) or (lower if request.context > SMALL_CONTEXT else other[0].upper() + other[1:]),
        )
    if choice.rejected:
        raise _error(choice)(
            f"No {_wanted(request)} can be taken: "
            + ("its only candidate was" if choice.considered == 1 else f"all {choice.considered} candidates were")
            + " rejected",
            details=tuple(describe_rejected(choice)),
            hint=_hint(choice),
        )
    raise NothingFitsError(f"No {_wanted(request)} is on this machine", hint=OFFLINE, kind="none-here")


def _sibling(choice: Choice) -> str | None:
    """The other model of the repository that does fit, as it is asked for."""
    if choice.sibling is None:
        return None
    variant = choice.sibling.variant
    need = human(choice.sibling.memory.must_fit)
    reference = f"{variant.source.name}/{variant.files[0].path}"
    return (
        f"The repository also holds {variant.title}, which needs {need} as {variant.quant}: `lmpm install {reference}`"
    )


def _wanted(request: Request) -> str:
    """What was asked for, in the user's own words where it was not a task."""
    return f"{request.task} model" if request.task and request.model is None else f"`{request.ref}`"


def _error(choice: Choice) -> type[LmpmError]:
    """The one error of all kinds; of bytes that are not what they are called where there is one of these among them."""
    found = {ERRORS.get(item.kind, NothingFitsError) for item in choice.rejected}
    if len(found) == 1:
        return found.pop()
    return IntegrityError if IntegrityError in found and NothingFitsError not in found else NothingFitsError


def _hint(choice: Choice) -> str | None:
    """Which of the things that were asked for stand in the way, else what follows from the kinds of the rejections."""
    request = choice.request
    kinds = list(dict.fromkeys(item.kind for item in choice.rejected))
    narrowed = [kind for kind in kinds if kind in request.policy]
    asked = [kind for kind in kinds if kind in request.asked and kind not in request.policy]
    words = [f"`{ASKED[kind][request.asked_in == 'manifest']}`" for kind in asked if kind in ASKED]
    place = " in the manifest" if words and request.asked_in == "manifest" else ""
    said = [f"{', '.join(words)}{place}"] if words else []
    if narrowed:
        said.append("[policy] of the manifest")
    if said:
        return f"Loosen what was asked for: {' and '.join(said)}"
    if "license" in kinds:
        named = next(item.candidate.variant.license for item in choice.rejected if item.kind == "license")
        return f"To take it with its licence, allow that: `--license {named}`" if named else None
    return next((HINTS[kind] for kind in kinds if kind in HINTS), None)


def describe_choice(choice: Choice) -> str:
    """Why the chosen one was chosen: what it is expected to reach, how that is known, and what speaks against it."""
    chosen, request = choice.chosen, choice.request
    if chosen is None:
        return ""
    variant, judged = chosen.variant, chosen.judged
    if request.prefer != "quality":
        word = "fastest" if request.prefer == "speed" else "smallest"
        return f"the {word} that leaves enough memory free, as `--prefer {request.prefer}` asks"
    if request.quant:
        return f"{variant.quant}, as you asked"
    if request.model is not None:
        return _why_quant(chosen)
    if is_weak(chosen, request):
        return f"{_expected(chosen)}, of little use; {_instead(choice.remedy)}"
    if judged.is_slow:
        return f"{_expected(chosen)}: slow, and still the most for {request.task} here"
    top = choice.greatest
    if top is not None and top is not chosen and top.variant.model != variant.model:
        return f"{_expected(chosen)}: within 1.5 % of {top.variant.title}, and faster"
    return f"{_expected(chosen)}: the most for {request.task} here, waiting counted"


def _expected(candidate: Candidate) -> str:
    """`74.1 of 100 expected (MMLU-Pro, by its maker, direct), answers in 12 s`."""
    variant, judged = candidate.variant, candidate.judged
    metric = variant.score_source.partition(", ")[0].rpartition(" ")[0]
    how = ", ".join(word for word in (metric, variant.score_kind, variant.mode) if word)
    answers = "" if judged.whole_s is None else f", done in {duration(judged.whole_s)}"
    return f"{variant.quality:.1f} of 100 expected" + (f" ({how})" if how else "") + answers


def _instead(remedy: Remedy | None) -> str:
    """`68.5 from 8 GB of unified memory on, or a cloud model, such as GLM-5.2 with 88.1`."""
    cloud = "a cloud model"
    if remedy is None:
        return cloud
    if remedy.hosted is not None:
        cloud += f", such as {remedy.hosted.variant.title} with {remedy.hosted.variant.quality:.1f}"
    if remedy.larger is None:
        return cloud
    return f"{remedy.larger.variant.quality:.1f} from {sold_size(remedy.memory)} of unified memory on, or {cloud}"


def _why_quant(candidate: Candidate) -> str:
    """Why this quant of a model that was named."""
    judged = candidate.judged
    if judged.option.is_native:
        return "the quant that its weights were trained for"
    if judged.tier == 1:
        return "the best of it that fits: no quant of 4 bits or more does"
    if judged.tier > 1:
        return "the best of it that fits, with little memory left"
    if judged.is_whole and judged.is_comfortable:
        return "the finest quant of it, up to Q8_0, that fits and answers in comfortable time"
    return (
        "the usual quant of it: finer ones would be slower still"
        if judged.is_whole
        else "it is split over GPU and host"
    )


def describe_rejected(choice: Choice, most: int = 5) -> Iterable[str]:
    """The nearest candidates that could not be taken, a line each."""
    rows = [
        (item.candidate.variant.title, item.candidate.variant.quant, item.detail) for item in choice.rejected[:most]
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for title, label, detail in rows:
        yield f"{title:<{widths[0]}}  {label:<{widths[1]}}  {detail}"
