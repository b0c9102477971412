"""How many picks an expert accepts, and which rules of thumb they break.

Compares what lmpm takes with `tests/resolver/expert_picks.toml`, which an expert wrote without sight of the rule: the
model, its quant, and the time to the first token of each row. Half of the rows, by their hash, were looked at while the
constants were chosen; the others were held out. Then the mechanical rules over all picks of `docs/picks.md`.

    python benchmarks/expert_picks.py [-v]
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lmpm import catalog  # noqa: E402
from lmpm.catalog import Catalog, Task  # noqa: E402
from lmpm.machine import load_chips, parse_spec  # noqa: E402
from lmpm.resolver import Candidate, Choice, Constraints, picks_page, request_for, rule, select  # noqa: E402
from lmpm.types import Machine  # noqa: E402

TABLE: Final = ROOT / "tests" / "resolver" / "expert_picks.toml"
FULL_SHARE: Final = 0.70  # of the memory used, below which a quant coarser than Q4_K_M is a mistake
# Tokens of the typical prompts that the expert's times are for, as his table states them.
PROMPTS: Final = {
    "chat": 500,
    "code-chat": 2_000,
    "text-to-sql": 2_000,
    "summarization": 6_000,
    "rag": 4_000,
    "json-extraction": 2_000,
    "classification": 300,
    "translation": 300,
    "tool-calling": 2_500,
    "long-context": 32_000,
}
LENIENT: Final = 1.15  # on the longest first token: two predictions are no nearer


@dataclass(frozen=True)
class Row:
    """One row of the expert's table, and what was taken."""

    row: dict[str, Any]
    choice: Choice
    is_held_out: bool
    faults: tuple[str, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether the expert would sign it."""
        return not self.faults


def rows() -> Iterator[Row]:
    """Every row of the table, judged."""
    known, chips = catalog.load(catalog.directory()), load_chips(catalog.directory())
    for row in tomllib.loads(TABLE.read_text())["row"]:
        task = known.task(row["task"])
        if task is None:
            raise ValueError(row["task"])
        choice = choice_of(known, task, parse_spec(row["machine"], chips))
        digest = hashlib.sha256(f"{row['task']} {row['machine']}".encode()).digest()
        yield Row(row, choice, bool(digest[0] % 2), tuple(faults(row, choice)))


def choice_of(known: Catalog, task: Task, machine: Machine) -> Choice:
    """What lmpm takes for a task on a machine, from the catalog alone."""
    request = request_for(task.name, Constraints(), task, model=None)
    return select.select(request, machine, known.variants(task))


def faults(row: dict[str, Any], choice: Choice) -> Iterator[str]:
    """What the expert would not sign: the model, its quant, its mode, or how long it takes."""
    chosen = choice.chosen
    if chosen is None:
        yield "nothing"
        return
    variant, accepted = chosen.variant, {slug(name): name for name in row["models"]}
    name = accepted.get(slug(variant.title))
    if name is None:
        yield "model"
        return
    if variant.quant not in row.get("quants_for", {}).get(name, row["quants"]):
        yield "quant"
    if row.get("thinking") is not None and variant.mode and (variant.mode == "thinking") != row["thinking"]:
        yield "mode"
    first = first_token_s(chosen, choice)
    if first is not None and first > LENIENT * row["longest_first_token"]:
        yield "wait"


def first_token_s(chosen: Candidate, choice: Choice) -> float | None:
    """Seconds to the first token as the expert counts them: for his prompts, of vectors for one chunk of text."""
    first, waiting, task = chosen.judged.first_token_s, choice.request.waiting, choice.request.task
    if chosen.speed and task in ("embeddings", "code-embeddings"):
        return 512 / chosen.speed.prefill
    if first is None or not chosen.speed or not waiting or task not in PROMPTS:
        return first
    return first + (PROMPTS[task] - waiting.prompt_tokens) / chosen.speed.prefill


def slug(name: str) -> str:
    """A model's name as it is compared."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower())


def broken_rules(choice: Choice) -> Iterator[str]:
    """The rules of thumb that a pick breaks."""
    chosen, machine = choice.chosen, choice.machine
    if chosen is None:
        return
    judged, quant = chosen.judged, chosen.variant.quant
    used = machine.budget if judged.is_whole else machine.budget + machine.host_budget
    is_coarse = rule.bits_of(quant) < rule.bits_of("Q4_K_M") and not chosen.variant.is_native
    if is_coarse and judged.option.work.need < FULL_SHARE * used:
        yield f"{quant} with {judged.option.work.need / used:.0%} of the memory taken"
    if chosen.speed and not choice.request.is_silent and chosen.speed.decode < rule.LEAST_DECODE and not judged.is_slow:
        yield f"{chosen.speed.decode:.1f} tok/s, not marked"
    waiting = choice.request.waiting
    if waiting and judged.whole_s and judged.first_token_s and not judged.is_slow:
        is_longer = judged.whole_s > waiting.whole[1] or judged.first_token_s > waiting.first_token[1]
        yield from ["longer than the longest, not marked"] if is_longer else []
    if quant.startswith(("Q5_0", "Q5_1", "Q4_1")):
        same = [item.candidate.variant for item in choice.rejected if item.kind == "worse"]
        if any(item.model == chosen.variant.model and "_K" in item.quant for item in same):
            yield f"{quant} beside K-quants"
    if chosen.variant.score is None:
        yield "not scored"


def picks() -> Iterator[tuple[str, str, Choice]]:
    """Every pick of `docs/picks.md`."""
    known, chips = catalog.load(catalog.directory()), load_chips(catalog.directory())
    for task in known.tasks:
        for name in picks_page.MACHINES:
            yield task.name, name, choice_of(known, task, parse_spec(name, chips))


def main() -> None:
    """Report."""
    judged = list(rows())
    for title, part in (
        ("looked at", [row for row in judged if not row.is_held_out]),
        ("held out", [row for row in judged if row.is_held_out]),
        ("all", judged),
    ):
        accepted = sum(row.is_accepted for row in part)
        kinds = Counter(fault for row in part for fault in row.faults)
        print(f"{title:10} {accepted} of {len(part)} accepted, {accepted / len(part):.1%}; {dict(kinds)}")
    if "-v" in sys.argv:
        for row in judged:
            if row.faults and (not row.is_held_out or "-vv" in sys.argv):
                chosen = row.choice.chosen
                what = "nothing"
                if chosen:
                    v, j = chosen.variant, chosen.judged
                    what = (
                        f"{v.title} {v.quant} {v.mode} q{v.quality:.0f} v{j.value:.0f} t{j.tier} "
                        f"F{j.first_token_s or 0:.1f} T{j.whole_s or 0:.0f}{' slow' if j.is_slow else ''}"
                    )
                print(f"  {'/'.join(row.faults):6} {row.row['task']:16} {row.row['machine']:24} {what}")
                models, quants = ", ".join(row.row["models"][:5]), ", ".join(row.row["quants"][:4])
                print(f"         accepts {models}; {quants}; {row.row['longest_first_token']} s")
    broken = [(task, name, why) for task, name, choice in picks() for why in broken_rules(choice)]
    print(f"rules of thumb: {len(broken)} of {len(picks_page.MACHINES) * 19} picks break one")
    for item in broken:
        print("  ", *item)


if __name__ == "__main__":
    main()
