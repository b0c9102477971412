"""The check of an SQL query: it is run, and its rows compared, also on databases derived from the written one.

A query can be right by luck: `COUNT(*)` where a filter is asked for, when every row passes it. So where the right
query is known, both are run on three more databases as well, and must agree there, too.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from lmpm.proof.judge import Verdict
from lmpm.proof.sqlite import rows_on, same_rows
from lmpm.sql import QueryError, extract_sql
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmpm.sql import Row

DIGITS: Final = 4  # to which numbers are compared: many queries round
MOST_COLUMNS: Final = 7  # of an answer whose columns are tried in other orders
DATE: Final = re.compile(r"(\d{4})(-\d\d-\d\d.*)", re.DOTALL)
LIMIT: Final = re.compile(r"\blimit\b", re.IGNORECASE)
Derivation = Literal["fewer", "moved", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One right answer: a query, or its rows on the written database where the query is not known."""

    sql: str | None = None
    rows: tuple[Row, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The answer's SQL returns the rows of one of the readings; their order counts where it is `ordered`.

    `database` is a script that makes the tables and fills them.
    """

    kind: ClassVar = "sql"
    database: str
    readings: tuple[Reading, ...]
    ordered: bool = False

    def judge(self, answer: str) -> Verdict:
        """Run the query and compare its rows."""
        sql = extract_sql(answer)
        shown = sql or answer.strip()
        if not sql:
            return Verdict(False, "the answer holds no SQL", answer=shown)
        try:
            rows = _rounded(rows_on(self.database, (), sql))
        except QueryError as error:
            return Verdict(False, f"the SQL fails: {error}", answer=shown)
        wanted = [self._rows_of(reading) for reading in self.readings]
        fitting = [reading for reading, right in zip(self.readings, wanted, strict=True) if self._same(rows, right)]
        if any(self._holds(reading, sql) for reading in fitting):
            return Verdict(True, f"{count(len(rows), 'row')} as expected", answer=shown)
        if fitting:
            return Verdict(False, "right on these rows by luck: on others it differs", answer=shown)
        if any(self._has_other_columns(rows, right) for right in wanted):
            return Verdict(False, "the right rows in other columns", answer=shown)
        return Verdict(False, f"expected {_shown(wanted[0])}, got {_shown(rows)}", answer=shown)

    def _rows_of(self, reading: Reading) -> list[Row]:
        if reading.sql is not None:
            return _rounded(rows_on(self.database, (), reading.sql))
        return _rounded(reading.rows or ())

    def _same(self, found: Sequence[Row], expected: Sequence[Row]) -> bool:
        return same_rows(found, expected, ordered=self.ordered)

    def _holds(self, reading: Reading, sql: str) -> bool:
        """Whether a query agrees with a reading on derived databases; of a LIMIT ties may be broken either way."""
        if reading.sql is None or LIMIT.search(reading.sql):
            return True
        try:
            return all(
                self._same(_rounded(rows_on(other, (), reading.sql)), _rounded(rows_on(other, (), sql)))
                for other in derived(self.database)
            )
        except QueryError:
            return False

    def _has_other_columns(self, found: Sequence[Row], expected: Sequence[Row]) -> bool:
        """Whether some choice of the answer's columns gives the right rows."""
        if not found or not expected or len(found) != len(expected):
            return False
        width, wanted = len(found[0]), len(expected[0])
        if not wanted <= width <= MOST_COLUMNS:
            return False
        orders = itertools.permutations(range(width), wanted)
        return any(self._same([tuple(row[at] for at in order) for row in found], expected) for order in orders)


def _rounded(rows: Iterable[Row]) -> list[Row]:
    return [tuple(round(value, DIGITS) if isinstance(value, float) else value for value in row) for row in rows]


def _shown(rows: Sequence[Row]) -> str:
    if not rows:
        return "no rows"
    text = f"{count(len(rows), 'row')}: " + ", ".join(repr(tuple(row)) for row in rows[:3])
    return text if len(text) <= 100 else text[:99] + "…"


@lru_cache(maxsize=64)
def derived(database: str) -> tuple[str, ...]:
    """Scripts of databases with the same tables and other rows; one that breaks a rule of the tables is left out."""
    kinds: tuple[Derivation, ...] = ("fewer", "moved", "changed")
    return tuple(script for kind in kinds if (script := _derive(database, kind)) is not None)


def _derive(database: str, kind: Derivation) -> str | None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as written:
        written.executescript(database)
        tables = written.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        ).fetchall()
        changes = [(name, _changed(written, number, name, sql, kind)) for number, (name, sql) in enumerate(tables)]
        try:
            for name, rows in changes:
                written.execute(f"DELETE FROM {_named(name)}")  # noqa: S608 - a quoted name
                places = ", ".join("?" * len(rows[0])) if rows else ""
                written.executemany(f"INSERT INTO {_named(name)} VALUES ({places})", rows)  # noqa: S608
        except sqlite3.Error:
            return None
        return "\n".join(written.iterdump())


def _named(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _changed(
    database: sqlite3.Connection, number: int, table: str, definition: str, kind: Derivation
) -> list[list[Any]]:
    """The rows of one table with those of its values changed that are not keys."""
    rows = [list(row) for row in database.execute(f"SELECT * FROM {_named(table)}")]  # noqa: S608
    if kind == "fewer":
        return [row for at, row in enumerate(rows) if at % 3 != 1]
    change = _move if kind == "moved" else _shift
    for column in _free_columns(database, table, definition):
        values = [row[column] for row in rows]
        for row, value in zip(rows, change(values, number), strict=True):
            row[column] = value
    return rows


def _free_columns(database: sqlite3.Connection, table: str, definition: str) -> Iterator[int]:
    """The places of the columns that are neither a key nor unique."""
    refer = {key[3].casefold() for key in database.execute(f"PRAGMA foreign_key_list({_named(table)})")}
    for place, name, _type, _null, _default, primary in database.execute(f"PRAGMA table_info({_named(table)})"):
        is_unique = re.search(rf"\b{re.escape(name)}\s+\w+\s+UNIQUE", definition, re.IGNORECASE)
        if not primary and not is_unique and name.casefold() not in refer:
            yield place


def _move(values: list[Any], _number: int) -> list[Any]:
    """Each value one row further down, the last one first."""
    return values[-1:] + values[:-1]


def _shift(values: list[Any], number: int) -> list[Any]:
    """In every second row dates nine years back and other numbers; truth values stay."""
    if set(values) <= {0, 1, None}:
        return values
    return [_shifted(value) if at % 2 == number % 2 else value for at, value in enumerate(values)]


def _shifted(value: Any) -> Any:
    if isinstance(value, int | float):
        return value * 2 + 3
    if isinstance(value, str) and (date := DATE.fullmatch(value)):
        return f"{int(date[1]) - 9}{date[2]}"
    return value
