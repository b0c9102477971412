"""Rows of a database: a table for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Literal

from lmpm.cli.output.console import put_raw, put_table
from lmpm.cli.output.layout import Fit

if TYPE_CHECKING:
    from lmpm.sql import Rows

RowFormat = Literal["table", "csv", "json"]


def put_rows(found: Rows, form: RowFormat) -> None:
    """The rows on stdout. A table has NULL for nothing, CSV an empty cell."""
    if form == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(found.columns)
        writer.writerows([_plain(value) for value in row] for row in found.rows)
        put_raw(text.getvalue().removesuffix("\n"))
    elif form == "json":
        import json

        for record in records(found):
            put_raw(json.dumps(record, ensure_ascii=False))
    else:
        lines = [[_shown(value) for value in row] for row in found.rows]
        rules = ["-" * max(len(name), *(len(line[at]) for line in lines), 1) for at, name in enumerate(found.columns)]
        numbers = frozenset(
            at for at in range(len(found.columns)) if all(isinstance(row[at], int | float) for row in found.rows)
        )
        every = tuple(range(len(found.columns)))
        by_width = tuple(sorted(every, key=lambda at: -len(rules[at])))
        fit = Fit(shorten=by_width, drop=every[:0:-1])  # too wide for a terminal: the widest give way first
        put_table([found.columns, rules, *lines], right=numbers if lines else frozenset(), fit=fit)


def records(found: Rows) -> list[dict[str, Any]]:
    """The rows by the names of their columns; of two with one name, the later has its number behind it."""
    names: list[str] = []
    for number, name in enumerate(found.columns, start=1):
        names.append(f"{name}_{number}" if name in names else name)
    return [dict(zip(names, map(_plain, row), strict=True)) for row in found.rows]


def _plain(value: object) -> Any:
    return f"x'{value.hex()}'" if isinstance(value, bytes) else value


def _shown(value: object) -> str:
    return "NULL" if value is None else str(_plain(value)).replace("\n", " ")
