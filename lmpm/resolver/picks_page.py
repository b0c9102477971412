"""What lmpm picks for each task on well-known machines: what a reviewer reads to judge the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm import licenses
from lmpm.machine import parse_spec, sold_size
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.resolver import request_for
from lmpm.resolver.select import is_weak, select
from lmpm.units import duration, human

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.catalog import Catalog, Task
    from lmpm.machine import Chips
    from lmpm.resolver.records import Candidate, Choice, Request
    from lmpm.types import Machine

# From a board to a server, in the words of `--hardware`.
MACHINES: Final = (
    "Raspberry Pi 5, 8GB",
    "CPU, 2 cores, 4GB",
    "CPU, 4 cores, 8GB",
    "CPU, 8 cores, 16GB",
    "CPU, 8 cores, 32GB",
    "CPU, 16 cores, 64GB",
    "M1, 8GB",
    "M2, 16GB",
    "M4 Pro, 24GB",
    "M3 Max, 64GB",
    "RTX 3060 12GB, 32GB",
    "RX 7900 XTX, 64GB",
    "RTX 4090, 64GB",
    "2x RTX 3090, 64GB",
    "A100 80GB, 128GB",
)
HEADING: Final = """\
# What lmpm picks

What `lmpm install TASK` takes on fifteen machines when nothing else is asked for, from the facts of the catalog alone.
`lmpm catalog picks > docs/picks.md` writes this page, and CI refuses one that is out of date: the difference shows what
a change of the catalog does.

Score is what is expected of the quant in its mode, on the scale of the task's own metric. Memory is the estimate at the
task's usual context; the times are the prediction for its usual request: to the first token that is seen, and for the
whole. **Slow** marks a pick that takes longer than people wait, or writes fewer than 5 tokens a second; **weak** one of
little use for the task, with the least unified memory, that of a Mac, that would do better; or a cloud model does.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One machine of a task's table, and what was chosen for it."""

    machine: str
    choice: Choice


def pick(catalog: Catalog, task: Task, machines: dict[str, Machine]) -> tuple[Row, ...]:
    """The choice for a task on each machine, without asks of any kind."""
    request = request_for(task.name, Constraints(), task, model=None)
    variants = catalog.variants(task)
    return tuple(Row(name, select(request, machine, variants)) for name, machine in machines.items())


def markdown(catalog: Catalog, chips: Chips) -> str:
    """The page of all tasks and machines."""
    machines = {name: parse_spec(name, chips) for name in MACHINES}
    sections = ("\n".join(section(task, pick(catalog, task, machines))) for task in catalog.tasks)
    return "\n".join((HEADING, *sections))


def section(task: Task, rows: tuple[Row, ...]) -> Iterator[str]:
    """The lines of one task's table."""
    yield f"## {task.name}"
    yield ""
    yield (
        f"{task.summary}. Ranked by {task.metrics[0].title}, at {task.context:,} tokens of context; of use from "
        f"{task.time.useful:g} on."
    )
    yield ""
    yield "| machine | model | quant | mode | score | memory | first token | whole | tok/s | licence |"
    yield "|---|---|---|---|---:|---:|---:|---:|---:|---|"
    for row in rows:
        yield _line(row)
    yield ""


def _line(row: Row) -> str:
    choice = row.choice
    if choice.chosen is None:
        return f"| {row.machine} | nothing: {_nearest(choice)} | | | | | | | | |"
    variant, judged = choice.chosen.variant, choice.chosen.judged
    cells = (
        row.machine,
        variant.title,
        variant.quant,
        variant.mode,
        f"{variant.quality:.1f}{_weak(choice)}",
        human(choice.chosen.memory.must_fit),
        "unknown" if judged.first_token_s is None else duration(judged.first_token_s),
        "unknown" if judged.whole_s is None else duration(judged.whole_s) + (" **slow**" if judged.is_slow else ""),
        _speed(choice.chosen, choice.request),
        licenses.describe(variant.license),
    )
    return f"| {' | '.join(cells)} |"


def _weak(choice: Choice) -> str:
    if choice.chosen is None or not is_weak(choice.chosen, choice.request):
        return ""
    larger = choice.remedy.larger if choice.remedy else None
    if choice.remedy is None or larger is None:
        return " **weak**"
    return f" **weak** ({larger.variant.quality:.1f} from {sold_size(choice.remedy.memory)} unified on)"


def _nearest(choice: Choice) -> str:
    return choice.rejected[0].detail if choice.rejected else "no model does the task"


def _speed(candidate: Candidate, request: Request) -> str:
    if candidate.speed is None:
        return "unknown"
    speed = candidate.speed.prefill if request.is_silent else candidate.speed.decode
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
