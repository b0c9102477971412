"""Some texts that the columns of a database hold, shown to a model behind each table: `-- users.city: Dublin, Oslo`.

A small model cannot know that Dublin is a city; it can copy.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.sql.query import QueryError, QueryLimits, run_query
from lmpm.sql.schema import quoted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from lmpm.sql.schema import Column, Schema, Table

MOST_TEXTS: Final = 5  # of a column, as the starter was trained
MOST_CHARS: Final = 24  # of a text: a longer one names nothing that is asked for
MOST_COLUMNS: Final = 24
MOST_WORDS: Final = 3  # that a text of the question has
MOST_PHRASES: Final = 120
SECONDS: Final = 2.0  # for all columns together
LOOK_UP: Final = QueryLimits(rows=MOST_TEXTS, time_s=0.25, steps=None, value_bytes=1 << 20)
WORD: Final = re.compile(r"\w[\w'.+-]*")
DATE_TYPE: Final = re.compile(r"date|time", re.IGNORECASE)
UNSHOWN: Final = re.compile(r"[,\n\r]|^\d{4}-\d\d|^\s|^$")  # what would not read as one text of a list, and dates


@dataclass(frozen=True, slots=True)
class _Line:
    """What is shown of a column; `is_asked` where the question has one of its texts."""

    table: str
    text: str
    is_asked: bool


def with_values(
    connection: sqlite3.Connection, schema: Schema, question: str, fits: Callable[[str], bool] = lambda _: True
) -> str:
    """The statements of a schema with a few texts of its columns, those that the question names before others.

    Where not all lines fit, those stay that hold a text of the question.
    """
    lines = list(_lines(connection, schema, _phrases(question)))
    while lines and not fits(_written(schema, lines)):
        lines.remove(next((line for line in reversed(lines) if not line.is_asked), lines[-1]))
    return _written(schema, lines)


def _written(schema: Schema, lines: Sequence[_Line]) -> str:
    return "\n".join(
        "\n".join((f"{table.ddl};", *(line.text for line in lines if line.table == table.name)))
        for table in schema.tables
    )


def _lines(connection: sqlite3.Connection, schema: Schema, phrases: Sequence[str]) -> Iterator[_Line]:
    end = time.monotonic() + SECONDS
    columns = [(table, column) for table in schema.tables for column in table.columns]
    texts = [(table, column) for table, column in columns if column.is_text and not DATE_TYPE.search(column.type)]
    for table, column in texts[:MOST_COLUMNS]:
        if time.monotonic() > end:
            return
        asked = _ask(connection, table, column, f" COLLATE NOCASE IN ({', '.join(map(_literal, phrases))})")
        held = _ask(connection, table, column, f" IS NOT NULL AND LENGTH({quoted(column.name)}) <= {MOST_CHARS}")
        shown = list(dict.fromkeys((*asked, *held)))[:MOST_TEXTS]
        if shown:
            text = f"-- {table.name}.{column.name}: {', '.join(shown)}"
            yield _Line(table.name, text, bool(asked))


def _phrases(question: str) -> list[str]:
    """What a text of a column may be called in a question: one to three of its words, also without a plural's `s`."""
    words = [word.rstrip("'.-").removesuffix("'s") for word in WORD.findall(question)]
    runs = [
        " ".join(words[start : start + length])
        for length in range(1, MOST_WORDS + 1)
        for start in range(len(words) - length + 1)
    ]
    return list(dict.fromkeys(form for run in runs for form in (run, run.removesuffix("s"))))[:MOST_PHRASES]


def _ask(connection: sqlite3.Connection, table: Table, column: Column, test: str) -> list[str]:
    """A few different texts of a column that pass a test; none where they cannot be looked up in time."""
    name = quoted(column.name)
    asked = f"SELECT DISTINCT {name} FROM {quoted(table.name)} WHERE {name}{test} LIMIT {MOST_TEXTS}"  # noqa: S608 - quoted
    try:
        rows = run_query(connection, asked, LOOK_UP).rows
    except QueryError:
        return []
    texts = [row[0] for row in rows if isinstance(row[0], str)]
    return [text for text in texts if len(text) <= MOST_CHARS and not UNSHOWN.search(text)]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
