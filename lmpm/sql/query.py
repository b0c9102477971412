"""A query of a model, run as hostile input: it only reads, and its time, steps, rows and values are bounded."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEPS_BETWEEN_CHECKS: Final = 100  # one step can compare two long values, which nothing interrupts
MAX_PATTERN_BYTES: Final = 1024  # of LIKE and GLOB

# No RECURSIVE, ATTACH, PRAGMA, TRANSACTION or write. Functions by name: what a query may need, and
# nothing that loads, reads files or makes large values from nothing: `printf('%.*c', 1000000000, 'x')`
# keeps SQLite busy for 12 seconds in one step, which no handler interrupts.
ALLOWED_ACTIONS: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
ALLOWED_FUNCTIONS: Final = frozenset(
    """
    abs acos asin atan atan2 avg cast ceil ceiling char coalesce concat concat_ws cos count cume_dist date
    datetime degrees dense_rank exp first_value floor glob group_concat hex ifnull iif instr
    julianday lag last_value lead length like likelihood likely ln log log10 log2 lower ltrim max median min
    mod nth_value ntile nullif octet_length percent_rank percentile pi pow power quote radians rank
    replace round row_number rtrim sign sin sqrt strftime string_agg substr substring sum tan time timediff
    total trim trunc typeof unicode unixepoch unlikely upper
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
ACTION_NAMES: Final = {
    sqlite3.SQLITE_RECURSIVE: "a recursive query",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_INSERT: "a write",
    sqlite3.SQLITE_UPDATE: "a write",
    sqlite3.SQLITE_DELETE: "a write",
}

Row = tuple[object, ...]


class QueryError(Exception):
    """A query cannot be run, or is not allowed to; the message goes on after "the SQL fails: "."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLimits:
    """What a query may take. `steps` are of SQLite's virtual machine: the same on a slow machine; None: any number.

    `value_bytes` bounds a value and a row: SQLite refuses to make a larger one. What all rows hold ends at
    `total_bytes`.
    """

    rows: int = 1_000
    time_s: float = 1.0
    steps: int | None = 5_000_000
    value_bytes: int = 16 * 1024
    total_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query found. `is_cut` says that there are more rows than were asked for."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    is_cut: bool = False


def run_query(connection: sqlite3.Connection, sql: str, limits: QueryLimits) -> Rows:
    """The rows of one SELECT, the first `limits.rows` of them. Raises QueryError.

    The connection is bounded from then on.
    """
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.value_bytes)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    refused: list[str] = []
    connection.set_authorizer(_authorizer(refused))
    connection.set_progress_handler(_budget(limits), STEPS_BETWEEN_CHECKS)
    try:
        cursor = connection.execute(sql)
        found, is_cut = _fetch(cursor, limits)
    except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError, OverflowError) as error:
        raise QueryError(_explain(error, refused)) from error
    finally:
        connection.set_progress_handler(None, STEPS_BETWEEN_CHECKS)
        connection.set_authorizer(None)
    if cursor.description is None:
        raise QueryError("it is not a query")
    names = tuple(item[0] for item in cursor.description)
    return Rows(names, tuple(found), is_cut)


def _fetch(cursor: sqlite3.Cursor, limits: QueryLimits) -> tuple[list[Row], bool]:
    """The rows that the limits allow, and whether there are more."""
    found: list[Row] = []
    held = 0
    for row in cursor:
        held += sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
        if len(found) == limits.rows or held > limits.total_bytes:
            return found, True
        found.append(row)
    return found, False


def _authorizer(refused: list[str]) -> Callable[[int, str | None, str | None, str | None, str | None], int]:
    def allow(action: int, _first: str | None, second: str | None, *_: str | None) -> int:
        if action in ALLOWED_ACTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            if (second or "").lower() in ALLOWED_FUNCTIONS:
                return sqlite3.SQLITE_OK
            refused.append(f"the function `{second}`")
        else:
            refused.append(ACTION_NAMES.get(action, "what it does"))
        return sqlite3.SQLITE_DENY

    return allow


def _budget(limits: QueryLimits) -> Callable[[], int]:
    deadline = time.monotonic() + limits.time_s
    most = None if limits.steps is None else limits.steps // STEPS_BETWEEN_CHECKS
    passed = 0

    def stop() -> int:
        nonlocal passed
        passed += 1
        return int((most is not None and passed > most) or time.monotonic() > deadline)

    return stop


def _explain(error: Exception, refused: Sequence[str]) -> str:
    if refused:
        return f"{refused[0]} is not allowed"
    text = str(error)
    return "it takes too long" if text == "interrupted" else text
