"""From a task's table in `catalog/tasks/` to its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from lmpm.catalog.read_model import read_sha256, read_shape
from lmpm.catalog.schema import (
    EmbeddingCase,
    FimCase,
    Gap,
    JsonCase,
    LabelCase,
    Metric,
    Prompt,
    RankCase,
    RankingTime,
    SmokeKind,
    SmokeTest,
    SpeedKind,
    SqlCase,
    Starter,
    Task,
    TextCase,
    ToolCase,
    VectorTime,
    WritingTime,
)
from lmpm.fs import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.catalog.schema import Seconds, SmokeCase, TaskTime
    from lmpm.fs import Table


# What a template of each kind must hold.
_PLACES: dict[SmokeKind, tuple[str, ...]] = {
    "sql": ("{schema}", "{question}"),
    "text": ("{prompt}",),
    "json": ("{prompt}",),
    "tool": ("{prompt}",),
    "label": ("{prompt}",),
    "fim": (),
    "embeddings": (),
    "rerank": (),
}
# Kinds whose model writes nothing.
_SILENT: frozenset[SmokeKind] = frozenset({"embeddings", "rerank"})


def read_task(table: Table) -> Task:
    """A task; raises DocumentError at the first mistake."""
    metrics = tuple(_metric(item, first=index == 0) for index, item in enumerate(table.tables("metric")))
    if not metrics:
        raise table.fail("metric", "is missing, expected at least one metric")
    context = table.integer("context", low=1)
    smoke = _smoke(table.table("smoke"))
    return Task(
        name=table.text("name"),
        title=table.text("title"),
        summary=table.text("summary"),
        aliases=table.texts("aliases"),
        context=context,
        min_context=table.integer("min_context", low=1, high=context),
        min_speed=table.number("min_speed"),
        speed_kind=table.choice_or("speed_kind", get_args(SpeedKind), "decode"),
        typical_prompt_tokens=table.integer("typical_prompt_tokens", low=1),
        capabilities=frozenset(table.texts("capabilities")),
        metrics=metrics,
        time=_TIMES.get(smoke.kind, _writing_time)(table.table("time")),
        patient=table.flag_or("patient", False),
        max_size=table.integer("max_size", low=1) if "max_size" in table else None,
        gaps=tuple(_gap(item) for item in table.tables("gap")),
        prompt=_prompt(table.table("prompt")) if "prompt" in table else None,
        smoke=smoke,
        starter=_starter(table.table("starter")) if "starter" in table else None,
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
    )
    if first and (metric.slope, metric.intercept) != (1.0, 0.0):
        raise table.fail("slope", "the first metric is the task's quality itself: expected slope 1, intercept 0")
    if not first and not metric.rule:
        raise table.fail("rule", "is missing, expected where slope and intercept come from")
    return metric


def _writing_time(table: Table) -> TaskTime:
    return WritingTime(
        prompt_tokens=table.integer("prompt_tokens", low=1),
        cold_prompt_tokens=table.integer_or("cold_prompt_tokens", 0),
        answer_tokens=table.integer("answer_tokens", low=1),
        thinking_tokens=table.integer("thinking_tokens", low=1),
        first_token=_seconds(table, "first_token"),
        answer=_seconds(table, "answer"),
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


def _gap(table: Table) -> Gap:
    return Gap(budget=table.integer("budget_gb", low=1) * 10**9, reason=table.text("reason"))


def _prompt(table: Table) -> Prompt:
    return Prompt(system=table.text_or("system"), user=table.text("user"))


def _smoke(table: Table) -> SmokeTest:
    kind: SmokeKind = table.choice("kind", get_args(SmokeKind))
    cases = tuple(_CASES[kind](item) for item in table.tables("case"))
    if not cases:
        raise table.fail("case", "is missing, expected at least one case")
    prompt = table.text("prompt") if _PLACES[kind] else ""
    for place in _PLACES[kind]:
        if place not in prompt:
            raise table.fail("prompt", f"expected `{place}` in it")
    return SmokeTest(
        kind=kind,
        cases=cases,
        prompt=prompt,
        max_tokens=0 if kind in _SILENT else table.integer("max_tokens", low=1, high=512),
        stop=_stops(table),
        pass_cases=table.integer("pass_cases", low=1, high=len(cases)),
        gap=table.text_or("gap"),
    )


def _stops(table: Table) -> tuple[str, ...]:
    """A list of strings, where a stop of nothing but line ends is a stop as well."""
    values = table.rows("stop")
    for index, value in enumerate(values):
        if not isinstance(value, str) or not value:
            raise DocumentError(f"{table.at('stop')}[{index}]", "expected a string that is not empty")
    return tuple(values)


def _sql_case(table: Table) -> SmokeCase:
    return SqlCase(
        schema=table.text("schema"),
        rows=table.texts("rows"),
        question=table.text("question"),
        expected=_result_rows(table),
        ordered=table.flag_or("ordered", False),
        reference=table.text("reference"),
    )


def _result_rows(table: Table) -> tuple[tuple[object, ...], ...]:
    rows = table.rows("expected")
    for index, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            raise DocumentError(f"{table.at('expected')}[{index}]", "expected a list of values")
    if not rows:
        raise table.fail("expected", "is missing, expected at least one row")
    return tuple(tuple(row) for row in rows)


def _embedding_case(table: Table) -> SmokeCase:
    return EmbeddingCase(anchor=table.text("anchor"), near=table.text("near"), far=table.text("far"))


def _text_case(table: Table) -> SmokeCase:
    return TextCase(prompt=table.text("prompt"), expect=table.texts("expect"))


def _fim_case(table: Table) -> SmokeCase:
    return FimCase(
        prefix=table.text("prefix"),
        suffix=table.text("suffix"),
        expect=_expected(table),
        reference=table.text("reference"),
    )


def _json_case(table: Table) -> SmokeCase:
    return JsonCase(prompt=table.text("prompt"), expected=_values(table, "expected"), fields=table.texts("fields"))


def _tool_case(table: Table) -> SmokeCase:
    return ToolCase(prompt=table.text("prompt"), function=table.text("function"), arguments=_values(table, "arguments"))


def _label_case(table: Table) -> SmokeCase:
    labels, expected = table.texts("labels"), table.text("expected")
    if expected not in labels or len(labels) < 2:
        raise table.fail("expected", "expected one of two or more `labels`")
    return LabelCase(prompt=table.text("prompt"), labels=labels, expected=expected)


def _rank_case(table: Table) -> SmokeCase:
    return RankCase(query=table.text("query"), relevant=table.text("relevant"), irrelevant=table.text("irrelevant"))


def _expected(table: Table) -> tuple[str, ...]:
    words = table.texts("expect")
    if not words:
        raise table.fail("expect", "is missing, expected at least one word")
    return words


def _values(table: Table, key: str) -> dict[str, object]:
    values = table.table(key).values()
    if not values:
        raise table.fail(key, "is empty, expected at least one value")
    return values


_CASES: dict[SmokeKind, Callable[[Table], SmokeCase]] = {
    "sql": _sql_case,
    "embeddings": _embedding_case,
    "text": _text_case,
    "fim": _fim_case,
    "json": _json_case,
    "tool": _tool_case,
    "label": _label_case,
    "rerank": _rank_case,
}


def _starter(table: Table) -> Starter:
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
    )
