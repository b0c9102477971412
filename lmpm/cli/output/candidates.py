"""The candidates of a choice as a table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from lmpm.cli.output.console import put, put_table
from lmpm.cli.output.layout import Fit
from lmpm.cli.output.words import tok_range
from lmpm.units import count, human

if TYPE_CHECKING:
    from lmpm.resolver import Candidate, Choice, Rejected

SHOWN_ROWS: Final = 6  # beside the chosen one: with headings, lock and totals at most a screen of 24 lines
CLOSE_SHARE: Final = 0.05  # of the chosen one's value by the rule, within which another is close
HEADS: Final = ("", "model", "quant", "score", "needs", "speed", "why not")
NARROWER: Final = Fit(shorten=(1,), wraps=True)
# What the kinds of rejection are called in a column; the rest are `rejected`, and the last column says why.
WORDS: Final = {
    "memory": "too large",
    "size": "too large",
    "speed": "too slow",
    "wait": "too slow",
    "license": "licence",
    "worse": "worse",
}


def put_candidates(choice: Choice, most: int | None) -> None:
    """The chosen one with its repository, the others in a table, and how many more there are by reason."""
    is_silent = choice.request.is_silent
    rows = []
    if choice.chosen is not None:
        rows.append(("› chosen", *_row(choice.chosen, is_silent), ""))
    shown = choice.rejected if most is None else _first_of_each_model(choice)[:most]
    rows += [(f"  {_word(item, choice)}", *_row(item.candidate, is_silent), item.detail) for item in shown]
    put_table(rows, heads=HEADS, right=frozenset({3, 4}), fit=NARROWER)
    if choice.chosen is not None:
        put(f"  from {choice.chosen.variant.source}")
    rest = len(choice.rejected) - len(shown)
    if rest:
        kinds = Counter(item.reason for item in choice.rejected) - Counter(item.reason for item in shown)
        counts = Counter(WORDS.get(kind, kind) for kind in kinds.elements()).most_common()
        words = ", ".join(f"{number} {word}" for word, number in counts)
        put(f"  {count(rest, 'more candidate')}: {words}; all of them: `--all`")


def _first_of_each_model(choice: Choice) -> tuple[Rejected, ...]:
    """The nearest candidate of each model, nearest first: a reader compares models before quants."""
    found: dict[str, Rejected] = {}
    for item in choice.rejected:
        found.setdefault(item.candidate.variant.title.lower(), item)
    return tuple(found.values())


def _word(item: Rejected, choice: Choice) -> str:
    """What became of a candidate, in a word: `close` only where its value by the rule is."""
    best = choice.chosen.judged.value if choice.chosen else 0.0
    is_close = best > 0 and item.candidate.judged.value >= (1 - CLOSE_SHARE) * best
    return "close" if item.reason == "worse" and is_close else WORDS.get(item.reason, "rejected")


def _row(candidate: Candidate, is_silent: bool) -> tuple[str, str, str, str, str]:
    variant = candidate.variant
    quality = f"{variant.quality:.1f}" if variant.score is not None else "-"
    speed = tok_range(candidate.speed, is_silent=is_silent)
    quant = f"{variant.quant} {variant.mode}".rstrip()
    return variant.title, quant, quality, human(candidate.memory.total), speed
