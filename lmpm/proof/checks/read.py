"""From the keys of a case to its check. Errors name the key; what a check is given must itself make sense."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from lmpm.fs import DocumentError
from lmpm.proof.checks.code import Code
from lmpm.proof.checks.ranking import DEPTH, Measure, Ranking
from lmpm.proof.checks.rows import Reading, Rows
from lmpm.proof.checks.structure import Call, Fields
from lmpm.proof.checks.text import Exact, Facts, Label, Number, Pattern, Translation
from lmpm.proof.sqlite import rows_on, same_rows
from lmpm.sql import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.fs import Table

TextCheck = Exact | Pattern | Facts | Label | Number | Translation | Fields | Call | Rows | Code
Check = TextCheck | Ranking
CheckKind = Literal["exact", "regex", "facts", "label", "number", "chrf", "json", "tool", "sql", "code", "ranking"]
NO_CALL: Final = "none"  # where a file cannot say null


def read_check(kind: CheckKind, table: Table, database: str = "") -> Check:
    """The check of a case; `database` is a script that makes its database. Raises DocumentError."""
    return _sql(table, database) if kind == "sql" else _READERS[kind](table)


def _exact(table: Table) -> Check:
    return Exact(expected=_texts(table, "expected"), ignore_case=table.flag_or("ignore_case", False))


def _regex(table: Table) -> Check:
    try:
        return Pattern(expected=re.compile(table.text("expected"), re.MULTILINE))
    except re.error as error:
        raise table.fail("expected", f"is not a regular expression: {error}") from error


def _facts(table: Table) -> Check:
    must = _wordings(table, "must")
    if "expected" in table:
        must = (*must, _texts(table, "expected"))
    if not must:
        raise table.missing("must", "at least one fact")
    return Facts(must=must, must_not=_wordings(table, "must_not"))


def _label(table: Table) -> Check:
    if table.is_text("labels"):
        labels = tuple(label.strip() for label in table.text("labels").split(","))
    else:
        labels = table.texts("labels")
    if len(labels) < 2 or not all(labels):
        raise table.missing("labels", "a list of two labels or more")
    return Label(labels=labels, expected=table.choice("expected", labels))


def _number(table: Table) -> Check:
    tolerance = table.number_or("tolerance", 1e-6)
    if tolerance < 0:
        raise table.fail("tolerance", "expected a number that is not negative")
    return Number(expected=table.number("expected"), tolerance=tolerance)


def _chrf(table: Table) -> Check:
    return Translation(expected=_texts(table, "expected"), least=_between(table, "least", 50.0, 100.0))


def _json(table: Table) -> Check:
    schema = _object(table, "json_schema") if "json_schema" in table else None
    if "expected" not in table and schema is None:
        raise table.missing("expected", "a table of values, or a `json_schema`")
    return Fields(expected=_object(table, "expected") if "expected" in table else None, schema=schema)


def _tool(table: Table) -> Check:
    if table.is_text("expected"):
        table.choice("expected", (NO_CALL,))
        return Call(function=None, arguments={})
    if "expected" in table and table.is_null("expected"):
        return Call(function=None, arguments={})
    call = table.table("expected")
    found = Call(function=call.text("name"), arguments=_object(call, "arguments"))
    call.finish()
    return found


def _sql(table: Table, database: str) -> Check:
    if not database:
        raise table.missing("schema", "`schema` and `rows`, or a `database`")
    ordered = table.flag_or("ordered", False)
    rows = _rows(table) if "expected" in table else None
    readings = []
    if "reference" in table:
        readings.append(_query(table, "reference", table.text("reference"), database))
        given = rows_on(database, (), readings[0].sql or "")
        if rows is not None and not same_rows(given, rows, ordered=ordered):
            raise table.fail("expected", "is not what the `reference` returns")
    elif rows is not None:
        readings.append(Reading(rows=rows))
    else:
        raise table.missing("expected", "the rows of the right answer, or a `reference` that returns them")
    readings += [_query(table, "also", sql, database) for sql in table.texts("also")]
    return Rows(database=database, readings=tuple(readings), ordered=ordered)


def _query(table: Table, key: str, sql: str, database: str) -> Reading:
    sql = sql.strip().rstrip(";")
    try:
        rows_on(database, (), sql)
    except QueryError as error:
        raise table.fail(key, f"is not a query that runs: {error}") from error
    return Reading(sql=sql)


def _rows(table: Table) -> tuple[tuple[object, ...], ...]:
    rows = table.rows("expected")
    for index, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            raise DocumentError(f"{table.at('expected')}[{index}]", "expected a list of values")
    return tuple(map(tuple, rows))


def _code(table: Table) -> Check:
    table.text_or("reference")  # for people
    prefix, suffix = (table.string(name) if name in table else "" for name in ("prefix", "suffix"))
    test = table.text("test")
    try:
        compile(test, "test", "exec")
    except (SyntaxError, ValueError) as error:
        raise table.fail("test", f"is not Python: {error}") from error
    return Code(test=test, prefix=prefix, suffix=suffix)


def _ranking(table: Table) -> Check:
    relevance = table.rows("relevance")
    for index, value in enumerate(relevance):
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 10:
            raise DocumentError(f"{table.at('relevance')}[{index}]", "expected a number from 0 to 10")
    if len(table.texts("documents")) != len(relevance):
        raise table.fail("relevance", "expected one number for each of the `documents`")
    if not any(relevance):
        raise table.fail("relevance", "expected at least one relevant document")
    return Ranking(
        relevance=tuple(map(float, relevance)),
        measure=table.choice_or("measure", get_args(Measure), "ndcg"),
        depth=table.integer_or("depth", DEPTH, low=1, high=1000),
        least=_between(table, "least", 0.8, 1.0),
    )


def _texts(table: Table, key: str) -> tuple[str, ...]:
    """One string, or a list of them."""
    if table.is_text(key):
        return (table.text(key),)
    texts = table.texts(key)
    if not texts:
        raise table.missing(key, "a string, or a list of strings")
    return texts


def _wordings(table: Table, key: str) -> tuple[tuple[str, ...], ...]:
    """A list of facts, each a string or the list of its wordings."""
    facts: list[tuple[str, ...]] = []
    for index, fact in enumerate(table.rows(key)):
        words = [fact] if isinstance(fact, str) else fact
        if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
            raise DocumentError(f"{table.at(key)}[{index}]", "expected a string, or a list of wordings")
        facts.append(tuple(words))
    return tuple(facts)


def _object(table: Table, key: str) -> dict[str, Any]:
    return dict(table.table(key).values())


def _between(table: Table, key: str, default: float, high: float) -> float:
    value = table.number_or(key, default)
    if not 0 <= value <= high:
        raise table.fail(key, f"expected a number from 0 to {high:g}")
    return value


_READERS: dict[CheckKind, Callable[[Table], Check]] = {
    "exact": _exact,
    "regex": _regex,
    "facts": _facts,
    "label": _label,
    "number": _number,
    "chrf": _chrf,
    "json": _json,
    "tool": _tool,
    "code": _code,
    "ranking": _ranking,
}
