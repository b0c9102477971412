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
    kind = choice.request.speed_kind
    rows = []
    if choice.chosen is not None:
        rows.append(("chosen", *_row(choice.chosen, kind), ""))
    shown = choice.rejected if most is None else choice.rejected[:most]
    for item in shown:
        word = "close" if item.reason in ("worse", "speed") else "rejected"
        rows.append((word, *_row(item.candidate, kind), item.detail))
    put_table(rows, indent="  ", right=frozenset({3, 4}))
    rest = choice.rejected[len(shown) :]
    if rest:
        counts: dict[str, int] = {}
        for item in rest:
            counts[item.reason] = counts.get(item.reason, 0) + 1
        words = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda x: -x[1]))
        put(f"  {len(rest)} more: {words}   `--all`")


def _row(candidate: Candidate, kind: str) -> tuple[str, str, str, str, str]:
    variant = candidate.variant
    quality = f"{variant.quality:.1f}" if variant.score is not None else "-"
    speed = tok_range(candidate.speed, kind)
    return variant.title, variant.quant, quality, human(candidate.memory.total), speed
