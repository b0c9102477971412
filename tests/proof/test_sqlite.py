"""SQL from a model: found in any answer, run as hostile input, compared as a person would."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmpm.errors import CatalogError
from lmpm.proof.sqlite import rows_on, same_rows
from lmpm.sql import QueryError, extract_sql

SCHEMA = "CREATE TABLE t (a INTEGER, b TEXT); CREATE TABLE u (a INTEGER);"
ROWS = ("INSERT INTO t VALUES (1, 'x;y'), (2, 'z')", "INSERT INTO u VALUES (1), (2), (3)")


@pytest.mark.parametrize(
    ("answer", "sql"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  select 1 ;  ", "select 1"),
        ("SQL: SELECT 1", "SELECT 1"),
        ("**SQL Query:** SELECT 1", "SELECT 1"),
        ("```sql\nSELECT 1;\n```", "SELECT 1"),
        ("```\nSELECT 1\n```", "SELECT 1"),
        ("```SQLite\nSELECT 1\n```", "SELECT 1"),
        ("```sql SELECT 1```", "SELECT 1"),
        ("Here it is:\n\n```sql\nSELECT 1\n```\nIt selects one; good luck", "SELECT 1"),
        ("SELECT 1\n```\n\nExplanation: ...", "SELECT 1"),
        ("SELECT 1; DROP TABLE t", "SELECT 1"),
        ("SELECT ';' AS a; SELECT 2", "SELECT ';' AS a"),
        ("SELECT 1 -- a; b\n + 1; SELECT 2", "SELECT 1 -- a; b\n + 1"),
        ("-- all of them\nSELECT 1\n```", "-- all of them\nSELECT 1"),
        ("<think>Maybe ```sql\nSELECT 2```?</think>\n<answer>```sql\nSELECT 1\n```</answer>", "SELECT 1"),
        ("COUNT(*) FROM t", "COUNT(*) FROM t"),  # a missing SELECT is not invented
        ("", ""),
        ("```", ""),
        (";;;", ""),
    ],
)
def test_extract_sql(answer: str, sql: str) -> None:
    assert extract_sql(answer) == sql


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT a FROM t ORDER BY a", [(1,), (2,)]),
        ("WITH c AS (SELECT a FROM t) SELECT sum(a) FROM c", [(3,)]),
        ("SELECT t.b, count(*) FROM t JOIN u ON u.a >= t.a GROUP BY t.b ORDER BY 2", [("z", 2), ("x;y", 3)]),
        ("SELECT upper(b) FROM t WHERE b LIKE '%y' AND a IN (SELECT a FROM u)", [("X;Y",)]),
        ("SELECT a, row_number() OVER (ORDER BY a DESC) FROM t ORDER BY a", [(1, 2), (2, 1)]),
        ("SELECT strftime('%Y', '2026-05-03'), round(avg(a), 1), CAST(a AS TEXT) FROM t", [("2026", 1.5, "1")]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        ("SELECT a FROM t WHERE a > 5", []),
    ],
)
def test_queries_that_a_task_may_need(sql: str, rows: list[tuple[object, ...]]) -> None:
    assert rows_on(SCHEMA, ROWS, sql) == tuple(rows)


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("ATTACH 'stolen.db' AS s", "ATTACH is not allowed"),
        ("VACUUM INTO 'stolen.db'", "not allowed"),
        ("PRAGMA writable_schema = 1", "PRAGMA is not allowed"),
        ("SELECT * FROM pragma_database_list", "not allowed"),
        ("DELETE FROM t", "a write is not allowed"),
        ("UPDATE t SET a = 1", "a write is not allowed"),
        ("INSERT INTO t VALUES (1, 'x')", "a write is not allowed"),
        ("DROP TABLE t", "a write is not allowed"),
        ("CREATE TABLE x (a)", "not allowed"),
        ("BEGIN", "not allowed"),
        ("SELECT load_extension('evil.so')", "the function `load_extension` is not allowed"),
        ("SELECT readfile('/etc/passwd')", "no such function"),
        ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c", "recursive query"),
        ("SELECT randomblob(1000000000)", "the function `randomblob` is not allowed"),
        ("SELECT zeroblob(1000000000)", "the function `zeroblob` is not allowed"),
        ("SELECT printf('%.*c', 1000000000, 'x')", "the function `printf` is not allowed"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT a FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, t j, t k", "ambiguous"),
        ("SELECT a.a FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, t j", "more than 1,000 rows"),
        ("SELECT count(*) FROM " + ", ".join(f"u x{number}" for number in range(40)), "takes too long"),
        ("SELECT '" + "x" * 20_000 + "'", "too big"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "parse|too large"),
        ("SELECT " + "replace(" * 9 + "'aaaa'" + ", 'a', 'aaaaaaaaaa')" * 9, "too big"),
        ("SELECT CAST(x'ff' AS TEXT)", "decode"),
        ("SELECT '\ud800'", "surrogates"),
        ("SELECT 1\0", "null character"),
        ("EXPLAINED", "syntax error"),
        ("-- nothing", "not a query"),
        ("", "not a query"),
    ],
)
def test_hostile_queries_fail(sql: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=problem):
        rows_on(SCHEMA, ROWS, sql)
    assert not list(tmp_path.iterdir())


def test_steps_that_nothing_interrupts_are_short() -> None:
    long = "replace(replace(hex('aaaaaaaa'), '6', '" + "6" * 30 + "'), '6', '" + "6" * 30 + "')"
    tables = ", ".join(f"u x{number}" for number in range(20))
    sql = f"SELECT max(instr(x, y)) FROM (SELECT {long} AS x, {long} || 'q' AS y), {tables}"
    with pytest.raises(QueryError, match="takes too long"):
        rows_on(SCHEMA, ROWS, sql)


def test_a_broken_database_is_the_catalog_s_fault() -> None:
    with pytest.raises(CatalogError, match="table t already exists"):
        rows_on(SCHEMA * 2, ROWS, "SELECT 1")


def test_extracting_from_a_hostile_answer_ends() -> None:
    assert extract_sql("'" + ";" * 1_000_000).startswith("'")
    assert extract_sql("```" * 300_000) == ""
    assert extract_sql("-- x\n" * 200_000).startswith("-- x")


@pytest.mark.parametrize(
    ("found", "expected", "ordered", "same"),
    [
        ([(1, "a")], [(1, "a")], True, True),
        ([(1,), (2,)], [(2,), (1,)], False, True),
        ([(1,), (2,)], [(2,), (1,)], True, False),
        ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False, False),
        ([(0.30000000000000004,)], [(0.3,)], True, True),
        ([(3,)], [(3.0,)], True, True),
        ([(1000000.5,)], [(1000000.4,)], True, True),
        ([(1.01,)], [(1.0,)], True, False),
        ([("3",)], [(3,)], True, False),
        ([(None,)], [(None,)], True, True),
        ([(None,)], [(0,)], True, False),
        ([("A",)], [("a",)], True, False),
        ([(1, 2)], [(1,)], True, False),
        ([], [], False, True),
        ([(1,)], [], False, False),
    ],
)
def test_same_rows(
    found: list[tuple[object, ...]], expected: list[tuple[object, ...]], ordered: bool, same: bool
) -> None:
    assert same_rows(found, expected, ordered=ordered) == same
