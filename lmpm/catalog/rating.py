"""How well a model does a task in each of its modes, from all of its figures for it.

1. A figure on another metric is put on the scale of the task's own by the metric's line, no further than the line was
   fitted, and less half of the line's largest miss, at most 6 points; a line without a fit: 6.
2. A figure that is estimated counts 10 % less, and one that only the model's maker gives 2 %.
3. A figure of the other mode counts less, since a model that may not think does worse: 12 % below 6 billion
   parameters, 8 % up to 20, 5 % above.
4. What remains is the mean of these figures and of what size and date predict, each weighed by how sure it is: several
   figures are believed, one alone is drawn towards the prediction, and one at the ceiling of its metric says little.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from lmpm.catalog.schema.model import CatalogModel, Mode, Score
    from lmpm.catalog.schema.task import Metric, Prior, Task

Kind = Literal["measured", "by its maker", "converted", "estimated", "predicted"]

TOP_QUALITY: Final = 100.0  # every metric is a per cent of right answers or the like
MOST_DISCOUNT: Final = 6.0  # points for a line, whatever its miss, and of one that was not fitted
ESTIMATED_SHARE: Final = 0.10
MAKER_SHARE: Final = 0.02
OTHER_MODE_SHARES: Final = ((6e9, 0.12), (20e9, 0.08), (math.inf, 0.05))  # by parameters
# By how many points a figure may be off, as one standard error: of two runs of one model on one metric, of a maker's
# figure, and of an estimate. Of a converted one it is half of its line's largest miss, which two in three keep.
MEASURED_ERROR, MAKER_ERROR, ESTIMATED_ERROR, UNFITTED_ERROR = 2.0, 4.0, 10.0, 10.0
OTHER_MODE_ERROR: Final = 4.0
SATURATED: Final = 94.0  # of 100, from where on the mistakes of a benchmark count for as much as those of models
SATURATED_FACTOR: Final = 2.0  # on the error of a figure above it, or beyond what a line was fitted on


class Rating(NamedTuple):
    """What a model is expected to reach at a task in a mode, and where that comes from.

    `value` is what is ranked by, before the loss of a quant. `published` is the figure that weighs most, on its own
    metric; `kind` says what it is.
    """

    mode: Mode
    value: float
    published: float
    kind: Kind
    metric: str
    source: str
    answer_tokens: int | None = None
    thinking_tokens: int | None = None


class _Figure(NamedTuple):
    """A score on the task's scale, how far it may be off, and its rank among those of the task."""

    score: Score
    metric: Metric
    quality: float
    error: float
    is_converted: bool


def rate(model: CatalogModel, task: Task) -> tuple[Rating, ...]:
    """The ratings of a model for a task, one for each mode that it has; none where it has no figure for the task."""
    metrics = {metric.id: metric for metric in task.metrics}
    known = [score for score in model.scores if score.task == task.name and score.metric in metrics]
    if not known:
        return ()
    return tuple(_rate(model, task, mode, known, metrics) for mode in modes_of(model))


def modes_of(model: CatalogModel) -> tuple[Mode, ...]:
    """The modes that a model can be run in: both, or thinking; empty for one that only answers at once."""
    thinking = model.quirks.thinking if model.quirks else ""
    if thinking == "optional":
        return "direct", "thinking"
    return ("thinking",) if thinking == "always" else ("",)


def _rate(model: CatalogModel, task: Task, mode: Mode, known: list[Score], metrics: dict[str, Metric]) -> Rating:
    own = [score for score in known if (score.mode or "direct") == (mode or "direct")]
    figures = [_figure(model, task, mode, score, metrics[score.metric]) for score in own or known]
    best = min(figures, key=lambda item: (item.error, item.is_converted))
    weights = [(item.quality, 1 / item.error**2) for item in figures]
    if task.prior:
        weights.append((predict(task.prior, model, mode), 1 / task.prior.error**2))
    value = sum(quality * weight for quality, weight in weights) / sum(weight for _, weight in weights)
    told = [score for score in own if score.thinking_tokens or score.answer_tokens]
    tokens = min(told, key=lambda score: score.metric != best.score.metric) if told else None
    return Rating(
        mode=mode,
        value=round(min(max(value, 0.0), TOP_QUALITY), 2),
        published=best.score.value,
        kind=_kind(best),
        metric=best.metric.title,
        source=best.score.source,
        answer_tokens=tokens.answer_tokens if tokens else None,
        thinking_tokens=tokens.thinking_tokens if tokens else None,
    )


def _figure(model: CatalogModel, task: Task, mode: Mode, score: Score, metric: Metric) -> _Figure:
    """A score on the task's scale after its discounts."""
    is_converted = metric.id != task.metrics[0].id
    value = min(score.value, metric.fitted[1]) if metric.fitted else score.value
    quality = metric.slope * value + metric.intercept
    error = MEASURED_ERROR
    if is_converted:
        miss = metric.largest_miss
        quality -= MOST_DISCOUNT if miss is None else min(miss / 2, MOST_DISCOUNT)
        error = UNFITTED_ERROR if miss is None else max(miss / 2, error)
    if score.estimated:
        quality -= ESTIMATED_SHARE * quality
        error = math.hypot(error, ESTIMATED_ERROR)
    elif score.by == "maker":
        quality -= MAKER_SHARE * quality
        error = math.hypot(error, MAKER_ERROR)
    if (score.mode or "direct") != (mode or "direct"):
        share = next(share for least, share in OTHER_MODE_SHARES if model.parameters < least)
        quality -= share * quality
        error = math.hypot(error, OTHER_MODE_ERROR)
    if score.value >= (metric.fitted[1] if metric.fitted else SATURATED):
        error *= SATURATED_FACTOR
    return _Figure(score, metric, quality, error, is_converted)


def predict(prior: Prior, model: CatalogModel, mode: Mode) -> float:
    """What the size and the date of a model let expect of it at a task."""
    size = math.log2(math.sqrt(model.parameters * model.active_parameters) / 1e9)
    quality = prior.intercept + prior.per_doubling * size + prior.per_year * (year_of(model.released) - prior.year)
    return min(max(quality + (prior.thinking if mode == "thinking" else 0.0), 0.0), TOP_QUALITY)


def year_of(date: str, default: float = 2025.0) -> float:
    """A date as a number of years: `2026-07` is 2026.5."""
    parts = [int(part) for part in date.split("-")] if date else []
    if not parts:
        return default
    return parts[0] + (parts[1] - 1 if len(parts) > 1 else 6) / 12


def _kind(figure: _Figure) -> Kind:
    if figure.score.estimated:
        return "estimated"
    if figure.is_converted:
        return "converted"
    return "by its maker" if figure.score.by == "maker" else "measured"
