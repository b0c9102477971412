"""Checks of answers, each on answers that are right, wrong and strange."""

from __future__ import annotations

import json
import re
import sys

import pytest

from lmpm.proof.checks.code import Code
from lmpm.proof.checks.ranking import Ranking, ndcg, recall
from lmpm.proof.checks.rows import Reading, Rows, derived
from lmpm.proof.checks.structure import Call, Fields
from lmpm.proof.checks.text import Exact, Facts, Label, Number, Pattern, Translation, chrf

SHOP = """
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price REAL, sold DATE, maker INTEGER REFERENCES makers(id));
CREATE TABLE makers (id INTEGER PRIMARY KEY, name TEXT UNIQUE, active INTEGER);
INSERT INTO items VALUES (1,'lamp',25.5,'2026-05-01',1),(2,'desk',180,'2026-05-09',1),(3,'rug',75,'2025-05-03',2);
INSERT INTO items VALUES (4,'cup',4.25,NULL,2),(5,'bowl',9,'2026-05-20',2);
INSERT INTO makers VALUES (1,'Ola',1),(2,'Per',0);
"""


@pytest.mark.parametrize(
    ("check", "answers"),
    [
        (Exact(expected=("Paris",)), {" Paris\n": True, "paris": False, "Paris.": False, "": False}),
        (Exact(expected=("yes", "y"), ignore_case=True), {"Y": True, "YES ": True, "no": False}),
        (Pattern(expected=re.compile(r"^\d{4}$", re.MULTILINE)), {"in\n2026": True, "20266": False}),
        (Facts(must=(("12", "twelve"),)), {"Twelve.": True, "112": False, "12.5": False, "12.": True, "12,5": False}),
        (Facts(must=(("roof",),), must_not=(("pool",),)), {"Roofs leak": True, "roof and pool": False, "pool": False}),
        (Label(labels=("spam", "not spam"), expected="not spam"), {"Not spam.": True, "spam": False, "none": False}),
        (Number(expected=34), {"40 - 6 = 34": True, "34 of 40": False, "none": False, "$34.00.": True}),
        (Number(expected=1234.5, tolerance=0.5), {"1,235": True, "1,236": False}),
        (Number(expected=-3), {"-3": True, "3": False}),
    ],
)  # fmt: skip
def test_words(check: Exact, answers: dict[str, bool]) -> None:
    assert {answer: check.judge(answer).passed for answer in answers} == answers


def test_facts_are_counted() -> None:
    check = Facts(must=(("a",), ("b",), ("c",)), must_not=(("d",),))
    assert [check.judge(text).value for text in ("a b c", "a b", "a d", "x")] == [1.0, 0.75, 0.25, 0.25]


@pytest.mark.parametrize(
    ("answer", "passed", "score"),
    [
        ('{"name": "ada!", "age": 36.00001, "tags": ["b", "a"]}', True, 1.0),
        ('text {"name": "Ada", "age": 36, "tags": ["a", "b"]} more', True, 1.0),
        ('{"name": "Ada", "age": "36", "tags": ["a", "b"]}', False, 2 / 3),
        ('{"name": "Ada", "age": 36, "tags": ["a", "b"], "more": 1}', False, 6 / 7),
        ('{"name": "Ada"}', False, 0.5),
        ('{"name": true, "age": true, "tags": true}', False, 0.0),
        ("[]", False, 0.0),
        ('{"name": "Ada", ', False, 0.0),
    ],
)
def test_an_object_field_by_field(answer: str, passed: bool, score: float) -> None:
    verdict = Fields(expected={"name": "Ada", "age": 36, "tags": ["a", "b"]}).judge(answer)
    assert verdict.passed == passed
    assert verdict.value == pytest.approx(score)


def test_null_is_a_value() -> None:
    check = Fields(expected={"total": None})
    answers = ('{"total": null}', '{"total": 0}', "{}")
    assert [check.judge(answer).passed for answer in answers] == [True, False, False]


def test_a_json_schema() -> None:
    pytest.importorskip("jsonschema")
    check = Fields(expected=None, schema={"type": "object", "required": ["a"], "properties": {"a": {"minimum": 3}}})
    assert [check.judge(answer).passed for answer in ('{"a": 3}', '{"a": 2}', '{"b": 3}')] == [True, False, False]
    assert "$.a" in check.judge('{"a": 2}').detail


OSLO = Call(function="weather", arguments={"city": "Oslo", "days": 2})


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ('{"name": "weather", "arguments": {"city": "oslo", "days": 2}}', True),
        ('{"function": {"name": "weather", "parameters": {"days": 2.0, "city": "Oslo."}}}', True),
        ('{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\", \\"days\\": 2}"}', True),
        ('{"name": "weather", "arguments": {"city": "Oslo"}}', False),
        ('{"name": "weather", "arguments": {"city": "Oslo", "days": 2, "unit": "C"}}', False),
        ('{"name": "forecast", "arguments": {"city": "Oslo", "days": 2}}', False),
        ("It rains.", False),
    ],
)
def test_a_call(answer: str, passed: bool) -> None:
    assert OSLO.judge(answer).passed == passed


def test_no_call() -> None:
    check = Call(function=None, arguments={})
    answers = ("I cannot do that.", '{"name": null}', '{"name": "weather", "arguments": {}}')
    assert [check.judge(answer).passed for answer in answers] == [True, True, False]


@pytest.mark.parametrize(
    ("sql", "passed", "words"),
    [
        ("SELECT name FROM items WHERE price > 50", True, "2 rows as expected"),
        ("```sql\nSELECT name FROM items WHERE price > 50;\n```", True, "as expected"),
        ("SELECT name FROM items WHERE price > 50 ORDER BY name", True, "as expected"),
        ("SELECT name FROM items WHERE price BETWEEN 70 AND 200", False, "by luck"),
        ("SELECT name FROM items WHERE name IN ('desk', 'rug')", False, "by luck"),
        ("SELECT id, name FROM items WHERE price > 50", False, "in other columns"),
        ("SELECT name FROM items", False, "expected 2 rows"),
        ("SELECT nome FROM items", False, "no such column"),
        ("DROP TABLE items", False, "the SQL fails"),
        ("Sure.", False, ""),
    ],
)
def test_rows(sql: str, passed: bool, words: str) -> None:
    check = Rows(database=SHOP, readings=(Reading(sql="SELECT name FROM items WHERE price > 50"),))
    verdict = check.judge(sql)
    assert verdict.passed == passed
    assert words in verdict.detail


def test_rows_that_are_known_without_a_query_are_compared_on_the_written_database_alone() -> None:
    check = Rows(database=SHOP, readings=(Reading(rows=(("desk",), ("rug",))),))
    assert check.judge("SELECT name FROM items WHERE name IN ('desk', 'rug')").passed


def test_another_reading_is_as_right() -> None:
    readings = tuple(Reading(sql=f"SELECT {what} FROM items WHERE price > 50") for what in ("name", "*"))
    check = Rows(database=SHOP, readings=readings)
    assert check.judge("SELECT * FROM items WHERE price > 50").passed


@pytest.mark.parametrize(("order", "passed"), [("DESC", True), ("ASC", False)])
def test_an_order_that_counts(order: str, passed: bool) -> None:
    reading = Reading(sql="SELECT name FROM items WHERE price > 50 ORDER BY price DESC")
    check = Rows(database=SHOP, readings=(reading,), ordered=True)
    assert check.judge(f"SELECT name FROM items WHERE price > 50 ORDER BY price {order}").passed == passed


def test_derived_databases_keep_keys_and_unique_values() -> None:
    import sqlite3
    from contextlib import closing

    def table(script: str, columns: str, name: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(":memory:")) as database:
            database.executescript(script)
            return database.execute(f"SELECT {columns} FROM {name} ORDER BY id").fetchall()

    fewer, moved, changed = derived(SHOP)
    assert len(table(fewer, "id", "items")) == 3
    for script in (moved, changed):
        assert table(script, "id, maker", "items") == table(SHOP, "id, maker", "items")
        assert table(script, "name", "makers") == table(SHOP, "name", "makers")
        assert table(script, "price", "items") != table(SHOP, "price", "items")
    assert table(changed, "active", "makers") == table(SHOP, "active", "makers")  # truth values stay
    assert table(changed, "sold", "items")[0] == ("2017-05-01",)


def test_rankings() -> None:
    check = Ranking(relevance=(0, 2, 1), least=0.99)
    assert check.judge((0.1, 0.9, 0.5)).passed
    assert not check.judge((0.9, 0.5, 0.1)).passed
    assert check.judge((0.5, 0.5, 0.5)).value < 0.8  # the same of all wins nothing
    assert not check.judge((float("nan"), 1.0, 0.0)).passed
    assert not check.judge((1.0, 0.0)).passed
    assert ndcg([1, 0, 2], 10) == pytest.approx((1 + 3 / 2) / (3 + 1 / 1.5849625))  # log2 of 2, 3 and 4
    assert ndcg([0, 0], 10) == 0.0
    assert [recall([0, 1, 1, 0], depth) for depth in (1, 2, 3)] == [0, 0.5, 1]


# sacrebleu 2.6: `CHRF().sentence_score(answer, [reference]).score`
CHRF = [
    ("the cat sat on mat", "the cat sat on the mat", 66.92857239808531),
    ("Wo kann ich mein Auto parken?", "Wo kann ich das Auto parken?", 71.5854498429038),
    ("Hallo!", "Guten Tag", 2.1929824561403506),
    ("ab", "abc", 63.636363636363626),
]


@pytest.mark.parametrize(("answer", "reference", "score"), CHRF)
def test_chrf_is_that_of_sacrebleu(answer: str, reference: str, score: float) -> None:
    assert chrf(answer, reference) == pytest.approx(score, abs=1e-9)


def test_translations() -> None:
    reference = "Wo kann ich das Auto parken?"
    assert chrf(reference, reference) == pytest.approx(100)
    assert chrf("", reference) == 0
    assert chrf("xyz", reference) < 5
    check = Translation(expected=("Guten Tag", "Hallo"))
    assert check.judge("Hallo!").passed
    assert not check.judge("Auf Wiedersehen").passed


@pytest.mark.skipif(sys.platform != "linux", reason="code is confined on Linux alone")
@pytest.mark.parametrize(
    ("answer", "passed", "words"),
    [
        ("def double(n):\n    return 2 * n", True, ""),
        ("Here it is:\n```python\ndef double(n):\n    return n + n\n```\nDone.", True, ""),
        ("def double(n):\n    return n", False, "AssertionError"),
        ("def double(n:", False, "SyntaxError"),
        ("import sys; sys.exit(0)", False, "SystemExit"),
        ("import os; os._exit(0)", False, "ended the process"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", False, "PermissionError"),
        ("import os; os.fork()", False, "PermissionError"),
        ("open('/tmp/lmpm-was-here', 'w')", False, "PermissionError"),
        ("x = bytearray(1 << 40)", False, "MemoryError"),
    ],
)  # fmt: skip
def test_code_is_run_confined(answer: str, passed: bool, words: str) -> None:
    verdict = Code(test="assert double(4) == 8").judge(answer)
    assert verdict.passed == passed, verdict
    assert words in verdict.detail


def test_the_values_of_a_verdict_are_json() -> None:
    assert json.dumps(Fields(expected={"a": 1}).judge('{"a": 1}').value) == "1.0"
