"""Grammar: a GBNF grammar for one schema, which admits no table or column that is not in it.

GBNF is llama.cpp's notation (grammars/README.md of llama.cpp). The statement is one of: a query of
one table with its own bare columns, or a join of two with qualified ones.
"""

from __future__ import annotations

import re

TABLE = re.compile(r"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)\s*\(", re.IGNORECASE)
CLAUSES = frozenset(("primary", "foreign", "unique", "constraint", "check", "key"))

COMMON = r"""
tail-limit ::= " LIMIT " [0-9]+
compare ::= "=" | "!=" | ">" | "<" | ">=" | "<="
value ::= text | number
values ::= value (", " value)*
text ::= "'" ([^'\n] | "''")* "'"
number ::= "-"? [0-9]+ ("." [0-9]+)?
function ::= "COUNT" | "SUM" | "AVG" | "MIN" | "MAX"
"""

QUERY = r"""
{n}-aggregate ::= "COUNT(*)" | function "(" "DISTINCT "? {n}-column ")"
{n}-shown ::= {n}-column | {n}-aggregate | {star}
{n}-head ::= "SELECT " "DISTINCT "? {n}-shown (", " {n}-shown)* " FROM "
{n}-test ::= {n}-column ({n}-plain | " IN (" values ")" | " IS " "NOT "? "NULL")
{n}-plain ::= " " compare " " value | " BETWEEN " value " AND " value | " LIKE " text
{n}-where ::= " WHERE " {n}-test ((" AND " | " OR ") {n}-test)*
{n}-group ::= " GROUP BY " {n}-column (" HAVING " {n}-aggregate " " compare " " number)?
{n}-order ::= " ORDER BY " ({n}-column | {n}-aggregate) " DESC"?
{n}-tail ::= {n}-where? {n}-group? {n}-order? tail-limit? ";"
"""


def _body(text: str, start: int) -> str:
    """Return what stands between the bracket opened before start and its partner."""
    depth = 1
    for at in range(start, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return text[start:at]
    return text[start:]


def _definitions(body: str) -> list[str]:
    """Split a table's body at its outer commas."""
    parts, depth = [""], 0
    for character in body:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def tables_of(schema: str) -> dict[str, list[str]]:
    """Read the tables of CREATE TABLE statements and their columns."""
    found: dict[str, list[str]] = {}
    for match in TABLE.finditer(schema):
        names = [part.split()[0] for part in _definitions(_body(schema, match.end()))]
        found[match.group(1)] = [name for name in names if name.lower() not in CLAUSES]
    return found


def _any(names: list[str]) -> str:
    """An alternative of literal names."""
    return " | ".join(f'"{name}"' for name in names)


def gbnf(schema: str) -> str:
    """Write the grammar of one schema's answers, which begin with a space."""
    tables = tables_of(schema)
    rules: list[str] = []
    roots: list[str] = []
    for at, (table, columns) in enumerate(tables.items()):
        name = f"q{at}"
        rules += [f"{name}-column ::= {_any(columns)}", QUERY.format(n=name, star='"*"')]
        roots.append(f'{name}-head "{table}" {name}-tail')
    if len(tables) > 1:
        qualified = [f"{table}.{column}" for table, columns in tables.items() for column in columns]
        stars = _any([f"{table}.*" for table in tables])
        rules += [f"join-column ::= {_any(qualified)}", f"join-table ::= {_any(list(tables))}"]
        rules.append(QUERY.format(n="join", star=stars))
        roots.append('join-head join-table " JOIN " join-table " ON " join-column " = " join-column join-tail')
    return f'root ::= " "? ({" | ".join(roots)})\n' + COMMON + "\n".join(rules) + "\n"
