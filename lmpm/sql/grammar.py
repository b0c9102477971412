"""The grammar of the questions that a database can answer: GBNF for SQLite's SELECT over one schema.

A sentence of it is a query that SQLite prepares: tables, columns, and aliases exist where they are used, aggregates
stand where they may, and one-word texts are quoted. GBNF is llama.cpp's notation (its grammars/README.md).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from lmpm.sql.schema import quoted
from lmpm.sql.scopes import joins, literal, scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmpm.sql.schema import ForeignKey, Schema
    from lmpm.sql.scopes import Member, Scope

    Named = tuple[str, Scope]

# A name with an underscore is no keyword of SQLite but CURRENT_DATE, CURRENT_TIME and CURRENT_TIMESTAMP, which may
# be an alias as well. Texts hold no control character; a number fits into 64 bits. Numbers and lists are bounded: a
# small model that begins to repeat itself in one would go on until its limit, and the query would have no end.
COMMON: Final = r"""
join ::= (" INNER" | " LEFT")? " JOIN "
as ::= "AS "?
alias ::= " AS " ("total" | "count" | "average" | "number" | "amount" | "max" | "min" | [a-z]+ "_" [a-z_]+)
compare ::= "=" | "!=" | "<>" | ">" | "<" | ">=" | "<="
sign ::= "+" | "-" | "*" | "/" | "%" | "||"
value ::= text | number
values ::= value ("," " "? value){0,31}
text ::= "'" ([^'\x00-\x1F\x7F] | "''")* "'"
number ::= "-"? digits ("." digits)?
digits ::= [0-9]{1,15}
limit ::= " LIMIT " [1-9] [0-9]? [0-9]? [0-9]? (" OFFSET " [1-9] [0-9]? [0-9]? [0-9]?)?
aggregate ::= "SUM" | "AVG" | "MIN" | "MAX" | "COUNT" | "TOTAL" | "GROUP_CONCAT"
plain ::= lower | "LENGTH" | "length" | "TRIM" | "ABS" | "abs" | "DATE" | "date" | "JULIANDAY" | "julianday"
lower ::= "LOWER" | "lower" | "UPPER" | "upper"
round ::= "ROUND" | "round"
strftime ::= "STRFTIME" | "strftime"
substr ::= "SUBSTR" | "substr" | "SUBSTRING"
coalesce ::= "COALESCE" | "coalesce" | "IFNULL"
type ::= "INTEGER" | "REAL" | "TEXT"
direction ::= (" ASC" | " DESC")?
"""

# An expression without aggregates (`sum`) or with them (`figure`); never a number alone, which GROUP BY and ORDER BY
# take for the place of a column. `{s}` is the scope, `{e}` the expression, `{more}` what else a term may be.
EXPRESSION: Final = r"""
{e} ::= ({e}-part | number " " sign " " {e}-term) (" " sign " " {e}-term)*
{e}-term ::= {e}-part | number
{e}-part ::= {s}-column | {e}-made | "(" {e} ")"{more}
{e}-made ::= {e}-called | {e}-case | "CAST(" {e} " AS " type ")"
{e}-called ::= plain "(" ({e} | text) ")" | round "(" {e} (", " [0-9])? ")" | {e}-part-of
{e}-part-of ::= strftime "(" text ", " ({e} | text) ")" | substr "(" {e} ", " number (", " number)? ")" | {e}-instead
{e}-instead ::= coalesce "(" {e} ", " {e}-value ")"
{e}-case ::= "CASE" (" WHEN " {s}-test " THEN " {e}-value)+ (" ELSE " {e}-value)? " END"
{e}-value ::= {e} | value | "NULL"
"""

# Of each scope: `column` is what may be named in it, `source` how it is written behind FROM.
RULES: Final = r"""
{s}-measured ::= "COUNT(*)" | aggregate "(" "DISTINCT "? {s}-sum {s}-rest? ")"
{s}-rest ::= " " compare " " ({s}-sum | value | "(" single ")") | " NOT"? {s}-within | " IS NULL" | " IS NOT NULL"
{s}-within ::= " BETWEEN " {s}-bound " AND " {s}-bound | " LIKE " text | " IN (" (values | single) ")"
{s}-bound ::= {s}-sum | value
{s}-test ::= {s}-one ((" AND " | " OR ") {s}-one)*
{s}-one ::= "NOT "? ({s}-sum {s}-rest | "(" {s}-test ")"{exists})
{s}-limits ::= {s}-limit ((" AND " | " OR ") {s}-limit)*
{s}-limit ::= {s}-figure (" " compare " " ({s}-figure | value | "(" single ")") | " BETWEEN " value " AND " value)
{s}-from ::= " FROM " ({source}) (" WHERE " {s}-test)?
{s}-grouped ::= " GROUP BY " {s}-sum (", " {s}-sum)* (" HAVING " {s}-limits)? {s}-ranked?
{s}-ranked ::= " ORDER BY " {s}-figure direction (", " {s}-figure direction)*
{s}-ordered ::= " ORDER BY " {s}-sum direction (", " {s}-sum direction)*
{s}-tail ::= {s}-from ({s}-grouped | {s}-ordered)? limit?
{s}-shown ::= {s}-figure {s}-rest? alias?{stars}
{s}-query ::= "SELECT " "DISTINCT "? ("*" | {s}-shown (", " {s}-shown)*) {s}-tail
{s}-single ::= "SELECT " "DISTINCT "? {s}-figure {s}-tail
"""


def gbnf(schema: Schema) -> str:
    """The grammar of the queries of a schema: of one table, of some that its keys join, and sub-queries in them."""
    alone, joined = scopes(schema)
    named = [(f"s{number}", scope) for number, scope in enumerate([*alone, *joined])]
    bare = [name for name, scope in named[: len(alone)] if not scope.members[0].alias]
    rules = [
        'root ::= " "? query ";"?',
        f"query ::= {_any(f'{name}-query' for name, _ in named)}",
        f"single ::= {_any(f'{name}-single' for name in bare)}",
        COMMON,
    ]
    edges = joins(schema)
    for name, scope in named:
        tests = [test for member in scope.members for test in _existing(member, edges, named[: len(alone)])]
        stars = [f"{member.name}.*" for member in scope.members] if len(scope.members) > 1 else []
        rules += [
            f"{name}-column ::= {_any(map(literal, _columns(scope)))}",
            EXPRESSION.format(s=name, e=f"{name}-sum", more=""),
            EXPRESSION.format(s=name, e=f"{name}-figure", more=f" | {name}-measured"),
            RULES.format(
                s=name,
                source=_any(scope.sources),
                exists="".join(f" | {test}" for test in tests),
                stars="".join(f" | {literal(star)}" for star in stars),
            ),
        ]
    return "\n".join(rules) + "\n"


def _columns(scope: Scope) -> list[str]:
    """What a column is called in a scope: alone where no other has its name, and behind its table's."""
    times = Counter(column.name.lower() for member in scope.members for column in member.table.columns)
    every = [(member, column.name) for member in scope.members for column in member.table.columns]
    alone = [quoted(name) for _, name in every if times[name.lower()] == 1]
    return alone + [f"{member.name}.{quoted(name)}" for member, name in every]


def _existing(member: Member, edges: Sequence[tuple[str, ForeignKey]], alone: Sequence[Named]) -> Iterator[str]:
    """The tests whether a table has a row that belongs to one of `member`, each as an alternative."""
    here = member.table.name
    for name, key in edges:
        if here not in (name, key.table) or name == key.table:
            continue
        other, own, its = (name, key.target, key.column) if here == key.table else (key.table, key.column, key.target)
        for rule, scope in alone:
            inner = scope.members[0]
            if inner.table.name != other or inner.name == member.name:
                continue
            pair = f"{inner.name}.{quoted(its)}", f"{member.name}.{quoted(own)}"
            ways = " | ".join(literal(" = ".join(way)) for way in (pair, pair[::-1]))
            yield f'"EXISTS (SELECT 1 FROM " {scope.sources[0]} " WHERE " ({ways}) (" AND " {rule}-test)? ")"'  # noqa: S608 - GBNF


def _any(alternatives: Iterable[str]) -> str:
    return " | ".join(alternatives)
