"""A training on a terminal: what the data is, what it will take, how far it is, and what came of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.cli.output import evaluation
from lmpm.cli.output.console import put
from lmpm.cli.output.layout import columns
from lmpm.evaluation import as_json
from lmpm.tuner import Reporter, Watcher
from lmpm.units import count, duration, human, parameters

if TYPE_CHECKING:
    from lmpm.cli.output.console import Console
    from lmpm.evaluation import Watcher as EvaluationWatcher
    from lmpm.tuner import Data, Outcome, Parity, Plan, Progress, Request, Trained

PLAIN_INTERVAL_S: Final = 10.0  # between two lines where nothing can move
SHOWN: Final = 5


def show_data(console: Console, data: Data, request: Request) -> None:
    """What is learnt and what is asked, and what is worth knowing of both."""
    found = data.inspection
    about = "" if found.is_counted else "about "
    console.say("Examples", f"{found.examples:,} of {request.data} · {about}{found.tokens:,} tokens")
    where = "held out of them by hash: one in ten" if data.is_held_out else f"of {request.cases}"
    console.say("Cases", f"{found.cases:,} {where}")
    for number, lines, what in (
        (len(found.duplicates), [f"{one} and {two}" for one, two in found.duplicates], "asked twice, lines"),
        (len(found.near), [f"{one} and case {two}" for one, two in found.near], "nearly a case, line"),
        (
            len(found.too_long),
            [str(line) for line in found.too_long],
            f"longer than {request.settings.max_tokens:,} tokens and left out, line",
        ),
    ):
        if number:
            more = f" and {number - SHOWN:,} more" if number > SHOWN else ""
            console.note(f"{count(number, 'example')} {what} {', '.join(lines[:SHOWN])}{more}")


def show_plan(console: Console, planned: Plan) -> None:
    """On what it is trained, and what that takes."""
    job, costs = planned.job, planned.costs
    if job.base:
        commit = f" @ {job.base.commit[:7]}" if job.base.commit else ""
        console.say("Base", f"{job.base.repo or job.base.name}{commit} · {parameters(job.base.parameters)}")
    else:
        shape = job.settings.shape
        console.say("Base", f"none: {shape.layers} layers of width {shape.width}, from nothing")
    console.say(
        "Needs",
        f"about {duration(costs.seconds)} for {count(costs.steps, 'step')} · {human(costs.memory)} of memory · "
        f"{human(costs.disk)} of disk",
    )


def watcher(console: Console) -> Watcher:
    """Progress for this terminal, plain lines elsewhere, nothing when quiet."""
    return Watcher() if console.quiet else _Progress(console, moves=sys.stderr.isatty())


def reporter(console: Console) -> Reporter:
    """The lines between the parts of the work."""
    return _Reporter(console)


def asking(console: Console) -> EvaluationWatcher:
    """Progress of the cases."""
    return evaluation.Progress(console)


def show_outcome(console: Console, planned: Plan, outcome: Outcome) -> None:
    """The scores, and where the file is."""
    evaluation.show_scores(outcome.verdict.evaluation)
    name, folder = planned.request.name, planned.workspace.directory
    console.say("Pinned", f"{name} = {_short(outcome.file, folder)}, its card {_short(outcome.card, folder)}")
    put(f"next: `lmpm run {name}` · bring the file to your team: `git lfs track '*.gguf'` or `lmpm bundle create`")


def data_json(data: Data) -> dict[str, Any]:
    """The data as programs read it."""
    found = data.inspection
    return {
        "schema": 1,
        "data": {"sha256": data.train.sha256, "examples": found.examples, "tokens": found.tokens},
        "counted": found.is_counted,
        "cases": found.cases,
        "held_out": data.is_held_out,
        "duplicates": [list(pair) for pair in found.duplicates],
        "near_cases": [list(pair) for pair in found.near],
        "too_long": list(found.too_long),
    }


def outcome_json(planned: Plan, outcome: Outcome) -> dict[str, Any]:
    """What was made as programs read it."""
    return data_json(planned.data) | {
        "name": planned.request.name,
        "file": str(outcome.file),
        "card": str(outcome.card),
        "adapter": str(outcome.adapter) if outcome.adapter else None,
        "loss": outcome.trained.loss,
        "drift": outcome.parity.drift,
        "gate": as_json(outcome.verdict.evaluation),
    }


class _Reporter(Reporter):
    def __init__(self, console: Console) -> None:
        self.console = console

    def trained(self, trained: Trained) -> None:
        """Say what was written."""
        size = trained.model.stat().st_size
        self.console.say("Written", f"{trained.model.name}  {human(size)} · loss {trained.loss:.4f}")

    def compared(self, parity: Parity) -> None:
        """Say that llama.cpp reads it as it was learnt."""
        self.console.say("Compared", f"{parity.prompts} prompts read token by token as they were learnt")


class _Progress(Watcher):
    """One line that moves, or a line every few seconds."""

    def __init__(self, console: Console, *, moves: bool) -> None:
        self.console, self.moves = console, moves
        self.spoke = 0.0

    def resumed(self, step: int, steps: int) -> None:
        """Say where it goes on."""
        self.console.say("Resumed", f"after step {step:,} of {steps:,}")

    def advanced(self, progress: Progress) -> None:
        """Say how far it is."""
        is_last = progress.step == progress.steps
        left = "" if is_last else f", {duration(progress.left_s)} left"
        text = (
            f"step {progress.step:,} of {progress.steps:,}  loss {progress.loss:.3f}  "
            f"{progress.tokens_s:,.0f} tok/s{left}"
        )
        if self.moves and not is_last:
            width = columns(sys.stderr) or 80
            sys.stderr.write(f"\r\x1b[2K{f'Training  {text}'[: width - 1]}")
            sys.stderr.flush()
            return
        now = time.monotonic()
        if now - self.spoke >= PLAIN_INTERVAL_S or is_last:
            self.spoke = now
            if self.moves:
                sys.stderr.write("\r\x1b[2K")
            self.console.say("Training", text)


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
