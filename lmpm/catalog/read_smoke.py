"""From the `smoke` table of a task's file to its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from lmpm.catalog.schema.kinds import SILENT, SmokeKind
from lmpm.catalog.schema.smoke import (
    EmbeddingCase,
    FimCase,
    JsonCase,
    LabelCase,
    RankCase,
    SmokeTest,
    SqlCase,
    TextCase,
    ToolCase,
)
from lmpm.fs import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.catalog.schema.smoke import SmokeCase
    from lmpm.fs import Table


def read_smoke(table: Table) -> SmokeTest:
    """A smoke test; raises DocumentError at the first mistake."""
    kind: SmokeKind = table.choice("kind", get_args(SmokeKind))
    cases = tuple(_CASES[kind](item) for item in table.tables("case"))
    if not cases:
        raise table.missing("case", "at least one case")
    return SmokeTest(
        kind=kind,
        cases=cases,
        max_tokens=0 if kind in SILENT else table.integer("max_tokens", low=1, high=512),
        pass_cases=table.integer("pass_cases", low=1, high=len(cases)),
        gap=table.text_or("gap"),
    )


def _inputs(table: Table) -> dict[str, str | tuple[str, ...]]:
    """The inputs of the recipe, as a user gives them."""
    inner = table.table("inputs")
    found: dict[str, str | tuple[str, ...]] = {}
    for name in inner:
        found[name] = inner.text(name) if inner.is_text(name) else inner.texts(name)
    return found


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
        raise table.missing("expected", "at least one row")
    return tuple(tuple(row) for row in rows)


def _embedding_case(table: Table) -> SmokeCase:
    return EmbeddingCase(anchor=table.text("anchor"), near=table.text("near"), far=table.text("far"))


def _text_case(table: Table) -> SmokeCase:
    return TextCase(inputs=_inputs(table), expect=table.texts("expect"))


def _fim_case(table: Table) -> SmokeCase:
    return FimCase(
        prefix=table.text("prefix"),
        suffix=table.text("suffix"),
        expect=_expected(table),
        reference=table.text("reference"),
    )


def _json_case(table: Table) -> SmokeCase:
    return JsonCase(inputs=_inputs(table), expected=_values(table, "expected"), fields=table.texts("fields"))


def _tool_case(table: Table) -> SmokeCase:
    return ToolCase(inputs=_inputs(table), function=table.text("function"), arguments=_values(table, "arguments"))


def _label_case(table: Table) -> SmokeCase:
    inputs, expected = _inputs(table), table.text("expected")
    labels = inputs.get("labels", ())
    if expected not in labels or len(labels) < 2:
        raise table.fail("expected", "expected one of two or more `labels`")
    return LabelCase(inputs=inputs, expected=expected)


def _rank_case(table: Table) -> SmokeCase:
    return RankCase(query=table.text("query"), relevant=table.text("relevant"), irrelevant=table.text("irrelevant"))


def _expected(table: Table) -> tuple[str, ...]:
    words = table.texts("expect")
    if not words:
        raise table.missing("expect", "at least one word")
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
