"""What a FROM clause can bring into scope: one table, or several that keys join, under their names or short ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Final

from lmpm.sql.schema import ForeignKey, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmpm.sql.schema import Column, Schema, Table

MOST_JOINED: Final = 4
MOST_SCOPES: Final = 40  # of joins: a grammar's first token is tried in each
WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
NAME_OF_KEY: Final = re.compile(r"^(.+?)_?id$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Member:
    """A table in a FROM clause, and the name that its columns are called by there."""

    table: Table
    alias: str = ""

    @property
    def name(self) -> str:
        """What stands before the point of a column."""
        return self.alias or quoted(self.table.name)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is in scope. `sources` are the ways to write it behind FROM."""

    members: tuple[Member, ...]
    sources: tuple[str, ...]


def scopes(schema: Schema) -> tuple[list[Scope], list[Scope]]:
    """Those of one table, and the joins: the smaller first, and only so many that a grammar of them stays quick."""
    tables = [table for table in schema.tables if table.columns]
    letters = _initials(tables)
    single = [_single(Member(table)) for table in tables]
    single += [_single(Member(table, letters[table.name])) for table in tables if table.name in letters]
    joined: list[Scope] = []
    edges = joins(schema)
    for size in range(2, MOST_JOINED + 1):
        for chosen in combinations(tables, size):
            if len(joined) >= MOST_SCOPES:
                return single, joined
            joined += _joined(chosen, letters, edges)
        if size == 2:
            joined += [scope for table in tables for scope in _with_itself(table, letters)]
    return single, joined


def joins(schema: Schema) -> list[tuple[str, ForeignKey]]:
    """The pairs of columns that join tables, each as (table, key): those declared, else those that names suggest."""
    declared = [(table.name, key) for table in schema.tables for key in table.keys]
    known = {frozenset((name, key.table)) for name, key in declared}
    guessed = [
        (table.name, key)
        for table in schema.tables
        for other in schema.tables
        if table is not other and frozenset((table.name, other.name)) not in known
        for key in _suggested(table, other)
    ]
    return declared + guessed


def _suggested(table: Table, other: Table) -> Iterator[ForeignKey]:
    """Columns of a table that are named for another one's key: `customer_id`, or `BookID` in both."""
    keys = [column for column in other.columns if column.is_key]
    keys = keys or [column for column in other.columns if _names_row(column, other)][:1]
    if len(keys) != 1:
        return
    for column in table.columns:
        if column.is_key and any(own.name.lower() == keys[0].name.lower() for own in table.columns if own.is_key):
            continue
        named = NAME_OF_KEY.match(column.name)
        stem = named[1].lower() if named else ""
        same = keys[0].name.lower() == column.name.lower() and keys[0].name.lower() != "id"
        if same or (stem and keys[0].name.lower() == "id" and other.name.lower().startswith(stem)):
            yield ForeignKey(column.name, other.name, keys[0].name)


def _names_row(column: Column, table: Table) -> bool:
    """Whether a column of a table that declares no key is called as its key: `id`, or `book_id` in `books`."""
    named = NAME_OF_KEY.match(column.name)
    stem = named[1].lower() if named else ""
    return column.name.lower() == "id" or bool(stem and table.name.lower().startswith(stem))


def _initials(tables: Sequence[Table]) -> dict[str, str]:
    """What people shorten tables to, the first letters of the words: not what is a keyword or a table itself."""
    names = {table.name.lower() for table in tables}
    found = {table.name: "".join(word[0] for word in WORD.findall(table.name)).lower() for table in tables}
    return {
        name: letters
        for name, letters in found.items()
        if re.fullmatch("[a-z]+", letters) and letters not in names and quoted(letters) == letters
    }


def _single(member: Member) -> Scope:
    return Scope((member,), (_as(member),))


def _joined(
    tables: Sequence[Table], letters: Mapping[str, str], edges: Sequence[tuple[str, ForeignKey]]
) -> Iterator[Scope]:
    """The scopes of these tables under their names and under their initials; none where nothing joins them all."""
    ways = [tuple(Member(table) for table in tables)]
    if len({letters.get(table.name, "") for table in tables} - {""}) == len(tables):
        ways.append(tuple(Member(table, letters[table.name]) for table in tables))
    for members in ways:
        if sources := tuple(_sources(members, edges)):
            yield Scope(members, sources)


def _sources(members: Sequence[Member], edges: Sequence[tuple[str, ForeignKey]]) -> Iterator[str]:
    for order in permutations(members):
        parts = [_as(order[0])]
        for number, member in enumerate(order[1:], start=1):
            pairs = [pair for other in order[:number] for pair in _pairs(member, other, edges)]
            if not pairs:
                break
            on = " | ".join(literal(pair) for pair in pairs)
            parts.append(f'join {_as(member)} " ON " ({on})')
        else:
            yield " ".join(parts)


def _pairs(left: Member, right: Member, edges: Sequence[tuple[str, ForeignKey]]) -> Iterator[str]:
    for here, there in ((left, right), (right, left)):
        for name, key in edges:
            if name == here.table.name and key.table == there.table.name and left.table.name != right.table.name:
                one, other = f"{here.name}.{quoted(key.column)}", f"{there.name}.{quoted(key.target)}"
                yield f"{one} = {other}"
                yield f"{other} = {one}"


def _with_itself(table: Table, letters: Mapping[str, str]) -> Iterator[Scope]:
    """A table joined with itself, as employees with their managers: the second is called by its column's letter."""
    for key in table.keys:
        one, other = letters.get(table.name, ""), key.column[0].lower()
        if key.table != table.name or not one or one == other or not re.match("[a-z]", other):
            continue
        members = Member(table, one), Member(table, other)
        pair = f"{one}.{quoted(key.column)}", f"{other}.{quoted(key.target)}"
        on = f'" ON " ({literal(" = ".join(pair))} | {literal(" = ".join(reversed(pair)))})'
        yield Scope(members, tuple(f"{_as(a)} join {_as(b)} {on}" for a, b in (members, members[::-1])))


def _as(member: Member) -> str:
    table = quoted(member.table.name)
    return f'{literal(table)} " " as {literal(member.alias)}' if member.alias else literal(table)


def literal(text: str) -> str:
    """A text as GBNF writes it, which knows these escapes alone."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "]": "\\]", "[": "\\["}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'
