"""How well a model does a task in each of its modes, from all of its figures for it.

1. A figure on another metric is put on the scale of the task's own by the metric's line, and less half of the line's
   largest miss, at most 6 points; a line without a fit: 6. Above what the line was fitted on it is the end of the line,
   below in proportion to its beginning.
2. A figure that is estimated, or measures another ability, counts 10 % less, and one that only the model's maker gives
   2 %.
3. A figure of the other mode counts less, since a model that may not think does worse: 12 % below 6 billion
   parameters, 8 % up to 20, 5 % above.
   Where a task is better answered at once, thinking is no advantage, and nothing is taken off.
4. What remains is the mean of these figures and of what general abilities let expect, each weighed by how sure it is:
   several sources are believed, one alone is drawn towards the expectation, and so is a figure near the ceiling of its
   metric, where mistakes of the benchmark count for as much as those of models.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from lmpm.catalog.schema.task import WritingTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.catalog.schema.model import CatalogModel, Mode, Score
    from lmpm.catalog.schema.task import Expected, General, Metric, Task

Kind = Literal["measured", "by its maker", "converted", "estimated"]

TOP_QUALITY: Final = 100.0  # every metric is a per cent of right answers or the like
MOST_DISCOUNT: Final = 6.0  # points for a line, whatever its miss, and of one that was not fitted
ESTIMATED_SHARE: Final = 0.10
MAKER_SHARE: Final = 0.02
OTHER_MODE_SHARES: Final = ((6e9, 0.12), (20e9, 0.08), (math.inf, 0.05))  # by parameters
# By how many points a figure may be off, as one standard error: of a single run, of all that one source says, and of
# all that a maker says of its own model. Of a converted figure it is half of its line's largest miss.
MEASURED_ERROR, SOURCE_ERROR, MAKER_ERROR, ESTIMATED_ERROR, UNFITTED_ERROR = 2.0, 5.0, 8.0, 10.0, 10.0
OTHER_MODE_ERROR: Final = 4.0
SATURATED: Final = 85.0  # of 100, from where on a figure says less
SATURATED_FACTOR: Final = 4.0  # on the error of a figure above it, or beyond what a line was fitted on


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
    date: str = ""
    answer_tokens: int | None = None
    thinking_tokens: int | None = None


class _Figure(NamedTuple):
    """A score on the task's scale, how far it may be off, and its rank among those of the task."""

    score: Score
    metric: Metric
    quality: float
    error: float
    is_converted: bool
    is_saturated: bool


def rate(model: CatalogModel, task: Task, general: Task | None = None) -> tuple[Rating, ...]:
    """The ratings of a model for a task, one for each mode that it is run in; none without a figure for the task.

    `general` is the task that general abilities are judged by.
    """
    figures = _figures(model, task)
    return tuple(_rate(model, task, mode, general) for mode in modes_of(model, task)) if figures else ()


def modes_of(model: CatalogModel, task: Task) -> tuple[Mode, ...]:
    """The modes that a model is run in for a task; empty for one that only answers at once."""
    thinking = model.quirks.thinking if model.quirks else ""
    if thinking == "optional":
        wanted = task.time.thinking if isinstance(task.time, WritingTime) else "off"
        return {"on": ("thinking",), "off": ("direct",)}.get(wanted, ("direct", "thinking"))  # type: ignore[return-value]
    return ("thinking",) if thinking == "always" else ("",)


def _figures(model: CatalogModel, task: Task) -> list[tuple[Score, Metric]]:
    metrics = {metric.id: metric for metric in task.metrics}
    scores = (score for score in model.scores if score.task == task.name and score.metric in metrics)
    return [(score, metrics[score.metric]) for score in scores]


def _rate(model: CatalogModel, task: Task, mode: Mode, general: Task | None) -> Rating:
    figures = _of_mode(model, task, mode)
    best = min(figures, key=lambda item: (item.error, item.is_converted))
    evidence = list(_by_source(figures))
    if general is not None and task.general is not None and task.name not in model.made_for:
        evidence.append(_expectation(model, task.general, general, mode))
    value = _mean(evidence)
    told = [item.score for item in figures if item.score.thinking_tokens or item.score.answer_tokens]
    told = [score for score in told if (score.mode or "direct") == (mode or "direct")]
    tokens = min(told, key=lambda score: score.metric != best.score.metric) if told else None
    return Rating(
        mode=mode,
        value=round(min(max(value, 0.0), TOP_QUALITY), 2),
        published=best.score.value,
        kind=_kind(best),
        metric=best.metric.title,
        source=best.score.source,
        date=best.score.date,
        answer_tokens=tokens.answer_tokens if tokens else None,
        thinking_tokens=tokens.thinking_tokens if tokens else None,
    )


def _of_mode(model: CatalogModel, task: Task, mode: Mode) -> list[_Figure]:
    """The figures of a mode; those of the other one where it has none."""
    known = _figures(model, task)
    own = [item for item in known if (item[0].mode or "direct") == (mode or "direct")]
    return [_figure(model, task, mode, score, metric) for score, metric in own or known]


def _by_source(figures: list[_Figure]) -> Iterator[tuple[float, float]]:
    """What each source says, as a quality and how far it may be off: its figures share the error of their source.

    That a figure is near the ceiling is a reason to believe it less beside what else is known of the model, and none
    to believe another metric of the same source more.
    """
    sources: dict[str, list[_Figure]] = {}
    for figure in figures:
        is_own = figure.score.by == "maker"
        sources.setdefault("" if is_own else re.split("[@,]", figure.score.source)[0], []).append(figure)
    for source, said in sources.items():
        quality = _mean([(item.quality, item.error) for item in said])
        errors = [item.error * (SATURATED_FACTOR if item.is_saturated else 1.0) for item in said]
        error = 1 / math.sqrt(sum(1 / item**2 for item in errors))
        yield quality, math.hypot(error, SOURCE_ERROR if source else MAKER_ERROR)


def _mean(evidence: list[tuple[float, float]]) -> float:
    """The mean of qualities, each weighed by the inverse of its squared error."""
    weights = [1 / error**2 for _, error in evidence]
    return sum(quality * weight for (quality, _), weight in zip(evidence, weights, strict=True)) / sum(weights)


def _expectation(model: CatalogModel, line: General, general: Task, mode: Mode) -> tuple[float, float]:
    """What general abilities, or size and date where no figure of those is known, let expect, and how far it is off."""
    if _figures(model, general):
        ability, error = _mean(list(_by_source(_of_mode(model, general, mode)))), 0.0
    elif general.expected is not None:
        ability, error = expect(general.expected, model, mode), general.expected.error
    else:
        return 0.0, math.inf
    return min(line.slope * ability + line.intercept, line.most), math.hypot(line.error, line.slope * error)


def _figure(model: CatalogModel, task: Task, mode: Mode, score: Score, metric: Metric) -> _Figure:
    """A score on the task's scale after its discounts."""
    is_converted = metric.id != task.metrics[0].id
    quality = _on_scale(score.value, metric)
    error = MEASURED_ERROR
    if is_converted:
        miss = metric.largest_miss
        quality -= MOST_DISCOUNT if miss is None else min(miss / 2, MOST_DISCOUNT)
        error = UNFITTED_ERROR if miss is None else max(miss / 2, error)
    if score.estimated or metric.indirect:
        quality -= ESTIMATED_SHARE * quality
        error = math.hypot(error, ESTIMATED_ERROR)
    elif score.by == "maker":
        quality -= MAKER_SHARE * quality
    is_off = isinstance(task.time, WritingTime) and task.time.thinking == "off"
    if (score.mode or "direct") != (mode or "direct"):
        share = next(share for least, share in OTHER_MODE_SHARES if model.parameters < least)
        quality -= 0.0 if is_off else share * quality
        error = math.hypot(error, OTHER_MODE_ERROR)
    is_saturated = score.value >= (metric.fitted[1] if metric.fitted else SATURATED)
    return _Figure(score, metric, quality, error, is_converted, is_saturated)


def _on_scale(value: float, metric: Metric) -> float:
    """A figure by the metric's line, which holds where it was fitted: above as its end, below in proportion to it."""
    least, most = metric.fitted or (value, value)
    quality = metric.slope * min(max(value, least), most) + metric.intercept
    return quality * value / least if value < least else quality


def expect(found: Expected, model: CatalogModel, mode: Mode) -> float:
    """What the size and the date of a model let expect of its general abilities."""
    size = math.log2(math.sqrt(model.parameters * model.active_parameters) / 1e9)
    quality = found.intercept + found.per_doubling * size + found.per_year * (year_of(model.released) - found.year)
    return min(max(quality + (found.thinking if mode == "thinking" else 0.0), 0.0), TOP_QUALITY)


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
