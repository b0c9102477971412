"""Builders: the SQL of every question kind; each fills its draft's slots and returns the statement."""

from __future__ import annotations

from catalog.starter.train import conditions, joins
from catalog.starter.train.draft import Builder, Draft, ImpossibleError


def count_all(d: Draft) -> str:
    return f"SELECT COUNT(*) FROM {d.table.name.sql}"


def count_where(d: Draft) -> str:
    return f"SELECT COUNT(*) FROM {d.table.name.sql}{d.where(True)}"


def select_all(d: Draft) -> str:
    return f"SELECT {d.whole} FROM {d.table.name.sql}"


def select_where(d: Draft) -> str:
    return f"SELECT {d.whole} FROM {d.table.name.sql}{d.where(True)}"


def columns(d: Draft) -> str:
    label = d.table.label
    column = label if label and d.rng.random() < 0.3 else d.column("text", "int", "real", "date")
    d.used.add(column.name.sql)
    d.say(column, "c")
    return f"SELECT {column.name.sql} FROM {d.table.name.sql}{d.where(False, 0.6)}"


def columns2(d: Draft) -> str:
    label = d.table.label
    first = label if label and d.rng.random() < 0.4 else d.column("text", "int", "real", "date")
    d.used.add(first.name.sql)
    second = d.column("text", "int", "real", "date")
    d.say(first, "c")
    d.say(second, "d")
    return f"SELECT {first.name.sql}, {second.name.sql} FROM {d.table.name.sql}{d.where(False)}"


def aggregate(function: str) -> Builder:
    """Return the builder of one aggregate."""

    def run(d: Draft) -> str:
        column = d.column("int", "real")
        d.say(column, "c")
        return f"SELECT {function}({column.name.sql}) FROM {d.table.name.sql}{d.where(False)}"

    return run


def distinct(d: Draft) -> str:
    column = d.column("text", "text", "int")
    d.say(column, "c")
    return f"SELECT DISTINCT {column.name.sql} FROM {d.table.name.sql}{d.where(False, 0.3)}"


def count_distinct(d: Draft) -> str:
    if "{t}" not in d.template:
        raise ImpossibleError
    column = d.column("text", "text", "int")
    d.say(column, "c")
    return f"SELECT COUNT(DISTINCT {column.name.sql}) FROM {d.table.name.sql}{d.where(False, 0.25)}"


def group_count(d: Draft) -> str:
    column = d.column("text", "text", "int", "fk")
    d.say(column, "g")
    where = d.where(False, 0.2)
    return f"SELECT {column.name.sql}, COUNT(*) FROM {d.table.name.sql}{where} GROUP BY {column.name.sql}"


def group_agg(d: Draft) -> str:
    group, column, function = d.column("text"), d.column("int", "real"), d.function()
    if "{t}" not in d.template and len(d.schema.tables) > 1:
        raise ImpossibleError
    d.say(group, "g")
    d.say(column, "c")
    where = d.where(False, 0.2)
    by = group.name.sql
    return f"SELECT {by}, {function}({column.name.sql}) FROM {d.table.name.sql}{where} GROUP BY {by}"


def having(d: Draft) -> str:
    group = d.column("text", "text", "int")
    d.say(group, "g")
    return (
        f"SELECT {group.name.sql} FROM {d.table.name.sql} GROUP BY {group.name.sql} HAVING COUNT(*) {d.quantity(True)}"
    )


def ordered(d: Draft) -> str:
    column = d.column("text", "int", "real", "date")
    d.say(column, "c")
    down = d.direction(column)
    return f"SELECT {d.whole} FROM {d.table.name.sql}{d.where(False, 0.35)} ORDER BY {column.name.sql}{down}"


def columns_ordered(d: Draft) -> str:
    label = d.table.label
    shown = label if label and d.rng.random() < 0.6 else d.column("text", "int", "real", "date")
    by = shown if d.rng.random() < 0.2 else d.column("text", "int", "real", "date")
    d.used.add(shown.name.sql)
    d.say(shown, "d")
    d.say(by, "c")
    down = d.direction(by)
    return f"SELECT {shown.name.sql} FROM {d.table.name.sql}{d.where(False)} ORDER BY {by.name.sql}{down}"


def top_n(d: Draft) -> str:
    column = d.column("int", "real", "real", "date")
    d.say(column, "c")
    n = d.top()
    down = d.extreme(column)
    if "{x} {c} {t}" in d.template and d.has("w") and column.kind == "date":
        raise ImpossibleError
    return f"SELECT {d.whole} FROM {d.table.name.sql}{d.where(False, 0.25)} ORDER BY {column.name.sql}{down} LIMIT {n}"


def superlative(d: Draft) -> str:
    column = d.column("int", "real", "real", "date")
    d.say(column, "c")
    down = d.extreme(column)
    where = d.where(False, 0.25)
    return f"SELECT {d.whole} FROM {d.table.name.sql}{where} ORDER BY {column.name.sql}{down} LIMIT 1"


def columns_top(d: Draft) -> str:
    label = d.table.label
    shown = label if label and d.rng.random() < 0.6 else d.column("text", "int", "real", "date")
    d.used.add(shown.name.sql)
    by = d.column("int", "real", "date")
    d.say(by, "c")
    d.say(shown, "d")
    n = d.top()
    down = d.extreme(by)
    where = d.where(False, 0.2)
    return f"SELECT {shown.name.sql} FROM {d.table.name.sql}{where} ORDER BY {by.name.sql}{down} LIMIT {n}"


def value_of(d: Draft) -> str:
    label = d.table.label
    if label is None:
        raise ImpossibleError
    d.used.add(label.name.sql)
    column = d.column("text", "int", "real", "date")
    d.say(column, "c")
    value = conditions.text_value(d.rng, label, False)
    d.slots["v"] = value if "{v}'s" in d.template else conditions.wrap(d.rng, value)
    d.hints.append((d.table.name.sql, label.name.sql, value))
    return f"SELECT {column.name.sql} FROM {d.table.name.sql} WHERE {label.name.sql} = {conditions.quote(value)}"


BUILDERS: dict[str, Builder] = {
    f.__name__: f
    for f in (
        count_all,
        count_where,
        select_all,
        select_where,
        columns,
        columns2,
        distinct,
        count_distinct,
        group_count,
        group_agg,
        having,
        ordered,
        columns_ordered,
        top_n,
        superlative,
        columns_top,
        value_of,
        joins.join_count,
        joins.join_agg,
        joins.join_where,
        joins.join_count_where,
    )
} | {"avg": aggregate("AVG"), "sum": aggregate("SUM"), "max": aggregate("MAX"), "min": aggregate("MIN")}
