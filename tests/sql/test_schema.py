"""Schemas: from statements, from files, and what is neither."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lmpm.errors import SpecError
from lmpm.sql import Table, fill, make_demo, quoted, read_database, read_ddl

ODD = """
-- names that need quotes; a semicolon ; here
CREATE TABLE "Order Items" ("select" INTEGER PRIMARY KEY, "a""b" TEXT, größe INT, bare, n VARCHAR(20), d DATE);
CREATE TABLE parent (id INTEGER PRIMARY KEY);
CREATE TABLE child (parent_id INT REFERENCES PARENT, self INT REFERENCES child(self), gone INT REFERENCES nowhere(id));
CREATE INDEX i ON child (self);
CREATE VIEW v AS SELECT id AS vid FROM parent
"""


def test_statements_of_sqlite() -> None:
    schema = read_ddl(ODD)
    assert [table.name for table in schema.tables] == ["Order Items", "parent", "child", "v"]
    odd = schema.tables[0]
    assert [column.name for column in odd.columns] == ["select", 'a"b', "größe", "bare", "n", "d"]
    assert [column.is_text for column in odd.columns] == [False, True, False, True, True, True]
    assert [column.is_key for column in odd.columns] == [True] + [False] * 5
    child = schema.table("CHILD")
    assert child is not None
    assert [(key.column, key.table, key.target) for key in child.keys] == [
        ("parent_id", "parent", "id"),
        ("self", "child", "self"),
    ]
    assert schema.tables[3].ddl == "CREATE TABLE v (vid INTEGER)"
    assert read_ddl(schema.ddl).tables[0].columns == odd.columns


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no table"),
        ("-- nothing", "has no table"),
        ("CREATE TABLE t (", "incomplete input"),
        ("CREATE TABLE t (a INT DEFAULT now())", "syntax error"),
        ("CREATE TABLE t (a); CREATE TABLE t (a)", "already exists"),
        ("DROP TABLE t", "not made of CREATE statements alone"),
        ("ATTACH 'x.db' AS x", "not made of CREATE statements alone"),
        ("SELECT load_extension('x')", "not made of CREATE statements alone"),
        ("CREATE TABLE t (a); PRAGMA writable_schema = 1", "not made of CREATE statements alone"),
        ("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", "no such table|not authorized"),
    ],
)
def test_what_is_no_schema(text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=says):
        read_ddl(text)
    assert not list(tmp_path.iterdir())


def test_a_file_is_only_read(tmp_path: Path) -> None:
    path = tmp_path / "a b#1.sqlite"  # a name that a URI must not misread
    make_demo(path)
    before = path.read_bytes()
    assert len(read_database(path).tables) == 10
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]
    with pytest.raises(SpecError, match="is there already"):
        make_demo(path)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database " * 100)
    empty = tmp_path / "empty.db"
    empty.touch()
    for path, says in ((text, "not a database"), (empty, "has no table"), (tmp_path / "none", "There is no database")):
        with pytest.raises(SpecError, match=says):
            read_database(path)


def test_a_virtual_table_without_its_shadows(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE notes USING fts5(title, body)")
        except sqlite3.Error:
            pytest.skip("SQLite here has no fts5")
        connection.execute("CREATE TABLE gone (a)")
        connection.execute("CREATE VIEW broken AS SELECT a FROM gone")
        connection.execute("DROP TABLE gone")
    tables = {table.name: [column.name for column in table.columns] for table in read_database(path).tables}
    assert tables == {"notes": ["title", "body"], "broken": []}


def test_names_are_quoted_where_sqlite_needs_it() -> None:
    assert [quoted(name) for name in ("name", "Title", "date", "count", "_x1")] == [
        "name",
        "Title",
        "date",
        "count",
        "_x1",
    ]
    for name in ("select", "Order Items", "current_date", "1st", 'a"b', "group", "größe", "index", ""):
        assert quoted(name) == '"' + name.replace('"', '""') + '"'


def test_the_demo_is_the_same_everywhere() -> None:
    dumps = []
    for _ in range(2):
        with closing(sqlite3.connect(":memory:")) as connection:
            fill(connection)
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            dumps.append([*connection.iterdump()])
            counts = [connection.execute(f"SELECT COUNT(*) FROM {t.name}").fetchone()[0] for t in _tables(connection)]
    assert dumps[0] == dumps[1]
    assert len(counts) == 10 and min(counts) >= 4 and sum(counts) > 500


def _tables(connection: sqlite3.Connection) -> list[Table]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return [Table(name, ()) for (name,) in names]
