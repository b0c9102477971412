"""SQL from a model on a small SQLite database: found in the answer, run as hostile input, rows compared."""

from __future__ import annotations

import math
import re
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from lmpm.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

QUERY_TIME_S: Final = 1.0
QUERY_STEPS: Final = 5_000_000  # of SQLite's virtual machine: the same on a slow machine
STEPS_BETWEEN_CHECKS: Final = 100  # one step can compare two long values, which nothing interrupts
MAX_ROWS: Final = 1_000
MAX_VALUE_BYTES: Final = 16 * 1024  # of a value or row: SQLite refuses to make a larger one
MAX_PATTERN_BYTES: Final = 1024  # of LIKE and GLOB
MAX_ANSWER_CHARS: Final = 16 * 1024
TOLERANCE: Final = 1e-6

FENCE: Final = re.compile(r"```[ \t]*(?:sql(?:ite3?)?\b|[\w+-]*[ \t]*(?=\r?\n|$))?", re.IGNORECASE)
LABEL: Final = re.compile(
    r"\s*(?:\*\*)?(?:sql(?:ite)?(?: query)?|query|answer)(?:\*\*)?\s*:(?:\*\*)?\s*", re.IGNORECASE
)
THOUGHT: Final = re.compile(r".*</think>", re.DOTALL | re.IGNORECASE)
TAG: Final = re.compile(r"</?(?:answer|sql)>", re.IGNORECASE)
STARTS_SQL: Final = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:select|with|values)\b", re.IGNORECASE)

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
    """A query cannot be run, or is not allowed to."""


def extract_sql(answer: str) -> str:
    """The first SQL statement of an answer, without fences, labels and what follows; empty: there is none."""
    text = TAG.sub("", THOUGHT.sub("", answer[:MAX_ANSWER_CHARS], count=1))
    before, *fenced = FENCE.split(text)
    if fenced and not STARTS_SQL.match(LABEL.sub("", before, count=1)):
        before = fenced[0]
    label = LABEL.match(before)
    return _first_statement(before[label.end() :] if label else before).strip()


def _first_statement(text: str) -> str:
    """What stands before the first `;` that ends a statement: not one in a string or a comment."""
    end = text.find(";")
    while end >= 0:
        if sqlite3.complete_statement(text[: end + 1]):
            return text[:end]
        end = text.find(";", end + 1)
    return text


def run_query(schema: str, rows: Sequence[str], sql: str) -> list[Row]:
    """The rows of one SELECT on a fresh database in memory; `schema` and `rows` come from the catalog.

    The query only reads: time, steps, rows and the size of values are bounded. Raises QueryError, and
    CatalogError when the database itself cannot be made.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _fill(connection, schema, rows)
        return _run_bounded(connection, sql)
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection, schema: str, rows: Sequence[str]) -> None:
    try:
        connection.executescript(schema)
        for statement in rows:
            connection.executescript(statement)
    except sqlite3.Error as error:
        raise CatalogError(f"The database of a test cannot be made: {error}") from error


def _run_bounded(connection: sqlite3.Connection, sql: str) -> list[Row]:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    refused: list[str] = []
    connection.set_authorizer(_authorizer(refused))
    connection.set_progress_handler(_budget(), STEPS_BETWEEN_CHECKS)
    try:
        cursor = connection.execute(sql)
        found = cursor.fetchmany(MAX_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError, OverflowError) as error:
        raise QueryError(_explain(error, refused)) from error
    if cursor.description is None:
        raise QueryError("it is not a query")
    if len(found) > MAX_ROWS:
        raise QueryError(f"it returns more than {MAX_ROWS:,} rows")
    return found


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


def _budget() -> Callable[[], int]:
    deadline = time.monotonic() + QUERY_TIME_S
    steps = iter(range(QUERY_STEPS // STEPS_BETWEEN_CHECKS))

    def stop() -> int:
        return int(next(steps, None) is None or time.monotonic() > deadline)

    return stop


def _explain(error: Exception, refused: Sequence[str]) -> str:
    if refused:
        return f"{refused[0]} is not allowed"
    text = str(error)
    return "it takes too long" if text == "interrupted" else text


def same_rows(found: Sequence[Row], expected: Sequence[Row], *, ordered: bool) -> bool:
    """Whether two results are the same; numbers may differ by rounding, names of columns do not count."""
    if len(found) != len(expected):
        return False
    if ordered:
        return all(_same_row(left, right) for left, right in zip(found, expected, strict=True))
    left_over = list(found)
    for row in expected:
        match = next((number for number, other in enumerate(left_over) if _same_row(other, row)), None)
        if match is None:
            return False
        del left_over[match]
    return True


def _same_row(left: Row, right: Row) -> bool:
    return len(left) == len(right) and all(map(_same_value, left, right))


def _same_value(left: object, right: object) -> bool:
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(left) is type(right) and left == right
