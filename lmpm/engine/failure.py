"""From how a child ended to an error that says what happened, in which phase, and what helps."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.errors import EngineError
from lmpm.fs import printable
from lmpm.units import duration, human

if TYPE_CHECKING:
    from lmpm.engine.process import Outcome
    from lmpm.engine.protocol import EngineLimits

SHOWN_LINES: Final = 6
SHOWN_CHARS: Final = 240  # of one line

ENGINES_HINT: Final = "`lmpm doctor` shows the engines here and what is wrong with each"
UPGRADE_HINT: Final = "Upgrade it, as with `pip install --upgrade xllamacpp`"
MEMORY_HINT: Final = "Lower the context with `--context`, or choose a smaller quant with `--quant`"

DOING: Final = {
    "start": "while starting",
    "import": "while its library was loaded",
    "load": "while loading {file}",
    "run": "while running {file}",
}
UNKNOWN_TO_BUILD: Final = {  # what an older llama.cpp says about a newer file
    "the architecture": re.compile(r"unknown model architecture: '(?P<name>[^']*)'"),
    "the tokenizer": re.compile(r"unknown (?:pre-)?tokenizer(?: type)?:? '(?P<name>[^']*)'"),
    "the tensor type": re.compile(r"has invalid ggml type (?P<name>\d+)"),
    "GGUF version": re.compile(r"this GGUF file is version (?P<name>\d+)"),
}
OUT_OF_MEMORY: Final = re.compile(
    r"bad_alloc|failed to allocate|unable to allocate|cannot allocate memory|out of memory|MemoryError|"
    r"insufficient memory|pthread_create failed|Resource temporarily unavailable",
    re.IGNORECASE,
)
NOT_OPENED: Final = re.compile(r"failed to open GGUF file '(?P<path>.*)' \((?P<why>[^()]*)\)")
NO_ENCODER: Final = re.compile(r"failed to load multimodal model, '(?P<path>[^']+)'")
NOT_WHOLE: Final = re.compile(r"gguf_init_from|not within the file bounds|corrupted|failed to read")
ABOUT_THE_JOB: Final = ("prompt", "tokenize", "unsupported", "import")  # whatever warnings came before
SAYS_NOTHING: Final = re.compile(  # the line before says why
    r"_impl: failed to load model$|failed to load model, '|exiting due to model loading error|cleaning up before exit"
)
STAMP: Final = re.compile(r"^\d+\.\d+\.\d+\.\d+ [A-Z] ")  # of llama-server's log: a time and a level
CHATTER: Final = re.compile(r"^\d+\.\d+\.\d+\.\d+ [ID] ")


def failure(outcome: Outcome, path: str, limits: EngineLimits) -> EngineError:
    """The error for a child that brought no result."""
    file = f"`{printable(Path(path).name)}`" if path else "the model"
    doing = DOING.get(outcome.stage, DOING["start"]).format(file=file)
    message, hint = _explain(outcome, file, doing, limits)
    return EngineError(message, hint=hint, details=last_lines(outcome.log))


def _explain(outcome: Outcome, file: str, doing: str, limits: EngineLimits) -> tuple[str, str | None]:
    if outcome.timed_out:
        return (
            f"llama.cpp was stopped after {duration(limits.time_s)} {doing}",
            "The machine may be too busy or too slow for this model: try again, or choose a smaller one",
        )
    if outcome.flooded:
        return f"llama.cpp wrote more than {human(limits.output_bytes)} of output {doing}", None
    kind = str(outcome.error.get("kind")) if outcome.error else ""
    if kind == "layout":  # the formula answers then
        return printable(str(outcome.error["message"])) if outcome.error else "", ENGINES_HINT
    if kind == "memory" or (kind not in ABOUT_THE_JOB and OUT_OF_MEMORY.search(outcome.log)):
        return _memory(doing, limits), MEMORY_HINT
    if outcome.error:
        return _refused(kind, printable(str(outcome.error.get("message", ""))), file, outcome.log)
    return _died(outcome.returncode, doing)


def _memory(doing: str, limits: EngineLimits) -> str:
    if limits.memory_bytes is None:
        return f"llama.cpp ran out of memory {doing}"
    return f"llama.cpp needed more than its {human(limits.memory_bytes)} of memory {doing}"


def _refused(kind: str, message: str, file: str, log: str) -> tuple[str, str | None]:
    if kind == "import":
        return f"llama.cpp's library cannot be used: {message}", ENGINES_HINT
    if kind != "load":
        return f"llama.cpp failed on {file}: {message}", None
    for what, pattern in UNKNOWN_TO_BUILD.items():
        if found := pattern.search(log):
            return (
                f"{file} needs a newer llama.cpp: this one does not know {what} `{printable(found['name'])}`",
                UPGRADE_HINT,
            )
    if found := NOT_OPENED.search(log):
        name = printable(Path(found["path"]).name)  # a shard, perhaps
        return f"`{name}` cannot be opened: {printable(found['why'])}", None
    if found := NO_ENCODER.search(log):
        file = f"`{printable(Path(found['path']).name)}`"
    if NOT_WHOLE.search(log):
        return (
            f"{file} is not a complete and valid GGUF file",
            "Check its bytes with `lmpm verify`, or download it again",
        )
    return f"llama.cpp cannot load {file}", None


def _died(returncode: int | None, doing: str) -> tuple[str, str | None]:
    if returncode is None or returncode >= 0:
        return f"llama.cpp's process ended without an answer {doing} (exit code {returncode})", None
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    if name == "SIGILL":
        return (
            f"llama.cpp was killed by {name} {doing}",
            "This build uses instructions that the processor does not have: choose another engine, `lmpm doctor` "
            "shows them. llama-cpp-python is compiled for the processor that it is installed on",
        )
    if name == "SIGKILL":
        return f"llama.cpp was killed by {name} {doing}", f"The system may be out of memory. {MEMORY_HINT}"
    return (
        f"llama.cpp was killed by {name} {doing}",
        f"The file makes this llama.cpp crash. {UPGRADE_HINT}, or choose another file",
    )


def last_lines(log: str) -> tuple[str, ...]:
    """The last messages, fit for a terminal."""
    lines = [line.strip() for line in log.splitlines() if line.strip(" .\t\r") and not SAYS_NOTHING.search(line)]
    told = [line for line in lines if not CHATTER.match(line)] or lines
    return tuple(printable(STAMP.sub("", line))[:SHOWN_CHARS] for line in told[-SHOWN_LINES:])
