"""Choices, machines and proofs in words for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.types import FileSource, StarterSource, UrlSource
from lmpm.units import count, dollars, duration, human

if TYPE_CHECKING:
    from lmpm.cli.output.console import Console
    from lmpm.cloud import Cost
    from lmpm.proof import Checked, MemoryCheck, SmokeResult
    from lmpm.resolver import Candidate, Choice
    from lmpm.types import Machine, MemorySource, Speed

LEAST_SHOWN_S: Final = 0.05  # a shorter time would be shown as 0.0 s
SHOWN_ANSWER: Final = 120  # characters of an answer, which is one line

KNOWN_AS: Final[dict[MemorySource, str]] = {
    "estimated": "memory estimated within 10 %",
    "keys": "memory by the first keys of its header",
    "header": "memory by its header",
    "at least": "memory at least, its architecture is not known",
    "dry-run": "memory as llama.cpp plans it",
}


def show_choice(console: Console, choice: Choice, *, why: str, ref: str) -> None:
    """What was chosen, why, and what it needs."""
    chosen = choice.chosen
    if chosen is None:
        return
    variant = chosen.variant
    built_in = "   (built in)" if isinstance(variant.source, StarterSource) else ""
    mode = {"thinking": "thinking", "direct": "not thinking"}.get(variant.mode, "")
    facts = (variant.title, variant.quant, human(variant.size), variant.license, *filter(None, (mode,)))
    console.say("Chosen", "  ".join(facts) + built_in)
    if not built_in:
        console.say("", f"from {variant.source}")
    console.say("Why", why)
    console.say("Needs", needs(choice, chosen))
    if choice.considered > 1:
        from shlex import quote

        console.say("", f"1 of {choice.considered} candidates: `lmpm why {quote(ref)}`")
    for note in choice.notes:
        console.note(note)


def show_guess(console: Console, machine: Machine) -> None:
    """That the speed of this machine's memory is a guess, where it is one, and how to measure it."""
    if machine.source_of("bandwidth").origin in ("assumed", "unknown", "failed"):
        console.note("the speed of this machine is a guess: `lmpm hardware --measure` measures it, in about 15 seconds")


def needs(choice: Choice, candidate: Candidate) -> str:
    """`5.3 GiB of 10.7 GiB · about 15-18 tok/s · first token about 3 s · memory as llama.cpp plans it`."""
    words = speed_words(candidate.speed, is_silent=choice.request.is_silent, first_s=candidate.judged.first_token_s)
    return " · ".join((fit(candidate, choice.machine), *words, KNOWN_AS[candidate.memory.source]))


def reason(
    choice: Choice, *, ref: str, offline: bool = False, online: Choice | None = None, remedy: str | None = None
) -> str:
    """The sentence that says why the chosen one was chosen.

    `online` is what a network would give, `remedy` how to switch it on.
    """
    chosen, request = choice.chosen, choice.request
    if chosen is None:
        return ""
    from lmpm.resolver import describe_choice

    if isinstance(chosen.variant.source, UrlSource | FileSource):
        return "you named this very file"
    if isinstance(chosen.variant.source, StarterSource) and request.model:
        return "you named the small model that is shipped with lmpm"
    if isinstance(chosen.variant.source, StarterSource):
        what = request.task or ref
        better = online.chosen.variant if online and online.chosen else None
        instead = f" With a network lmpm would take {better.title} {better.quant}" if better else ""
        instead += f": {remedy[0].lower()}{remedy[1:]}" if better and remedy else ""
        return f"offline: the only {what} model on this machine.{instead}"
    where = "offline: " if offline else ""
    return f"{where}{describe_choice(choice)}"


def fit(candidate: Candidate, machine: Machine) -> str:
    """`5.3 GiB of 10.7 GiB`, and how it is spread when it does not fit the GPU."""
    words = f"{human(candidate.memory.total)} of {human(machine.budget)}"
    if candidate.speed and candidate.speed.placement == "split":
        words += ", the rest in host memory"
    return words


def speed_words(speed: Speed | None, *, is_silent: bool = False, first_s: float | None = None) -> tuple[str, ...]:
    """`about 15-18 tok/s` and `first token about 3 s`; for a task that only reads, how fast it reads."""
    if speed is None:
        return ("speed unknown",)
    doubt = "" if speed.confident else ", low confidence"
    if is_silent:
        return (f"reads about {speed.prefill:,.0f} tok/s{doubt}",)
    first = speed.first_token_s if first_s is None else first_s
    return (f"about {tok_range(speed)}{doubt}", f"time to first token {about(first)}")


def took(seconds: float) -> str:
    """`3.2 s`; of less than can be told apart `under 0.1 s`."""
    return duration(seconds) if seconds >= LEAST_SHOWN_S else "under 0.1 s"


def about(seconds: float) -> str:
    """`about 3.2 s`, or `under 0.1 s`."""
    return f"about {duration(seconds)}" if seconds >= LEAST_SHOWN_S else took(seconds)


def tok_range(speed: Speed | None, *, is_silent: bool = False) -> str:
    """`15-18 tok/s`: a single figure would claim too much; `1,199 tok/s` for what only reads."""
    if speed is None:
        return "-"
    if is_silent:
        return f"{speed.prefill:,.0f} tok/s"
    low, high = speed.decode_low, speed.decode_high
    return f"{low:.1f}-{high:.1f} tok/s" if high < 10 else f"{low:,.0f}-{high:,.0f} tok/s"


def show_smoke(console: Console, result: SmokeResult | None) -> None:
    """The question, the answer, and the figures of the run."""
    if result is None:
        console.say("Test", "none for this kind of model")
        return
    question = " ".join(result.question.split())
    if question:
        console.say("Test", f'"{question}"')
    answer = " ".join(result.answer.split())
    if answer:
        console.say("", answer if len(answer) <= SHOWN_ANSWER else answer[: SHOWN_ANSWER - 1] + "…")
    console.say("" if question or answer else "Test", result.detail)
    for check in result.checks:
        console.detail(f"          {check}")
    figures = smoke_figures(result)
    if figures:
        console.say("", figures)
    if result.memory:
        console.detail(f"          {memory_words(result.memory)}")
        if result.memory.is_notable:
            console.note(memory_words(result.memory))


def memory_words(check: MemoryCheck) -> str:
    """`memory: took 5.3 GiB; estimated 5.2 GiB, planned by llama.cpp 5.3 GiB: 1.9 % less than measured`."""
    said = (("estimated", check.estimated), ("planned by llama.cpp", check.planned))
    known = ", ".join(f"{word} {human(size)}" for word, size in said if size is not None)
    off = f"{abs(check.difference):.1%} {'more' if check.difference > 0 else 'less'} than measured"
    return f"memory: llama.cpp's buffers took {human(check.measured)}; {known or 'not predicted'}: {off}"


def smoke_figures(result: SmokeResult) -> str:
    """`first token 0.8 s · 17.2 tok/s · peak 5.2 GiB`."""
    parts = []
    if result.first_token_s is not None:
        parts.append(f"first token {result.first_token_s:.2f} s")
    if result.decode is not None:
        parts.append(f"{result.decode:.1f} tok/s")
    if result.peak_memory:
        parts.append(f"peak {human(result.peak_memory)}")
    return " · ".join(parts)


def checked_words(checked: Checked) -> str:
    """`8 of 10 checks right, 80 % needed · 1 min · 2 not answered in time`."""
    parts = [checked.detail, duration(checked.took_s)]
    if checked.late and checked.cases:
        parts.append(f"{checked.late} not answered in time")
    if checked.left_out:
        parts.append(f"{checked.left_out} not asked, which run code")
    return " · ".join(parts)


def adapter_words(count: int) -> str:
    """` + 2 adapters`; nothing where there are none."""
    return f" + {count} adapter{'s' if count > 1 else ''}" if count else ""


def cost_words(cost: Cost) -> str:
    """`about 40 requests, 12,000 tokens in, at most 4,000 out: about $0.0042`."""
    size = f"about {count(cost.requests, 'request')}, {cost.read:,} tokens in, at most {cost.written:,} out"
    if cost.dollars is None:
        return f"{size}; lmpm.toml states no price"
    return f"{size}: about {dollars(cost.dollars)}"


def variant_words(count: int) -> str:
    """`, 1 of 3 variants`, the one for this machine; nothing where the lock has a single one."""
    return f", 1 of {count} variants" if count > 1 else ""
