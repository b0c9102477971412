"""Conditions: a column, an operator and values, as SQL and as words."""

from __future__ import annotations

import calendar
import random
import string
from dataclasses import dataclass

from catalog.starter.train import identifiers, phrases, words
from catalog.starter.train.schema import Column, Table

Hint = tuple[str, str, str | float]


@dataclass(frozen=True)
class Condition:
    """One condition: words after a noun (rel), words after "how many T" (verb), SQL, its values and its phrasings."""

    rel: str
    verb: str
    sql: str
    hints: tuple[Hint, ...]
    kind: str
    phrasing: str

    @property
    def rel_key(self) -> str:
        """Name the list of the words after a noun."""
        return self.phrasing.replace("*", "r:")

    @property
    def verb_key(self) -> str:
        """Name the list of the words after "how many T"."""
        return self.phrasing.replace("*", "v:")


def quote(text: str) -> str:
    """Write an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def mention(rng: random.Random, column: Column) -> str:
    """Say a column: its words most of the time, or its SQL spelling."""
    if rng.random() < 0.15:
        return column.name.sql
    return column.name.spoken


def novel_text(rng: random.Random, heldout: bool) -> str:
    """Return a made-up text value: words, capitals, digits, apostrophes."""
    parts = []
    for _ in range(rng.choices((1, 2, 3), (85, 13, 2))[0]):
        pool = rng.random()
        word = (
            identifiers.invented_word(rng, heldout)
            if pool < 0.5
            else rng.choice(rng.choice((words.MISC, words.STATUSES, words.MODIFIERS, words.CATEGORIES, words.PEOPLE)))
        )
        style = rng.random()
        parts.append(word.capitalize() if style < 0.5 else word.upper() if style < 0.58 else word)
    text = rng.choices((" ", "-", "_"), (90, 6, 4))[0].join(parts)
    roll = rng.random()
    if roll < 0.02:
        text += rng.choice((" ", "-", "")) + str(rng.randint(1, 9999))
    elif roll < 0.03:
        text = (
            "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.randint(2, 3)))
            + rng.choice(("-", ""))
            + str(rng.randint(10, 99999))
        )
    elif roll < 0.045:
        text = rng.choice(("O'", "D'", "Mc", "L'")) + text.capitalize()
    elif roll < 0.055:
        text += "'s " + rng.choice(words.CATEGORIES)
    return text


def text_value(rng: random.Random, column: Column, heldout: bool) -> str:
    """Return a value that suits a text column."""
    if rng.random() < 0.2 or (heldout and rng.random() < 0.3):
        return novel_text(rng, heldout)
    if column.role == "place":
        return rng.choice(words.PLACES)
    if column.role == "status":
        return vary_case(rng, rng.choice(words.STATUSES))
    if column.role == "category":
        return rng.choice(words.CATEGORIES)
    if column.role in ("label", "person"):
        first, last = rng.choice(words.PEOPLE), rng.choice(words.SURNAMES)
        return rng.choice((first, last, f"{first} {last}", f"{first} {last}"))
    return vary_case(
        rng, rng.choice(rng.choice((words.MISC, words.MISC, words.CATEGORIES, words.PLACES, words.STATUSES)))
    )


def vary_case(rng: random.Random, text: str) -> str:
    """Return the text as it is, capitalised or in capitals."""
    roll = rng.random()
    return text if roll < 0.6 else text.capitalize() if roll < 0.93 else text.upper()


def number(rng: random.Random, real: bool) -> str:
    """Return a number as it is written, of any size."""
    top = rng.choice((10, 50, 100, 100, 100, 1000, 1000, 5000, 10000, 100000))
    whole = rng.randint(0, top)
    if rng.random() < 0.3 and whole > 20:
        whole -= whole % 10 ** (len(str(whole)) - 1)
    sign = "-" if rng.random() < 0.03 and whole else ""
    if real and rng.random() < 0.2:
        return f"{sign}{whole}.{rng.choice((str(rng.randint(1, 9)), f'{rng.randint(1, 99):02d}'))}"
    return f"{sign}{whole}"


def wrap(rng: random.Random, text: str) -> str:
    """Write a text value in a question: bare or in quotation marks."""
    roll = rng.random()
    if roll < 0.42:
        return text
    if roll < 0.58 or "'" in text:
        return f'"{text}"' if roll < 0.97 else text
    return f"'{text}'"


def _say(rng: random.Random, key: str, heldout: bool, slots: dict[str, str]) -> tuple[str, str]:
    """Fill the rel and verb phrases of one key."""
    return tuple(phrases.fill(phrases.choose(rng, form + key, heldout), slots) for form in ("r:", "v:"))  # type: ignore[return-value]


def numeric(rng: random.Random, table: Table, column: Column, ref: str, heldout: bool) -> Condition:
    """Compare a number column."""
    op = rng.choices(("gt", "lt", "ge", "le", "eq", "ne", "between", "in"), (24, 18, 12, 10, 14, 5, 13, 4))[0]
    low, high = number(rng, column.kind == "real"), number(rng, column.kind == "real")
    if op == "between" and float(low) > float(high):
        low, high = high, low
    slots = {"c": mention(rng, column), "cs": column.name.plural, "v": low, "w": high}
    rel, verb = _say(rng, op, heldout, slots)
    symbols = {"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "=", "ne": "!="}
    sql = (
        f"{ref} BETWEEN {low} AND {high}"
        if op == "between"
        else f"{ref} IN ({low}, {high})"
        if op == "in"
        else f"{ref} {symbols[op]} {low}"
    )
    names = (table.name.sql, column.name.sql)
    hints = ((*names, float(low)), (*names, float(high))) if op in ("between", "in") else ((*names, float(low)),)
    return Condition(rel, verb, sql, hints, op, "*" + op)


def textual(rng: random.Random, table: Table, column: Column, ref: str, heldout: bool) -> Condition:
    """Compare a text column."""
    alone = len(table.role(column.role)) == 1
    special = column.role if alone and column.role in ("place", "category", "status") else ""
    weights = (40, 30 if special else 0, 7, 6, 5, 7, 7)
    op = rng.choices(("eq", "role", "ne", "starts", "ends", "contains", "in"), weights)[0]
    value, other = text_value(rng, column, heldout), text_value(rng, column, heldout)
    while other == value:
        other = novel_text(rng, heldout)
    if op in ("starts", "ends", "contains"):
        cut = value.split(" ")[0]
        value = cut[: rng.randint(1, 3)] if rng.random() < 0.5 else cut
    key = special if op == "role" and special else "eq" if op == "role" else op
    slots = {
        "c": mention(rng, column),
        "cs": column.name.plural,
        "v": wrap(rng, value),
        "w": wrap(rng, other),
        "b": value,
    }
    rel, verb = _say(rng, key, heldout, slots)
    text = value.replace("'", "''")
    sqls = {
        "ne": f"{ref} != '{text}'",
        "starts": f"{ref} LIKE '{text}%'",
        "ends": f"{ref} LIKE '%{text}'",
        "contains": f"{ref} LIKE '%{text}%'",
        "in": f"{ref} IN ({quote(value)}, {quote(other)})",
    }
    names = (table.name.sql, column.name.sql)
    filled = {"starts": value + "ora", "ends": "mel" + value, "contains": "a" + value + "e"}.get(op, value)
    hints: tuple[Hint, ...] = ((*names, filled), (*names, other)) if op == "in" else ((*names, filled),)
    return Condition(
        rel,
        verb,
        sqls.get(op, f"{ref} = '{text}'"),
        hints,
        "eq" if key in ("place", "category", "status") else op,
        "*" + key,
    )


def say_date(rng: random.Random, year: int, month: int, day: int) -> str:
    """Write a day in one of the usual ways."""
    name = words.MONTHS[month - 1]
    return rng.choices(
        (
            f"{year}-{month:02d}-{day:02d}",
            f"{name} {day}, {year}",
            f"{day} {name} {year}",
            f"{name} {day} {year}",
            f"'{year}-{month:02d}-{day:02d}'",
        ),
        (86, 5, 4, 3, 2),
    )[0]


def moment(rng: random.Random, column: Column, ref: str, heldout: bool) -> tuple[str, str, str, tuple[str, ...]]:
    """Draw a moment or span: kind, words, SQL and sample values."""
    kind = rng.choices(
        ("month", "year", "on", "after", "before", "since", "between"),
        (28, 18, 8, 15, 13, 8, 10),
    )[0]
    year, month = rng.choice((rng.randint(2015, 2027), rng.randint(1950, 2030))), rng.randint(1, 12)
    day = rng.randint(1, calendar.monthrange(year, month)[1])
    later_year, later_month, later_day = rng.randint(year, year + 2), rng.randint(1, 12), rng.randint(1, 28)
    first, second = f"{year}-{month:02d}-{day:02d}", f"{later_year}-{later_month:02d}-{later_day:02d}"
    if second < first:
        second, later_year, later_month, later_day = (
            f"{year + 1}-{later_month:02d}-{later_day:02d}",
            year + 1,
            later_month,
            later_day,
        )
    name = words.MONTHS[month - 1]
    name = rng.choices((name, name.lower()), (90, 10))[0]
    slots = {
        "m": rng.choices((f"{name} {year}", f"{name} of {year}", f"{year}-{month:02d}"), (86, 8, 6))[0],
        "y": str(year),
        "x": say_date(rng, year, month, day),
        "z": say_date(rng, later_year, later_month, later_day),
    }
    said = phrases.fill(phrases.choose(rng, "moment:" + kind, heldout), slots)
    sql = {
        "month": f"{ref} LIKE '{year}-{month:02d}-%'",
        "year": f"{ref} LIKE '{year}-%'",
        "on": f"{ref} LIKE '{first}%'" if column.is_time else f"{ref} = '{first}'",
        "after": f"{ref} > '{first}'",
        "before": f"{ref} < '{first}'",
        "since": f"{ref} >= '{first}'",
        "between": f"{ref} BETWEEN '{first}' AND '{second}'",
    }[kind]
    return kind, said, sql, (first, second) if kind == "between" else (first,)


def dated(rng: random.Random, table: Table, column: Column, ref: str, heldout: bool) -> Condition:
    """Place a date column in time."""
    kind, said, sql, values = moment(rng, column, ref, heldout)
    mode = column.verb[1] if column.verb and rng.random() < 0.75 else "n"
    slots = {"c": mention(rng, column), "d": said, "p": column.verb[0] if column.verb else ""}
    rel, verb = (phrases.fill(phrases.choose(rng, "date:" + form + mode, heldout), slots) for form in ("r:", "v:"))
    hints = tuple((table.name.sql, column.name.sql, value) for value in values)
    return Condition(rel, verb, sql, hints, "date-" + kind, "date:*" + mode)


def flagged(rng: random.Random, table: Table, column: Column, ref: str, heldout: bool) -> Condition:
    """Test a yes/no column."""
    yes = rng.random() < 0.65
    slots = {"c": mention(rng, column), "f": column.verb[0] if column.verb else column.name.spoken}
    key = "flag" if yes else "noflag"
    rel, verb = _say(rng, key, heldout, slots)
    hints = ((table.name.sql, column.name.sql, float(yes)),)
    return Condition(rel, verb, f"{ref} = {int(yes)}", hints, "flag", "*" + key)


def draw(
    rng: random.Random, table: Table, heldout: bool, prefix: str = "", used: set[str] | None = None
) -> Condition | None:
    """Draw a condition on any column of a table."""
    used = set() if used is None else used
    columns = [c for c in table.columns if c.kind in ("text", "int", "real", "date", "flag") and c.name.sql not in used]
    if not columns:
        return None
    column = rng.choice(columns)
    used.add(column.name.sql)
    ref = prefix + column.name.sql
    if not column.not_null and column.kind != "flag" and rng.random() < 0.09:
        missing = rng.random() < 0.65
        slots = {"c": mention(rng, column), "cs": column.name.plural, "v": "", "w": ""}
        key = "null" if missing else "notnull"
        rel, verb = _say(rng, key, heldout, slots)
        return Condition(rel, verb, f"{ref} IS {'' if missing else 'NOT '}NULL", (), "null", "*" + key)
    makers = {"int": numeric, "real": numeric, "text": textual, "date": dated, "flag": flagged}
    return makers[column.kind](rng, table, column, ref, heldout)
