"""The candidates of a choice as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.cli.output.console import put, put_table
from lmpm.cli.output.words import tok_range
from lmpm.units import human

if TYPE_CHECKING:
    from lmpm.resolver import Candidate, Choice

SHOWN_ROWS: Final = 12


def put_candidates(choice: Choice, most: int | None) -> None:
    """The chosen one and the others in a table, and how many more there are by reason."""
    is_silent = choice.request.is_silent
    rows = []
    if choice.chosen is not None:
        rows.append(("chosen", *_row(choice.chosen, is_silent), ""))
    shown = choice.rejected if most is None else choice.rejected[:most]
    for item in shown:
        word = "close" if item.reason in ("worse", "speed") else "rejected"
        rows.append((word, *_row(item.candidate, is_silent), item.detail))
    put_table(rows, indent="  ", right=frozenset({3, 4}))
    rest = choice.rejected[len(shown) :]
    if rest:
        counts: dict[str, int] = {}
        for item in rest:
            counts[item.reason] = counts.get(item.reason, 0) + 1
        words = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda x: -x[1]))
        put(f"  {len(rest)} more: {words}   `--all`")


def _row(candidate: Candidate, is_silent: bool) -> tuple[str, str, str, str, str]:
    variant = candidate.variant
    quality = f"{variant.quality:.1f}" if variant.score is not None else "-"
    speed = tok_range(candidate.speed, is_silent=is_silent)
    quant = f"{variant.quant} {variant.mode}".rstrip()
    return variant.title, quant, quality, human(candidate.memory.total), speed
