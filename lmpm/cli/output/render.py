"""Machines, choices and proofs in words for a terminal, and as JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from lmpm.types import FileSource, HubSource, StarterSource, UrlSource
from lmpm.units import duration, human

if TYPE_CHECKING:
    from lmpm.cli.output.console import Console
    from lmpm.project import Rung
    from lmpm.proof import MemoryCheck, SmokeResult
    from lmpm.resolver import Candidate, Choice
    from lmpm.types import Machine, MemoryPlan, MemorySource, Speed


KNOWN_AS: Final[dict[MemorySource, str]] = {
    "estimated": "memory estimated within 10 %",
    "keys": "memory by the first keys of its header",
    "header": "memory by its header",
    "upper bound": "memory at most, its architecture is not known",
    "dry-run": "memory as llama.cpp plans it",
}


def show_choice(console: Console, choice: Choice, *, why: str, ref: str) -> None:
    """What was chosen, why, and what it needs."""
    chosen = choice.chosen
    if chosen is None:
        return
    variant = chosen.variant
    built_in = "   (built in)" if isinstance(variant.source, StarterSource) else ""
    facts = (variant.title, variant.quant, human(variant.size), variant.license)
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


def needs(choice: Choice, candidate: Candidate) -> str:
    """`5.3 GiB of 10.7 GiB · about 15-18 tok/s · first token about 3 s · memory as llama.cpp plans it`."""
    words = speed_words(candidate.speed, choice.request.speed_kind)
    return " · ".join((fit(candidate, choice.machine), *words, KNOWN_AS[candidate.memory.source]))


def reason(choice: Choice, *, offline: bool, ref: str, online: Choice | None = None) -> str:
    """The sentence that says why the chosen one was chosen; `online` is what a network would give."""
    chosen, request = choice.chosen, choice.request
    if chosen is None:
        return ""
    from lmpm.resolver import is_sound

    if isinstance(chosen.variant.source, UrlSource | FileSource):
        return "you named this very file"
    if isinstance(chosen.variant.source, StarterSource):
        what = request.task or ref
        better = online.chosen.variant if online and online.chosen else None
        instead = f" With a network lmpm would take {better.title} {better.quant}: drop `--offline`" if better else ""
        return f"offline: the only {what} model on this machine.{instead}"
    where = "offline: " if offline else ""
    here = " on this machine" if offline else ""
    context = f"{chosen.memory.context:,} tokens"
    if not is_sound(chosen, request):
        return f"{where}the least spoilt quant of it{here} that fits at {context}"
    if choice.below_floor:
        return f"{where}the fastest{here} that fits at {context}"
    if request.prefer != "quality":
        word = "fastest" if request.prefer == "speed" else "smallest"
        return f"{where}the {word}{here} that fits at {context}, as `--prefer {request.prefer}` asks"
    kind = "reads" if request.speed_kind == "prefill" else "answers"
    floor = f"{kind} at {request.min_speed:g} tok/s or more"
    if request.model:
        return f"{where}best quant of it{here} that fits at {context} and {floor}"
    figure = chosen.variant.score_source.partition(", ")[0]  # its source stands in `lmpm catalog show`
    scored = f" ({figure})" if figure else ""
    return f"{where}best {request.task} score{here} that fits at {context} and {floor}{scored}"


def fit(candidate: Candidate, machine: Machine) -> str:
    """`5.3 GiB of 10.7 GiB`, and how it is spread when it does not fit the GPU."""
    words = f"{human(candidate.memory.total)} of {human(machine.budget)}"
    if candidate.speed and candidate.speed.placement == "split":
        words += ", the rest in host memory"
    return words


def speed_words(speed: Speed | None, kind: str = "decode") -> tuple[str, ...]:
    """`about 15-18 tok/s` and `first token about 3 s`; for a task that only reads, how fast it reads."""
    if speed is None:
        return ("speed unknown",)
    doubt = "" if speed.confident else ", low confidence"
    if kind == "prefill":
        return (f"reads about {speed.prefill:,.0f} tok/s{doubt}",)
    return (f"about {tok_range(speed)}{doubt}", f"first token about {duration(speed.first_token_s)}")


def tok_range(speed: Speed | None, kind: str = "decode") -> str:
    """`15-18 tok/s`: a single figure would claim too much; `1,199 tok/s` for what only reads."""
    if speed is None:
        return "-"
    if kind == "prefill":
        return f"{speed.prefill:,.0f} tok/s"
    low, high = speed.decode_low, speed.decode_high
    return f"{low:.1f}-{high:.1f} tok/s" if high < 10 else f"{low:.0f}-{high:.0f} tok/s"


def show_smoke(console: Console, result: SmokeResult | None) -> None:
    """The question, the answer, and the figures of the run."""
    if result is None:
        console.say("Smoke", "no smoke test for this kind of model")
        return
    question = " ".join(result.question.split())
    if question:
        console.say("Smoke", f'"{question}"')
    answer = " ".join(result.answer.split())
    if answer:
        console.say("", answer if len(answer) <= 120 else answer[:119] + "…")
    console.say("" if question or answer else "Smoke", result.detail)
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


def machine_json(machine: Machine) -> dict[str, Any]:
    """A machine as programs read it."""
    return {
        "name": machine.name,
        "accelerator": machine.accelerator,
        "memory": machine.memory,
        "vram": machine.vram,
        "gpus": machine.gpus,
        "cores": machine.cores,
        "budget": machine.budget,
        "host_budget": machine.host_budget,
        "bandwidth": machine.bandwidth,
        "host_bandwidth": machine.host_bandwidth,
    }


def choice_json(choice: Choice) -> dict[str, Any]:
    """A choice as programs read it; the form is documented in `docs/json.md`."""
    request = choice.request
    return {
        "request": {"ref": request.ref, "task": request.task, "context": request.context},
        "machine": machine_json(choice.machine),
        "choice": candidate_json(choice.chosen) if choice.chosen else None,
        "considered": choice.considered,
        "rejected": [
            {
                "model": item.candidate.variant.title,
                "repo": item.candidate.variant.source.name,
                "quant": item.candidate.variant.quant,
                "reason": item.reason,
                "detail": item.detail,
            }
            for item in choice.rejected
        ],
        "notes": list(choice.notes),
    }


def candidate_json(candidate: Candidate) -> dict[str, Any]:
    """A candidate as programs read it; `memory.estimated` is the formula's figure beside llama.cpp's own."""
    from lmpm.estimate import estimate_memory

    variant = candidate.variant
    return {
        "model": variant.title,
        "repo": variant.source.name,
        "revision": variant.source.revision if isinstance(variant.source, HubSource) else None,
        "quant": variant.quant,
        "license": variant.license,
        "files": [
            {"path": file.path, "size": file.size, "sha256": file.sha256, "role": file.role} for file in variant.files
        ],
        "memory": memory_json(candidate.memory)
        | {"estimated": estimate_memory(variant, candidate.memory.context).total},
        "speed": speed_json(candidate.speed),
        "quality": round(variant.quality, 2),
    }


def memory_json(memory: MemoryPlan) -> dict[str, Any]:
    """Bytes by part."""
    parts = memory.parts
    return {
        "total": memory.must_fit,
        "context": memory.context,
        "weights": parts.weights + parts.repack - memory.reclaimable,
        "kv_cache": parts.kv_cache,
        "recurrent": parts.recurrent,
        "compute": parts.compute,
        "output": parts.output,
        "mmproj": parts.mmproj,
        "overhead": parts.tokenizer + parts.overhead,
        "source": memory.source,
    }


def speed_json(speed: Speed | None) -> dict[str, Any] | None:
    """Tokens per second."""
    if speed is None:
        return None
    return {
        "decode": round(speed.decode, 2),
        "decode_range": [round(speed.decode_low, 2), round(speed.decode_high, 2)],
        "prefill": round(speed.prefill, 1),
        "first_token_s": round(speed.first_token_s, 2),
        "placement": speed.placement,
        "unit": "tok/s",
    }


def smoke_json(result: SmokeResult | None) -> dict[str, Any] | None:
    """A smoke test as programs read it."""
    if result is None:
        return None
    check = result.memory
    memory = {**asdict(check), "difference": round(check.difference, 4)} if check else None
    return {**asdict(result), "memory": memory}


def rung_json(rung: Rung, rungs: int) -> dict[str, Any]:
    """A rung of a lock as programs read it."""
    candidate = rung.candidate
    return {
        "rung": rung.number,
        "rungs": rungs,
        "model": candidate.model,
        "repo": candidate.source.name,
        "revision": candidate.source.revision if isinstance(candidate.source, HubSource) else None,
        "quant": candidate.quant,
        "license": candidate.license,
        "memory": candidate.memory,
        "speed": round(rung.speed, 2) if rung.speed else None,
        "files": [
            {"path": file.path, "size": file.size, "sha256": file.sha256, "role": file.role} for file in candidate.files
        ],
    }
