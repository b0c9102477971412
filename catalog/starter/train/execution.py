"""Execution: random SQLite databases for a schema, and comparison of two statements on them."""

from __future__ import annotations

import random
import sqlite3
import time

from catalog.starter.train import conditions, words
from catalog.starter.train.conditions import Hint
from catalog.starter.train.draft import Question
from catalog.starter.train.schema import Column, Schema, Table

DATABASES = 4
ROWS = 40
SECONDS = 2.0
Rows = list[tuple[object, ...]]


def _near(rng: random.Random, value: str | float, column: Column) -> object:
    """Return the value of a condition or one next to it, so that off-by-one statements differ."""
    if column.kind == "date" and isinstance(value, str):
        year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
        roll = rng.randrange(6)
        if roll == 1:
            day = rng.randint(1, 28)
        elif roll == 2:
            month, day = rng.randint(1, 12), rng.randint(1, 28)
        elif roll == 3:
            year, day = year + rng.choice((-1, 1)), min(day, 28)
        elif roll == 4:
            return f"{year}-{rng.choice(('01-01', '12-31'))}"
        elif roll == 5:
            year, month, day = year + rng.randint(-3, 3), rng.randint(1, 12), rng.randint(1, 28)
        return f"{year}-{month:02d}-{day:02d}"
    if isinstance(value, float):
        made = value + rng.choice((0, 0, -1, 1, -0.5, 10, -10, rng.uniform(-1, 1) * abs(value)))
        return round(made) if column.kind == "int" else round(made, 2)
    text = str(value)
    return rng.choice((text, text, text, text.swapcase(), text + "x", "x" + text, text[:-1], text[1:] + text[:1]))


def _fresh(rng: random.Random, column: Column) -> object:
    """Return a random value of the column's kind."""
    if column.kind in ("int", "real"):
        top = rng.choice((10, 100, 1000, 100000))
        return rng.randint(0, top) if column.kind == "int" else round(rng.uniform(0, top), 2)
    if column.kind == "date":
        return f"{rng.randint(1990, 2027)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    if column.kind == "flag":
        return rng.randint(0, 1)
    return rng.choice((rng.choice(words.CATEGORIES), rng.choice(words.PLACES), conditions.novel_text(rng, False)))


def _pool(rng: random.Random, table: Table, column: Column, hints: tuple[Hint, ...]) -> list[object]:
    """The values a column draws from: near the conditions', and a few others."""
    mine = [v for t, c, v in hints if t == table.name.sql and c == column.name.sql]
    wide = [v for t, c, v in hints if t == table.name.sql and c == "*" and column.kind in ("int", "real")]
    near = [_near(rng, rng.choice(mine + wide), column) for _ in range(6)] if mine or wide else []
    exact = [round(v) if column.kind == "int" and isinstance(v, float) else v for v in mine if column.kind != "flag"]
    return exact + near + [_fresh(rng, column) for _ in range(3 if column.kind in ("text", "flag") else 20)]


def fill(rng: random.Random, schema: Schema, hints: tuple[Hint, ...]) -> sqlite3.Connection:
    """Make a database of the schema with random rows."""
    made = sqlite3.connect(":memory:", check_same_thread=False)
    for table in schema.tables:
        columns = ", ".join(
            f"{c.name.sql} {'INTEGER PRIMARY KEY' if c.role == 'key' else c.sql_type}" for c in table.columns
        )
        made.execute(f"CREATE TABLE {table.name.sql} ({columns})")
        pools = {c.name.sql: _pool(rng, table, c, hints) for c in table.columns if c.kind != "id"}
        count = ROWS if table.parent or len(schema.tables) == 1 else ROWS // 4
        for at in range(1, count + 1):
            row: list[object] = []
            for column in table.columns:
                if column.kind == "id":
                    row.append(at * 3)
                elif not column.not_null and rng.random() < 0.08:
                    row.append(None)
                elif column.kind == "fk":
                    row.append(3 * int(1 + (ROWS // 4) * rng.random() ** 2 * 0.9))
                else:
                    row.append(rng.choice(pools[column.name.sql]))
            made.execute(f"INSERT INTO {table.name.sql} VALUES ({', '.join('?' * len(row))})", row)
    return made


def rows_of(database: sqlite3.Connection, sql: str) -> Rows | None:
    """Run a statement for a short time; nothing if it fails."""
    end = time.monotonic() + SECONDS
    database.set_progress_handler(lambda: int(time.monotonic() > end), 10000)
    try:
        return [
            tuple(round(v, 6) if isinstance(v, float) else v for v in row)
            for row in database.execute(sql).fetchmany(5000)
        ]
    except (sqlite3.Error, sqlite3.Warning):
        return None


def same(schema: Schema, question: Question, answer: str, seed: int) -> bool:
    """Tell whether an answer gives the reference's rows on every database; order counts after ORDER BY."""
    if not answer.lstrip().upper().startswith("SELECT"):
        return False
    rng = random.Random(seed)
    for _ in range(DATABASES):
        database = fill(rng, schema, question.hints)
        expected, got = rows_of(database, question.sql), rows_of(database, answer)
        database.close()
        assert expected is not None, question.sql
        if got is None:
            return False
        if "ORDER BY" not in question.sql:
            expected, got = sorted(expected, key=repr), sorted(got, key=repr)
        if expected != got:
            return False
    return True
