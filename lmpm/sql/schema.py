"""The schema of a database: tables, columns and keys, read from CREATE statements or from a SQLite file."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_COLUMNS: Final = 20_000  # of a whole schema: what has more is no schema to ask a model about
MAX_DDL_CHARS: Final = 4 * 1024 * 1024
OFFERED: Final = ("table", "view", "virtual")  # of PRAGMA table_list; a shadow table is its virtual one's own
NUMBER_TYPE: Final = re.compile(r"int|real|floa|doub|num|dec|bool", re.IGNORECASE)
TEXT_TYPE: Final = re.compile(r"char|clob|text", re.IGNORECASE)  # https://www.sqlite.org/datatype3.html, 3.1
_MADE: Final = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_VIEW, sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_RECURSIVE,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it was declared; `type` is empty where none was."""

    name: str
    type: str = ""
    is_key: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it may hold text by what it was declared as; a date does."""
        return bool(TEXT_TYPE.search(self.type)) or not NUMBER_TYPE.search(self.type)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One column of a table that refers to a column of another one."""

    column: str
    table: str
    target: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view. `ddl` is the statement that a model is shown, without its semicolon."""

    name: str
    columns: tuple[Column, ...]
    keys: tuple[ForeignKey, ...] = ()
    ddl: str = ""

    def column(self, name: str) -> Column | None:
        """The column of this name, in whatever case."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a database, in the order in which they were made."""

    tables: tuple[Table, ...]

    @property
    def ddl(self) -> str:
        """The statements that make it, one after another."""
        return "\n".join(f"{table.ddl};" for table in self.tables)

    def table(self, name: str) -> Table | None:
        """The table of this name, in whatever case."""
        return next((table for table in self.tables if table.name.lower() == name.lower()), None)

    def only(self, names: frozenset[str]) -> Schema:
        """Those tables alone."""
        return Schema(tuple(table for table in self.tables if table.name in names))


def read_ddl(text: str) -> Schema:
    """The schema that CREATE statements of SQLite make. They are run on an empty database in memory.

    Raises SpecError where SQLite refuses one, where there is no table in them, or where they do anything else.
    """
    if len(text) > MAX_DDL_CHARS:
        raise SpecError(f"The schema is too long: {len(text):,} characters, {MAX_DDL_CHARS:,} at most", kind="schema")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _MADE else sqlite3.SQLITE_DENY)
        try:
            for statement in statements(text):
                if not re.match(r"(?is)\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(?:create|insert)\b", statement):
                    raise SpecError(
                        f"The schema is not made of CREATE statements alone: `{statement.strip()[:60]}`", kind="schema"
                    )
                connection.execute(statement)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise SpecError(
                f"SQLite cannot read the schema: {error}",
                hint="A schema of another database needs its dialect: `--dialect postgres`, or `mysql`",
                kind="schema",
            ) from error
        connection.set_authorizer(None)
        return _read(connection, "The schema")


def read_database(path: Path) -> Schema:
    """The schema of a SQLite file, which is only read. Raises SpecError where it is not one, or has no table."""
    with closing(connect(path)) as connection:
        try:
            return _read(connection, f"`{path.name}`")
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection that can only read. Raises SpecError where there is no SQLite database."""
    if not path.is_file():
        raise SpecError(f"There is no database `{path}`", kind="database")
    connection = None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise _unreadable(path, error) from error
    return connection


def _unreadable(path: Path, error: sqlite3.Error) -> SpecError:
    return SpecError(f"`{path}` cannot be read as a SQLite database: {error}", kind="database")


def statements(text: str) -> Iterator[str]:
    """The statements of a script: a semicolon in a string, a comment or a trigger ends none."""
    start, end = 0, text.find(";")
    while end >= 0:
        if sqlite3.complete_statement(text[start : end + 1]):
            yield text[start : end + 1]
            start = end + 1
        end = text.find(";", end + 1)
    if re.sub(r"--[^\n]*|/\*.*?\*/", "", text[start:], flags=re.DOTALL).strip():
        yield text[start:]


def _read(connection: sqlite3.Connection, what: str) -> Schema:
    made = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view')").fetchall())
    order = {name: number for number, name in enumerate(made)}
    listed = [row for row in connection.execute("PRAGMA table_list") if row[0] == "main" and row[2] in OFFERED]
    tables = []
    for _, name, kind, *_ in sorted(listed, key=lambda row: order.get(row[1], len(order))):
        if name.startswith("sqlite_"):
            continue
        columns = _columns(connection, name)
        keys = tuple(_keys(connection, name))
        ddl = made[name] if kind == "table" and made.get(name) else _as_table(name, columns)
        tables.append(Table(name, columns, keys, ddl.strip().rstrip(";")))
    if not tables:
        raise SpecError(f"{what} has no table", kind="schema")
    if sum(len(table.columns) for table in tables) > MOST_COLUMNS:
        raise SpecError(f"{what} has more than {MOST_COLUMNS:,} columns", kind="schema")
    resolved = {table.name.lower(): table for table in tables}
    return Schema(tuple(_resolved(table, resolved) for table in tables))


def _columns(connection: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    try:
        rows = connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
    except sqlite3.Error:  # a view whose table is gone: it cannot be asked
        return ()
    return tuple(Column(row[1], row[2] or "", bool(row[5])) for row in rows if row[6] != 1)  # 1: hidden


def _keys(connection: sqlite3.Connection, table: str) -> Iterator[ForeignKey]:
    for row in reversed(connection.execute(f"PRAGMA foreign_key_list({quoted(table)})").fetchall()):
        yield ForeignKey(row[3], row[2], row[4] or "")


def _resolved(table: Table, tables: dict[str, Table]) -> Table:
    """With the names that its keys refer to as they were declared, and without a key that leads nowhere."""
    keys = []
    for key in table.keys:
        other = tables.get(key.table.lower())
        if other is None:
            continue
        primary = [column.name for column in other.columns if column.is_key]
        target = other.column(key.target) if key.target else other.column(primary[0]) if primary else None
        here = table.column(key.column)
        if target is not None and here is not None:
            keys.append(ForeignKey(here.name, other.name, target.name))
    return Table(table.name, table.columns, tuple(keys), table.ddl)


def _as_table(name: str, columns: tuple[Column, ...]) -> str:
    """A view as a model best reads it: what can be asked of it."""
    inner = ", ".join(f"{quoted(column.name)} {column.type}".strip() for column in columns)
    return f"CREATE TABLE {quoted(name)} ({inner})"


@lru_cache(maxsize=4096)
def quoted(name: str) -> str:
    """A name as SQL writes it: bare where SQLite, asked about it, takes it for a name, else in double quotes."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        with closing(sqlite3.connect(":memory:")) as connection:
            try:
                asked = f"SELECT {name}.{name}, {name} FROM (SELECT 7 AS {name}) AS {name} ORDER BY {name}"  # noqa: S608
                if connection.execute(asked).fetchone() == (7, 7):
                    return name
            except sqlite3.Error:
                pass
    return '"' + name.replace('"', '""') + '"'
