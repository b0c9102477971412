"""Queries on a database of the user's: rows, names, and what cuts them. Hostile ones: tests/proof/test_sqlite.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lmpm.sql import QueryError, QueryLimits, connect, make_demo, run_query


def test_rows_with_their_names_and_limits(tmp_path: Path) -> None:
    make_demo(tmp_path / "demo.sqlite")
    with closing(connect(tmp_path / "demo.sqlite")) as connection:
        found = run_query(connection, "SELECT id, name AS who FROM customers ORDER BY id", QueryLimits(rows=2))
        assert found.columns == ("id", "who") and [row[0] for row in found.rows] == [1, 2] and found.is_cut
        whole = run_query(connection, "SELECT id FROM categories", QueryLimits(rows=6))
        assert len(whole.rows) == 6 and not whole.is_cut
        held = run_query(connection, "SELECT name FROM customers", QueryLimits(total_bytes=40))
        assert 0 < len(held.rows) < 10 and held.is_cut
        with pytest.raises(QueryError, match="takes too long"):
            run_query(
                connection,
                "SELECT COUNT(*) FROM orders, orders b, orders c, orders d, orders e",
                QueryLimits(time_s=0.05),
            )
        with pytest.raises(QueryError, match="a write is not allowed"):
            run_query(connection, "DELETE FROM orders", QueryLimits())
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM orders")
