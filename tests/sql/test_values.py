"""Texts of a query, looked up in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from lmpm.sql import Change, check_values, count_texts, read_ddl

DDL = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, city TEXT, job TEXT, age INTEGER, note TEXT);
CREATE TABLE firms (id INTEGER PRIMARY KEY, name TEXT, "main office" TEXT);
"""


@pytest.fixture
def people() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(DDL)
        connection.executescript(
            """
            INSERT INTO people VALUES (1, 'Ada', 'Dublin', 'Nurse', 31, 'it''s');
            INSERT INTO people VALUES (2, 'Ben', 'Oslo', 'Cook', 40, 'Twin'), (3, 'Twin', 'oslo', 'Cook', 40, NULL);
            INSERT INTO firms VALUES (1, 'Acme', 'Turin');"""
        )
        yield connection


@pytest.mark.parametrize(
    ("sql", "checked", "changes"),
    [
        ("SELECT * FROM people WHERE name = 'Dublin'", "SELECT * FROM people WHERE city = 'Dublin'", 1),
        ("SELECT * FROM people WHERE name='dublin'", "SELECT * FROM people WHERE city='Dublin'", 1),
        ("SELECT * FROM people p WHERE p.name = 'Nurses'", "SELECT * FROM people p WHERE p.job = 'Nurse'", 1),
        ("SELECT * FROM people WHERE name IN ('Dublin')", "SELECT * FROM people WHERE city IN ('Dublin')", 1),
        ("SELECT * FROM people WHERE job = 'cook'", "SELECT * FROM people WHERE job = 'Cook'", 1),
        ("SELECT * FROM people WHERE name = 'it''s'", "SELECT * FROM people WHERE note = 'it''s'", 1),
        ("SELECT * FROM firms WHERE name <> 'Turin'", "SELECT * FROM firms WHERE \"main office\" <> 'Turin'", 1),
        (
            "SELECT people.id FROM people JOIN firms ON firms.id = people.id WHERE people.name = 'Dublin'",
            "SELECT people.id FROM people JOIN firms ON firms.id = people.id WHERE people.city = 'Dublin'",
            1,
        ),
    ],
)
def test_a_text_moves_to_the_only_column_that_holds_it(
    people: sqlite3.Connection, sql: str, checked: str, changes: int
) -> None:
    found = check_values(people, read_ddl(DDL), sql)
    assert found.sql == checked and len(found.changes) == changes and not found.doubts
    people.execute(found.sql)


@pytest.mark.parametrize(
    ("sql", "doubts"),
    [
        ("SELECT * FROM people WHERE city = 'Paris'", (("people.city", "Paris"),)),
        ("SELECT * FROM people WHERE job = 'Twin'", (("people.job", "Twin"),)),  # in two other columns
        ("SELECT * FROM people WHERE job = 'OSLO'", (("people.job", "OSLO"),)),  # spelt in two ways
        ("SELECT * FROM people WHERE name = 'Turin'", (("people.name", "Turin"),)),  # of another table
    ],
)
def test_a_text_that_could_be_anywhere_is_doubted(
    people: sqlite3.Connection, sql: str, doubts: tuple[tuple[str, str], ...]
) -> None:
    found = check_values(people, read_ddl(DDL), sql)
    assert (found.sql, found.changes, found.doubts) == (sql, (), doubts)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM people WHERE city = 'Dublin'",
        "SELECT * FROM people WHERE age = 'forty'",
        "SELECT * FROM people WHERE city LIKE 'X%' -- name = 'Dublin'",
        "SELECT 'name = ''Dublin''' FROM people",
        "SELECT * FROM people, firms WHERE name = 'Dublin'",  # whose name it is cannot be said
        "SELECT * FROM nowhere WHERE name = 'Dublin'",
        "not SQL = 'at all",
        "",
    ],
)
def test_what_is_right_or_not_understood_stays(people: sqlite3.Connection, sql: str) -> None:
    assert check_values(people, read_ddl(DDL), sql).sql == sql
    assert not check_values(people, read_ddl(DDL), sql).doubts


def test_a_change_says_what_it_did(people: sqlite3.Connection) -> None:
    found = check_values(people, read_ddl(DDL), "SELECT * FROM people WHERE name = 'nurses'")
    assert found.changes == (Change("nurses", "name", "Nurse", "job"),)


def test_the_texts_of_a_question(people: sqlite3.Connection) -> None:
    assert count_texts(people, read_ddl(DDL), "Who lives in Dublin and knows 'Ada'?") == {"people": 2, "firms": 0}
