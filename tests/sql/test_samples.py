"""Texts of a database that a model is shown behind its tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lmpm.sql import connect, gbnf, prepare, read_database, read_ddl, with_values

DDL = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, city TEXT, job VARCHAR(20), age INTEGER, born DATE, note TEXT);
CREATE TABLE "main offices" (id INTEGER PRIMARY KEY, "street name" TEXT, opened TEXT, photo BLOB);
"""
ROWS = """
INSERT INTO people VALUES (1, 'Ada', 'Dublin', 'Nurse', 31, '1990-01-02', 'a, b');
INSERT INTO people VALUES (2, 'Ben', 'Oslo', 'Cook', 40, NULL, ''), (4, 'Di', NULL, 'Cook', 5, NULL, 'two
lines');
INSERT INTO people VALUES (3, 'Cy', 'New York', 'Cook', 22, NULL, 'x' || hex(zeroblob(40)));
INSERT INTO "main offices" VALUES (1, 'High St', '2020-05-01', x'00'), (2, 'O''Hara Row', '2021-05-01', NULL);
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A real file, opened as `lmpm run` opens it."""
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(DDL + ROWS)
        made.executemany(
            "INSERT INTO people VALUES (NULL, ?, ?, 'Clerk', 1, NULL, NULL)", [(f"P{n}", f"Town{n}") for n in range(50)]
        )
        made.commit()
    with closing(connect(path)) as connection:
        yield connection


def lines(text: str) -> dict[str, list[str]]:
    """The texts of each column that is shown."""
    shown = [line[3:].split(": ", 1) for line in text.splitlines() if line.startswith("-- ")]
    return {column: texts.split(", ") for column, texts in shown}


def test_a_few_short_texts_of_each_column_stand_behind_its_table(database: sqlite3.Connection) -> None:
    schema = read_ddl(DDL)
    text = with_values(database, schema, "How many are there?")
    assert lines(text) == {
        "people.name": ["Ada", "Ben", "Cy", "Di", "P0"],
        "people.city": ["Dublin", "Oslo", "New York", "Town0", "Town1"],
        "people.job": ["Nurse", "Cook", "Clerk"],
        "main offices.street name": ["High St", "O'Hara Row"],
    }
    assert text.index("-- people.job") < text.index('CREATE TABLE "main offices"') < text.index("-- main offices.")
    assert read_ddl(text) == schema and gbnf(read_ddl(text)) == gbnf(schema), "they are comments"


@pytest.mark.parametrize(
    ("question", "column", "text"),
    [
        ("Who lives in Town44?", "people.city", "Town44"),
        ("who lives in town44", "people.city", "Town44"),
        ("How many people are from New York?", "people.city", "New York"),
        ("Is P31's age known?", "people.name", "P31"),
        ("Count the nurses.", "people.job", "Nurse"),
        ("What is at O'Hara Row?", "main offices.street name", "O'Hara Row"),
    ],
)
def test_those_of_the_question_come_first(database: sqlite3.Connection, question: str, column: str, text: str) -> None:
    assert lines(with_values(database, read_ddl(DDL), question))[column][0] == text


def test_what_does_not_fit_is_left_out_and_what_is_asked_for_stays(database: sqlite3.Connection) -> None:
    schema = read_ddl(DDL)
    room = len(schema.ddl) + 60
    text = with_values(database, schema, "Who is in Town44?", fits=lambda text: len(text) <= room)
    assert list(lines(text)) == ["people.city"] and len(text) <= room
    assert with_values(database, schema, "Town44?", fits=lambda _: False) == schema.ddl


def test_only_the_tables_that_are_shown_and_only_where_they_are_wanted(database: sqlite3.Connection) -> None:
    schema = read_ddl(DDL)
    shown = prepare(schema, "How many people?", tables=["people"], connection=database, values=True)
    assert list(lines(shown.schema)) == ["people.name", "people.city", "people.job"]
    assert prepare(schema, "How many people?", connection=database).schema == schema.ddl
    assert prepare(schema, "How many people?", values=True).schema == schema.ddl, "without a database there are none"


def test_a_file_whose_texts_cannot_be_read_is_asked_without_them(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    with closing(sqlite3.connect(path)) as made:
        made.executescript("CREATE TABLE a (t TEXT); CREATE VIEW v AS SELECT gone FROM a;")
        made.execute("INSERT INTO a VALUES (CAST(x'ff' AS TEXT))")
        made.commit()
    with closing(connect(path)) as connection:
        schema = read_database(path)
        assert lines(with_values(connection, schema, "ff")) == {}
