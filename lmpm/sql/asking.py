"""What a model is shown of a database for one question, and what its answer is held to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import UnknownNameError
from lmpm.sql.grammar import gbnf
from lmpm.sql.narrowing import narrow
from lmpm.sql.samples import with_values
from lmpm.sql.schema import Schema, statements
from lmpm.sql.values import count_texts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

SMALL_BYTES: Final = 700_000_000  # of weights, about a billion at 5 bits: such a model is distracted by many tables
SMALL_TABLES: Final = 2  # measured on the starter: benchmarks/sql_grammar.py --most
MADE: Final = re.compile(r'(?is)\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?((?:[\w$]+|"[^"]+"|`[^`]+`|\.)+)')


@dataclass(frozen=True, slots=True)
class Asking:
    """The `schema` that a model is shown, and the grammar of its answer. `left_out` are tables that it is not shown."""

    schema: str
    grammar: str | None = None
    tables: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def prepare(
    schema: Schema,
    question: str,
    *,
    tables: Sequence[str] = (),
    is_small: bool = False,
    constrained: bool = True,
    fits: Callable[[str], bool] = lambda _: True,
    connection: sqlite3.Connection | None = None,
    values: bool = False,
) -> Asking:
    """What to ask of a schema of SQLite: `tables` where the user named them, else those that the question can mean.

    `fits` says whether a schema leaves room in the context; `connection` is where texts of the question are looked up.
    With `values` the model is shown some texts of the database as well: for a model on this machine alone.
    Raises UnknownNameError for a table that is not there.
    """
    if tables:
        shown = schema.only(frozenset(_known(schema, name) for name in tables))
    else:
        found = count_texts(connection, schema, question) if connection and is_small else None
        shown = narrow(schema, question, most=SMALL_TABLES if is_small else None, fits=fits, found=found)
    names = tuple(table.name for table in shown.tables)
    left_out = tuple(table.name for table in schema.tables if table.name not in names)
    text = with_values(connection, shown, question, fits) if values and connection else shown.ddl
    return Asking(text, gbnf(shown) if constrained else None, names, left_out)


def prepare_text(ddl: str, *, tables: Sequence[str] = ()) -> Asking:
    """What to ask of a schema in another dialect: shown as it is written, or only the statements of `tables`."""
    if not tables:
        return Asking(ddl)
    wanted = {name.lower() for name in tables}
    made = {_table_of(statement): statement.strip() for statement in statements(ddl) if MADE.search(statement)}
    for name in tables:
        if name.lower() not in made:
            raise UnknownNameError("table", name, listing=f"Tables: {', '.join(made)}")
    kept = [statement for name, statement in made.items() if name in wanted]
    return Asking("\n".join(kept), None, tuple(tables), tuple(name for name in made if name not in wanted))


def _known(schema: Schema, name: str) -> str:
    table = schema.table(name)
    if table is None:
        listing = f"Tables: {', '.join(table.name for table in schema.tables)}"
        raise UnknownNameError("table", name, listing=listing)
    return table.name


def _table_of(statement: str) -> str:
    """The name that a statement gives its table, without the schema before it, in lower case."""
    found = MADE.search(statement)
    return found[1].rpartition(".")[2].strip('"`').lower() if found else ""
