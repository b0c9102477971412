"""Texts of a query against those of the database: one that its column does not hold is moved, mended, or doubted.

A small model cannot know that Dublin is a city; the database does.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lmpm.sql.query import QueryError, QueryLimits, run_query
from lmpm.sql.schema import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.sql.schema import Column, Schema, Table

LOOK_UP: Final = QueryLimits(rows=2, time_s=1.0, steps=None, value_bytes=1 << 20)
TOKEN: Final = re.compile(
    r"""\s+|--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|\w+|<>|<=|>=|!=|==|\|\||.""", re.DOTALL
)
NAME: Final = re.compile(r"""[^\W\d]\w*|".*"|`.*`|\[.*\]""", re.DOTALL)
SAID: Final = re.compile(r"""'([^']+)'|"([^"]+)"|((?<=\s)[A-Z][\w.-]*\w)""")
EQUAL: Final = frozenset({"=", "==", "!=", "<>"})
MOST_VALUES: Final = 16  # texts of a query that are looked up


@dataclass(frozen=True, slots=True)
class Change:
    """A text that stood in no row of its column, and where it stands instead, as the query now has it."""

    text: str
    column: str
    new_text: str
    new_column: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A query after its texts were looked up. `doubts` are (column, text) that stand nowhere."""

    sql: str
    changes: tuple[Change, ...] = ()
    doubts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Test:
    """A comparison of a column with a text: the places of both among the tokens of the query."""

    column: int
    text: int


def check_values(connection: sqlite3.Connection, schema: Schema, sql: str) -> Checked:
    """The query with each text that its column does not hold moved to the only other column that does.

    Looked through are the tables that the query names. What is only spelt otherwise in its own column is written as
    it stands there. A query that cannot be understood is left as it is.
    """
    tokens = TOKEN.findall(sql)
    tables = _named_tables(schema, tokens)
    checked = Checked(sql)
    for test in list(_tests(tokens))[:MOST_VALUES]:
        owners = _owners(tables, tokens, test.column)
        if len(owners) != 1:
            continue
        table, column = owners[0]
        text = tokens[test.text][1:-1].replace("''", "'")
        if not column.is_text or _stands(connection, table, column, text):
            continue
        places = list(_places(connection, table, column, text))
        if len(places) != 1:
            doubt = (f"{table.name}.{column.name}", text)
            checked = replace(checked, doubts=(*checked.doubts, doubt))
            continue
        found, spelling = places[0]
        change = Change(text, column.name, spelling, found.name)
        tokens[test.column] = quoted(found.name)
        tokens[test.text] = "'" + spelling.replace("'", "''") + "'"
        checked = replace(checked, changes=(*checked.changes, change))
    return replace(checked, sql="".join(tokens))


def count_texts(connection: sqlite3.Connection, schema: Schema, question: str) -> dict[str, int]:
    """How many words of a question that look like names, or stand in quotes, are a text of each table."""
    asked = {
        next(filter(None, found)) for found in re.findall(r"""'([^']+)'|"([^"]+)"|((?<=\s)[A-Z][\w.-]+)""", question)
    }
    return {
        table.name: sum(
            any(_stands(connection, table, column, text) for column in table.columns if column.is_text)
            for text in sorted(asked)[:MOST_VALUES]
        )
        for table in schema.tables
    }


def _tests(tokens: Sequence[str]) -> Iterator[_Test]:
    """Where `column = 'text'` stands, and each text of `column IN ('text', ...)`."""
    solid = [number for number, token in enumerate(tokens) if not token.isspace() and token[:2] not in ("--", "/*")]
    for at in range(len(solid) - 2):
        first, second, third = (tokens[solid[at + step]] for step in range(3))
        if not NAME.fullmatch(first):
            continue
        if second in EQUAL and third[0] == "'":
            yield _Test(solid[at], solid[at + 2])
        elif second.upper() == "IN" and third == "(":
            inside = []
            for place in solid[at + 3 :]:
                if tokens[place] == ")":
                    break
                inside.append(place)
            if len(inside) == 1 and tokens[inside[0]][0] == "'":  # of several, one alone cannot be moved
                yield _Test(solid[at], inside[0])


def _named_tables(schema: Schema, tokens: Sequence[str]) -> list[tuple[Table, frozenset[str]]]:
    """The tables behind FROM and JOIN, each with the names that its columns may be called by."""
    solid = [token for token in tokens if not token.isspace()]
    found = []
    for number, token in enumerate(solid[:-1]):
        if token.upper() not in ("FROM", "JOIN", ","):
            continue
        table = schema.table(_plain(solid[number + 1]))
        if table is None:
            continue
        behind = [word for word in solid[number + 2 : number + 4] if word.upper() != "AS"]
        alias = _plain(behind[0]) if behind and NAME.fullmatch(behind[0]) else ""
        found.append((table, frozenset({table.name.lower(), alias.lower()} - {""})))
    return found


def _owners(
    tables: Sequence[tuple[Table, frozenset[str]]], tokens: Sequence[str], at: int
) -> list[tuple[Table, Column]]:
    """The tables, and the column in them, that the name at this place can mean."""
    qualifier = _plain(tokens[at - 2]).lower() if at >= 2 and tokens[at - 1] == "." else None
    found = {
        table.name: (table, column)
        for table, names in tables
        if (qualifier is None or qualifier in names) and (column := table.column(_plain(tokens[at]))) is not None
    }
    return list(found.values())


def _places(connection: sqlite3.Connection, table: Table, column: Column, text: str) -> Iterator[tuple[Column, str]]:
    """The columns that the name can be changed to, with the text as it stands there; its own first, and then alone."""
    for spelling in _spellings(connection, table, column, text):
        yield column, spelling
        return
    for other in table.columns:
        if other.is_text and other.name != column.name:
            for spelling in _spellings(connection, table, other, text):
                yield other, spelling
                break


def _spellings(connection: sqlite3.Connection, table: Table, column: Column, text: str) -> Iterator[str]:
    """The text as a column holds it: with other capitals, or in the singular; none where two differ."""
    singular = text[:-1] if text.endswith("s") and len(text) > 3 else text
    for wanted in dict.fromkeys((text, singular)):
        found = _ask(connection, table, column, wanted, "COLLATE NOCASE")
        if wanted in found:
            yield wanted
        elif len(found) == 1:
            yield found[0]


def _stands(connection: sqlite3.Connection, table: Table, column: Column, text: str) -> bool:
    return bool(_ask(connection, table, column, text, ""))


def _ask(connection: sqlite3.Connection, table: Table, column: Column, text: str, collate: str) -> list[str]:
    """At most two texts of a column that equal this one. What cannot be looked up in time is taken to stand there."""
    name = quoted(column.name)
    value = "'" + text.replace("'", "''") + "'"
    asked = f"SELECT DISTINCT {name} FROM {quoted(table.name)} WHERE {name} = {value} {collate}"  # noqa: S608 - quoted
    try:
        rows = run_query(connection, asked, LOOK_UP).rows
    except QueryError:
        return [text]
    return [str(row[0]) for row in rows]


def _plain(token: str) -> str:
    """A name without its quotes."""
    pairs = {'"': '"', "`": "`", "[": "]"}
    if len(token) > 1 and pairs.get(token[0]) == token[-1]:
        return token[1:-1].replace(token[-1] * 2, token[-1])
    return token
