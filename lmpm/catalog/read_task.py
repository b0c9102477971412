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
    SmokeKind,
    SmokeTest,
    SpeedKind,
    SqlCase,
    Starter,
    Task,
    TextCase,
    ToolCase,
)
from lmpm.fs import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.catalog.schema import SmokeCase
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
        patient=table.flag_or("patient", False),
        max_size=table.integer("max_size", low=1) if "max_size" in table else None,
        gaps=tuple(_gap(item) for item in table.tables("gap")),
        prompt=_prompt(table.table("prompt")) if "prompt" in table else None,
        smoke=_smoke(table.table("smoke")),
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
    )
    if first and (metric.slope, metric.intercept) != (1.0, 0.0):
        raise table.fail("slope", "the first metric is the task's quality itself: expected slope 1, intercept 0")
    if not first and not metric.rule:
        raise table.fail("rule", "is missing, expected where slope and intercept come from")
    return metric


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
