"""DDL: the CREATE TABLE statements of a schema in many layouts, with values of their columns behind them."""

from __future__ import annotations

import random

from catalog.starter.train.world.things import Field, Thing


def write(rng: random.Random, things: list[Thing], shown: bool) -> str:
    """Write the CREATE TABLE statements in a random layout, each with the values of its columns if they are shown."""
    lower = rng.random() < 0.08
    link = rng.choices(("references", "foreign", "none"), (50, 25, 25))[0]
    indent, one_line = rng.choice(("  ", "    ", "    ", "\t")), rng.random() < 0.55
    wrapped = rng.random() < 0.2
    primary, end, space = (
        rng.random() < 0.85,
        ";" if rng.random() < 0.8 or shown else "",
        " " if rng.random() < 0.85 else "",
    )
    rich = rng.random() < 0.3  # UNIQUE, DEFAULT, CHECK and comments
    most = rng.choice((3, 4, 5, 6))
    made = []
    for thing in things:
        lines = []
        targets = {f.sql: parent for f, parent in thing.links}
        by_sql = {f.sql: f for f in (*thing.fields, *thing.names)}
        for column in thing.table.columns:
            name = column.name.sql
            rest = [column.sql_type]
            if column.role == "key" and primary:
                rest.append("PRIMARY KEY")
            elif column.not_null:
                rest.append("NOT NULL")
            if name in targets and link == "references":
                rest.append(f"REFERENCES \0{targets[name].sql}({targets[name].key.sql})\0")
            if rich and name in by_sql:
                rest += _extras(rng, by_sql[name])
            lines.append(f"{name} {_cased(' '.join(rest), lower)}")
        if link == "foreign":
            lines += [
                f"{_cased('FOREIGN KEY', lower)} ({f.sql}) {_cased('REFERENCES', lower)} {p.sql}({p.key.sql})"
                for f, p in thing.links
            ]
        head = f"{_cased('CREATE TABLE', lower)} {thing.sql}{space}("
        body = (
            ", ".join(lines)
            if one_line
            else _wrapped(lines, indent)
            if wrapped
            else "\n" + ",\n".join(indent + line for line in lines) + "\n"
        )
        made.append(head + body + ")" + end + (_shown(rng, thing, most) if shown else ""))
    return ("\n" if one_line or shown or rng.random() < 0.6 else "\n\n").join(made)


def _wrapped(lines: list[str], indent: str) -> str:
    """Several columns to a line."""
    rows = [""]
    for line in lines:
        if rows[-1] and len(rows[-1]) + len(line) > 100:
            rows.append("")
        rows[-1] += (", " if rows[-1] else "") + line
    return "\n" + ",\n".join(indent + row for row in rows) + "\n"


def _cased(words: str, lower: bool) -> str:
    """The keywords in lower case, if so; what stands between zero bytes is a name and stays."""
    return "".join(part.lower() if lower and at % 2 == 0 else part for at, part in enumerate(words.split("\0")))


def _extras(rng: random.Random, f: Field) -> list[str]:
    """Now and then what else a column definition can have."""
    roll = rng.random()
    if f.column.kind == "text" and f.values and roll < 0.12:
        return [
            "CHECK (\0" + f.sql + "\0 IN (\0" + ", ".join("'" + v.replace("'", "''") + "'" for v in f.values) + "\0))"
        ]
    if f.column.kind == "flag" and roll < 0.4:
        return ["DEFAULT " + rng.choice("01")]
    if f.column.kind in ("int", "real") and roll < 0.15:
        return [rng.choice(("DEFAULT 0", f"CHECK (\0{f.sql}\0 >= 0)"))]
    return ["UNIQUE"] if f.column.kind == "text" and roll > 0.95 else []


def _shown(rng: random.Random, thing: Thing, most: int) -> str:
    """The comment lines with the values of a table's columns of text."""
    lines = []
    for f in (*thing.names, *thing.fields):
        held = [v for v in f.values if "," not in v and len(v) <= 24]
        if not held or rng.random() < (0.25 if f.column.role == "label" else 0.04):
            continue
        rng.shuffle(held)
        lines.append(f"\n-- {thing.sql}.{f.sql}: {', '.join(held[:most])}")
    return "".join(lines)
