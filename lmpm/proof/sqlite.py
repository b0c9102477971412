"""SQL of a model on a small database of the catalog: run, and the rows compared as a person would."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from lmpm.errors import CatalogError
from lmpm.sql import QueryError, QueryLimits, run_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.sql import Row

LIMITS: Final = QueryLimits()
TOLERANCE: Final = 1e-6


def rows_on(schema: str, rows: Sequence[str], sql: str) -> tuple[Row, ...]:
    """The rows of one SELECT on a fresh database in memory; `schema` and `rows` come from the catalog.

    Raises QueryError, and CatalogError when the database itself cannot be made.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        try:
            for script in (schema, *rows):
                connection.executescript(script)
        except sqlite3.Error as error:
            raise CatalogError(f"The database of a test cannot be made: {error}") from error
        found = run_query(connection, sql, LIMITS)
    if found.is_cut:
        raise QueryError(f"it returns more than {LIMITS.rows:,} rows")
    return found.rows


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
