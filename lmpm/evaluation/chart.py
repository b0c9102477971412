"""Shares as bars of characters, for where there is no picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lmpm.evaluation.records import Evaluation, Score

WIDTH: Final = 40  # characters for all of them right


def bars(evaluation: Evaluation, *, width: int = WIDTH) -> list[str]:
    """One line for each contender: the share that was right as a bar, the rest of its interval as dots."""
    titles = [title_of(score) for score in evaluation.scores]
    left = max(map(len, titles), default=0)
    return [
        f"{title:<{left}}  {_bar(score, width)}  {percents(score)}"
        for title, score in zip(titles, evaluation.scores, strict=True)
    ]


def title_of(score: Score) -> str:
    """`Qwen2.5-Coder-3B Q6_K`."""
    return f"{score.label} {score.quant}".strip()


def percents(score: Score) -> str:
    """`83 % (73-90)`."""
    low, high = score.interval
    return f"{score.share:.0%} ({low * 100:.0f}-{high * 100:.0f})".replace("%", " %")


def _bar(score: Score, width: int) -> str:
    full, low, high = (round(share * width) for share in (score.share, *score.interval))
    return "".join(
        "█" if at < min(full, low) else "▓" if at < full else "·" if at < high else " " for at in range(width)
    )
