"""Pictures of an evaluation, with matplotlib where it is installed (`lmpm[plot]`)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from lmpm.evaluation.chart import percents, title_of

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.evaluation.records import Evaluation

INCHES: Final = 7.0  # of width
ROW_INCHES: Final = 0.55
FIRST, OTHERS, LINES = "#1f6feb", "#8b949e", "#24292f"
DOTS: Final = 144  # an inch


def can_plot() -> bool:
    """Whether matplotlib is here."""
    return find_spec("matplotlib") is not None


def plot_scores(evaluation: Evaluation, path: Path) -> None:
    """Write a picture (`.png` or `.svg`): what each contender got right with its interval, beside how long it took.

    Raises ImportError without matplotlib, OSError.
    """
    from matplotlib.figure import Figure

    scores = evaluation.scores
    figure = Figure(figsize=(INCHES * 1.6, 1.3 + ROW_INCHES * len(scores)), layout="constrained")
    shares, waits = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = list(range(len(scores)))
    colours = [FIRST, *[OTHERS] * (len(scores) - 1)]
    shares.barh(places, [score.share * 100 for score in scores], color=colours, height=0.6)
    for place, score in zip(places, scores, strict=True):
        low, high = (end * 100 for end in score.interval)
        shares.plot((low, high), (place, place), color=LINES, linewidth=1.5)
        shares.plot((low, high), (place, place), "|", color=LINES, markersize=9)
        shares.text(min(high + 2, 101), place, percents(score), va="center", fontsize=9)
    shares.set_xlim(0, 128)
    shares.set_xticks(range(0, 101, 20))
    shares.set_xlabel(f"right of {max(score.number for score in scores)}, %, with the 95 % interval")
    shares.set_yticks(places, [title_of(score) for score in scores])
    shares.invert_yaxis()
    waits.barh(places, [score.took_s or 0 for score in scores], color=colours, height=0.6)
    waits.plot(
        [score.first_token_s or 0 for score in scores], places, "o", color=LINES, markersize=4, label="first token"
    )
    waits.set_xlabel("median seconds an answer; dot: first token")
    for axes in (shares, waits):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{evaluation.name}: {evaluation.cases.name}, {evaluation.machine}", fontsize=10)
    figure.savefig(path, dpi=DOTS)
