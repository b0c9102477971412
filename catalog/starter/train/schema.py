"""Schemas: random tables with typed columns, and their CREATE TABLE text in many layouts."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from catalog.starter.train import identifiers, words
from catalog.starter.train.identifiers import Name

# How often the names of a schema are invented, in training and in the tests: the more, the less is learnt by heart.
INVENTED_SHARES = (0.62, 0.45)
TYPES: dict[str, tuple[str, ...]] = {
    "id": ("INTEGER", "INTEGER", "INT", "BIGINT", "SERIAL"),
    "int": ("INTEGER", "INTEGER", "INT", "SMALLINT", "BIGINT"),
    "real": ("REAL", "REAL", "FLOAT", "DOUBLE", "DECIMAL(10,2)", "NUMERIC(12, 2)", "NUMERIC"),
    "text": ("TEXT", "TEXT", "TEXT", "VARCHAR(255)", "VARCHAR(100)", "VARCHAR(50)", "CHAR(20)"),
    "date": ("DATE", "DATE", "TEXT", "DATETIME", "TIMESTAMP"),
    "flag": ("BOOLEAN", "INTEGER", "INT", "BOOL"),
}


@dataclass(frozen=True)
class Column:
    """One column: kind is id, int, real, text, date, flag or fk; role refines it."""

    name: Name
    kind: str
    sql_type: str
    role: str = ""
    verb: tuple[str, str] | None = None
    not_null: bool = False

    @property
    def is_time(self) -> bool:
        """Tell whether values carry a time of day."""
        return self.sql_type in ("DATETIME", "TIMESTAMP")


@dataclass
class Table:
    """One table; `parent` is the table its foreign-key column refers to."""

    name: Name
    columns: list[Column]
    parent: Table | None = None
    foreign: Column | None = None

    def of(self, *kinds: str) -> list[Column]:
        """Return the columns of some kinds."""
        return [column for column in self.columns if column.kind in kinds]

    def role(self, *roles: str) -> list[Column]:
        """Return the columns of some roles."""
        return [column for column in self.columns if column.role in roles]

    @property
    def key(self) -> Column:
        """The primary key."""
        return self.columns[0]

    @property
    def label(self) -> Column | None:
        """The column that names a row, if there is one."""
        labels = self.role("label")
        return labels[0] if labels else None


@dataclass
class Schema:
    """One or two tables and their text."""

    tables: list[Table]
    text: str = ""
    used: set[str] = field(default_factory=set)


def _pick(rng: random.Random, train: list[str], test: list[str], heldout: bool, source: str) -> str:
    """Choose a snake-case column from a list, or invent one."""
    if source == "invented" and rng.random() < 0.6:
        first = identifiers.novel_word(rng, heldout)
        if rng.random() < 0.12:
            return (
                first
                + "_"
                + (
                    identifiers.novel_word(rng, heldout)
                    if rng.random() < 0.6
                    else rng.choice(test if heldout else train)
                )
            )
        return first
    if heldout and rng.random() < 0.75:
        return rng.choice(test)
    if rng.random() < 0.05:
        return rng.choice(words.MODIFIERS) + "_" + rng.choice(train)
    return rng.choice(train)


def _date(rng: random.Random, style: str, heldout: bool, source: str) -> tuple[Name, tuple[str, str] | None]:
    """Return a date column and its verb."""
    if rng.random() < 0.12 or (source == "invented" and rng.random() < 0.4):
        if source == "invented":
            word = identifiers.novel_word(rng, heldout) + rng.choice(("_date", "_at", "_on", "_day"))
            return identifiers.column_name(rng, word, style), None
        return identifiers.column_name(rng, rng.choice(words.PLAIN_DATE_COLUMNS), style), None
    stem, participle, mode = rng.choice(words.HELDOUT_DATE_VERBS if heldout else words.DATE_VERBS)
    past = stem == participle
    snake = rng.choice((stem + "_at", stem + "_on", stem + "_date", "date_" + stem)) if past else stem + "_date"
    return identifiers.column_name(rng, snake, style), None if mode == "d" else (participle, mode)


def _draw(rng: random.Random, kind: str, style: str, heldout: bool, source: str) -> Column:
    """Draw one column of a kind."""
    role, verb = "", None
    if kind == "date":
        name, verb = _date(rng, style, heldout, source)
    elif kind == "flag":
        role = "flag"
        flag = rng.choice(words.HELDOUT_FLAGS if heldout else words.FLAGS)
        name = identifiers.column_name(rng, "is_" + flag if rng.random() < 0.7 else flag, style)
        verb = (flag, "f")
    elif kind == "text":
        role = rng.choices(("plain", "place", "status", "category", "person"), (50, 16, 12, 16, 6))[0]
        pools = {
            "place": words.PLACE_COLUMNS,
            "status": words.STATUS_COLUMNS,
            "category": words.CATEGORY_COLUMNS,
            "person": ["first_name", "last_name", "owner", "manager", "author", "contact"],
        }
        if role == "plain" or (source == "invented" and rng.random() < 0.5):
            role = "plain"
            name = identifiers.column_name(
                rng, _pick(rng, words.TEXT_COLUMNS, words.HELDOUT_TEXT, heldout, source), style
            )
        else:
            name = identifiers.column_name(rng, rng.choice(pools[role]), style)
    elif kind == "int":
        name = identifiers.column_name(rng, _pick(rng, words.INT_COLUMNS, words.HELDOUT_INT, heldout, source), style)
    else:
        name = identifiers.column_name(rng, _pick(rng, words.REAL_COLUMNS, words.HELDOUT_REAL, heldout, source), style)
    return Column(name, kind, rng.choice(TYPES[kind]), role, verb, rng.random() < 0.2)


def _table(rng: random.Random, source: str, style: str, heldout: bool, plural: bool, labelled: bool = False) -> Table:
    """Draw one table, with a column that names its rows if it must have one."""
    name = identifiers.table_name(rng, source, style, heldout, plural)
    key_words = "id" if rng.random() < 0.8 else "_".join((*name.said, "id"))
    columns = [Column(identifiers.column_name(rng, key_words, style), "id", rng.choice(TYPES["id"]), "key")]
    taken = {columns[0].name.sql.lower(), name.sql.lower()}

    def add(column: Column) -> None:
        if column.name.sql.lower() not in taken and column.name.spoken not in {c.name.spoken for c in columns}:
            taken.add(column.name.sql.lower())
            columns.append(column)

    if labelled or rng.random() < 0.72:
        label = identifiers.column_name(rng, rng.choice(words.LABEL_COLUMNS), style)
        add(Column(label, "text", rng.choice(TYPES["text"]), "label", None, rng.random() < 0.3))
    wanted = rng.choices((2, 3, 4, 5, 6, 7, 9), (8, 8, 5, 2, 0.7, 0.2, 0.1))[0]
    add(_draw(rng, rng.choice(("int", "real")), style, heldout, source))
    for _ in range(wanted - 1):
        kind = rng.choices(("text", "int", "real", "date", "flag"), (38, 18, 18, 20, 6))[0]
        add(_draw(rng, kind, style, heldout, source))
    rest = columns[2:] if columns[1:] and columns[1].role == "label" else columns[1:]
    head = columns[: len(columns) - len(rest)]
    rng.shuffle(rest)
    return Table(name, head + rest)


def _link(rng: random.Random, child: Table, parent: Table, style: str) -> bool:
    """Give the child a foreign key to the parent."""
    said = parent.name.said if rng.random() < 0.8 else parent.name.said[-1:]
    name = identifiers.column_name(rng, "_".join((*said, "id")), style)
    if any(c.name.sql.lower() == name.sql.lower() for c in child.columns):
        return False
    column = Column(name, "fk", rng.choice(TYPES["id"][:3]), "fk", None, rng.random() < 0.3)
    child.columns.insert(rng.randint(1, len(child.columns)), column)
    child.parent, child.foreign = parent, column
    return True


def draw(rng: random.Random, heldout: bool = False) -> Schema:
    """Draw a schema: one or two tables, in one naming style and one layout."""
    while True:
        source = "invented" if rng.random() < INVENTED_SHARES[heldout] else "real"
        style = identifiers.choose_style(rng)
        plural = rng.random() < 0.75
        paired = rng.random() < 0.38
        tables = [_table(rng, source, style, heldout, plural, paired)]
        if paired:
            other = _table(rng, source if rng.random() < 0.8 else "real", style, heldout, plural)
            if other.name.sql.lower() == tables[0].name.sql.lower() or set(other.name.said) & set(tables[0].name.said):
                continue
            if not _link(rng, other, tables[0], style):
                continue
            tables.append(other)
            if rng.random() < 0.3:
                tables.reverse()
        elif rng.random() < 0.2:
            stub = _table(rng, "real", style, heldout, plural)
            if _link(rng, tables[0], stub, style):
                tables[0].parent = None
        return Schema(tables, layout(rng, tables))


def _column_text(column: Column, options: dict[str, bool], case: str, parent: Table | None) -> str:
    """Write one column definition."""
    parts = [column.name.sql, column.sql_type]
    if column.role == "key" and options["primary"]:
        parts.append("PRIMARY KEY")
    elif column.not_null:
        parts.append("NOT NULL")
    if column.kind == "fk" and parent and options["references"]:
        return " ".join(
            [
                parts[0],
                *(_case(p, case) for p in parts[1:]),
                _case("REFERENCES", case),
                f"{parent.name.sql}({parent.key.name.sql})",
            ]
        )
    return " ".join([parts[0], *(_case(p, case) for p in parts[1:])])


def _case(text: str, case: str) -> str:
    """Write keywords in the layout's case."""
    return text.lower() if case == "lower" else text


def layout(rng: random.Random, tables: list[Table]) -> str:
    """Write the CREATE TABLE statements in a random layout."""
    case = "lower" if rng.random() < 0.12 else "upper"
    link = rng.choices(("references", "foreign", "none"), (45, 25, 30))[0]
    options = {"primary": rng.random() < 0.75, "references": link == "references"}
    indent = rng.choice(("  ", "    ", "    ", "\t", " "))
    one_line = rng.random() < 0.5
    end = rng.choice((";", ";", ""))
    space = " " if rng.random() < 0.85 else ""
    made: list[str] = []
    for table in tables:
        lines = [_column_text(column, options, case, table.parent) for column in table.columns]
        if link == "foreign" and table.parent and table.foreign:
            target = f"{table.parent.name.sql}({table.parent.key.name.sql})"
            lines.append(
                f"{_case('FOREIGN KEY', case)} ({table.foreign.name.sql}) {_case('REFERENCES', case)} {target}"
            )
        head = f"{_case('CREATE TABLE', case)} {table.name.sql}{space}("
        if one_line:
            made.append(head + ", ".join(lines) + ")" + end)
        else:
            made.append(head + "\n" + ",\n".join(indent + line for line in lines) + "\n)" + end)
    return ("\n" if one_line or rng.random() < 0.6 else "\n\n").join(made)
