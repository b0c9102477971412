"""From a task's table in `catalog/tasks/` to its record, all but its smoke test."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from lmpm.catalog.read_model import read_sha256, read_shape
from lmpm.catalog.schema.kinds import SmokeKind
from lmpm.catalog.schema.task import (
    Expected,
    Gap,
    General,
    Metric,
    RankingTime,
    Starter,
    Task,
    VectorTime,
    WritingTime,
)
from lmpm.recipe import read_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.catalog.schema.smoke import SmokeTest
    from lmpm.catalog.schema.task import Seconds, TaskTime
    from lmpm.fs import Table
    from lmpm.recipe import Recipe


def read_task(table: Table, read_smoke: Callable[[], SmokeTest]) -> Task:
    """A task; raises DocumentError at the first mistake. `read_smoke` is for who asks for its smoke test."""
    metrics = tuple(_metric(item, first=index == 0) for index, item in enumerate(table.tables("metric")))
    if not metrics:
        raise table.missing("metric", "at least one metric")
    context = table.integer("context", low=1)
    smoke = table.table("smoke")
    smoke.values()  # its other keys are for `read_smoke`
    kind: SmokeKind = smoke.choice("kind", get_args(SmokeKind))
    recipe = read_recipe(table.table("recipe"))
    return Task(
        name=table.text("name"),
        title=table.text("title"),
        summary=table.text("summary"),
        aliases=table.texts("aliases"),
        context=context,
        min_context=table.integer("min_context", low=1, high=context),
        capabilities=frozenset(table.texts("capabilities")),
        metrics=metrics,
        time=_TIMES.get(kind, _writing_time)(table.table("time")),
        expected=_expected(table.table("expected")) if "expected" in table else None,
        general=_general(table.table("general")) if "general" in table else None,
        max_size=table.integer("max_size", low=1) if "max_size" in table else None,
        gaps=tuple(_gap(item) for item in table.tables("gap")),
        recipe=recipe,
        smoke_kind=kind,
        read_smoke=read_smoke,
        starter=_starter(table.table("starter"), recipe) if "starter" in table else None,
    )


def _metric(table: Table, *, first: bool) -> Metric:
    metric = Metric(
        id=table.text("id"),
        title=table.text("title"),
        why=table.text("why"),
        slope=table.number_or("slope", 1.0),
        intercept=table.number_or("intercept", 0.0),
        rule=table.text_or("rule"),
        fitted=_ascending(table, "fitted") if "fitted" in table else None,
        largest_miss=table.number("largest_miss") if "largest_miss" in table else None,
        indirect=table.flag_or("indirect", False),
    )
    if first and (metric.slope, metric.intercept) != (1.0, 0.0):
        raise table.fail("slope", "the first metric is the task's quality itself: expected slope 1, intercept 0")
    if not first and not metric.rule:
        raise table.missing("rule", "where slope and intercept come from")
    return metric


def _writing_time(table: Table) -> TaskTime:
    return WritingTime(
        prompt_tokens=table.integer("prompt_tokens", low=1),
        cold_prompt_tokens=table.integer_or("cold_prompt_tokens", 0),
        answer_tokens=table.integer("answer_tokens", low=1),
        thinking_tokens=table.integer("thinking_tokens", low=1),
        first_token=_seconds(table, "first_token"),
        answer=_seconds(table, "answer"),
        thinking=table.choice_or("thinking", ("either", "on", "off"), "either"),
        shows_thinking=table.flag_or("shows_thinking", False),
        bulk=table.flag_or("bulk", False),
        useful=_useful(table),
    )


def _vector_time(table: Table) -> TaskTime:
    return VectorTime(
        text_tokens=table.integer("text_tokens", low=1),
        text=_seconds(table, "text"),
        query_tokens=table.integer("query_tokens", low=1),
        query=_seconds(table, "query"),
        useful=_useful(table),
    )


def _ranking_time(table: Table) -> TaskTime:
    return RankingTime(
        documents=table.integer("documents", low=1),
        document_tokens=table.integer("document_tokens", low=1),
        ranking=_seconds(table, "ranking"),
        useful=_useful(table),
    )


_TIMES: dict[SmokeKind, Callable[[Table], TaskTime]] = {"embeddings": _vector_time, "rerank": _ranking_time}


def _seconds(table: Table, key: str) -> Seconds:
    """The comfortable and the longest time."""
    comfortable, longest = _ascending(table, key)
    if comfortable <= 0:
        raise table.fail(key, "expected two times above 0 seconds")
    return comfortable, longest


def _ascending(table: Table, key: str) -> tuple[float, float]:
    """Two numbers, the lower one first."""
    match table.rows(key):
        case [int() | float() as low, int() | float() as high] if low < high:
            return float(low), float(high)
    raise table.fail(key, "expected two numbers, the lower one first")


def _useful(table: Table) -> float:
    value = table.number("useful")
    if not 0 <= value <= 100:
        raise table.fail("useful", "expected a quality from 0 to 100")
    return value


def _general(table: Table) -> General:
    return General(
        slope=table.number("slope"),
        intercept=table.number("intercept"),
        error=table.number("error"),
        most=table.number("most"),
    )


def _expected(table: Table) -> Expected:
    return Expected(
        intercept=table.number("intercept"),
        per_doubling=table.number("per_doubling"),
        per_year=table.number("per_year"),
        thinking=table.number("thinking"),
        year=table.number("year"),
        error=table.number("error"),
    )


def _gap(table: Table) -> Gap:
    table.text("reason")  # for people
    return Gap(budget=table.integer("budget_gb", low=1) * 10**9)


def _starter(table: Table, recipe: Recipe) -> Starter:
    parameters = table.integer("parameters", low=1)
    file = table.text("file")
    if "/" in file or "\\" in file:
        raise table.fail("file", "expected the name of a file in catalog/starter")
    return Starter(
        file=file,
        title=table.text("title"),
        quant=table.text("quant"),
        license=table.text("license"),
        size=table.integer("size", low=1),
        sha256=read_sha256(table),
        context_length=table.integer("context_length", low=1),
        architecture=table.text("architecture"),
        shape=read_shape(table.table("shape"), parameters=parameters, active_parameters=parameters),
        recipe=read_recipe(table.table_or_empty("recipe"), recipe),
    )
