"""A draft: the state of one question while it is built, and what every kind of question is built with."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from catalog.starter.train import conditions, phrases
from catalog.starter.train.conditions import Condition, Hint
from catalog.starter.train.schema import Column, Schema, Table

AGGREGATES = {
    "AVG": ["average", "average", "mean", "avg"],
    "SUM": ["total", "total", "summed", "overall"],
    "MAX": ["highest", "maximum", "largest", "max"],
    "MIN": ["lowest", "minimum", "smallest", "min"],
}
ADJECTIVES = {
    "number": (
        ["highest", "highest", "largest", "greatest", "most", "biggest"],
        ["lowest", "lowest", "smallest", "least"],
    ),
    "date": (["latest", "most recent", "newest", "latest"], ["earliest", "earliest", "oldest", "first"]),
}
ASKS = re.compile(r"\b(which|who|what)\b")
NUMERALS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 10: "ten"}


@dataclass(frozen=True)
class Question:
    """A question, its SQL, its kind, and values its test databases should hold."""

    text: str
    sql: str
    kind: str
    hints: tuple[Hint, ...]
    conditions: tuple[str, ...] = ()


class ImpossibleError(Exception):
    """The schema lacks what the kind needs."""


class Draft:
    """The state of one question while it is built."""

    def __init__(self, rng: random.Random, schema: Schema, kind: str, heldout: tuple[bool, bool]) -> None:
        """Expand a head template of the kind and choose the table; heldout says if head and conditions are."""
        self.rng, self.schema, self.kind = rng, schema, kind
        self.novel, self.heldout = heldout
        self.template = phrases.head(rng, kind, self.novel)
        self.slots = dict.fromkeys(("w", "k", "b", "w0"), "")
        self.hints: list[Hint] = []
        self.kinds: list[str] = []
        self.used: set[str] = set()
        linked = [t for t in schema.tables if t.parent]
        if kind.startswith("join"):
            if not linked:
                raise ImpossibleError
            self.table = linked[0]
            assert self.table.parent
            parent = self.table.parent
            self.parent: Table = parent
            self.slots.update(u=self._table(parent, False), us=self._table(parent, True))
        else:
            self.table = rng.choice(schema.tables)
        self.slots.update(t=self._table(self.table, True), s=self._table(self.table, False))

    def _table(self, table: Table, plural: bool) -> str:
        """Say a table: plural or singular words, or now and then its SQL name."""
        roll = self.rng.random()
        if roll < 0.12:
            return table.name.sql
        return table.name.plural if plural and roll > 0.16 else table.name.spoken

    def has(self, *slots: str) -> bool:
        """Tell whether the template uses one of the slots."""
        return any("{" + slot + "}" in self.template for slot in slots)

    @property
    def whole(self) -> str:
        """What shows a row: the column that names it where the question is of which, who or what, else all of them."""
        label = self.table.label
        return label.name.sql if label and ASKS.search(self.template) else "*"

    def column(self, *kinds: str) -> Column:
        """Choose an unused column of some kinds."""
        found = [c for c in self.table.of(*kinds) if c.name.sql not in self.used]
        if not found:
            raise ImpossibleError
        column = self.rng.choice(found)
        self.used.add(column.name.sql)
        if not self.has("t", "s", "w", "b") and any(
            column.name.spoken == c.name.spoken for t in self.schema.tables if t is not self.table for c in t.columns
        ):
            raise ImpossibleError
        return column

    def say(self, column: Column, slot: str) -> None:
        """Fill a column's slots, singular and plural."""
        self.slots[slot] = conditions.mention(self.rng, column)
        self.slots[slot + "s"] = (
            column.name.sql
            if self.rng.random() < 0.12
            else column.name.plural
            if self.rng.random() < 0.75
            else column.name.spoken
        )

    def where(self, must: bool, chance: float = 0.4, table: Table | None = None, prefix: str = "") -> str:
        """Fill the condition slots and return the WHERE clause, or nothing."""
        table = table or self.table
        if not self.has("w", "k", "b", "uw") or not (must or self.rng.random() < 0.6 * chance):
            if must:
                raise ImpossibleError
            return ""
        first = conditions.draw(self.rng, table, self.heldout, prefix, self.used)
        if first is None:
            raise ImpossibleError
        rel, verb, sql = first.rel, first.verb, first.sql
        self._note(first)
        if self.rng.random() < 0.08:
            second = conditions.draw(self.rng, table, False, prefix, self.used)
            if second:
                word = "and" if self.rng.random() < 0.65 else "or"
                rel, verb, sql = (
                    f"{rel} {word} {second.rel}",
                    f"{verb} {word} {second.verb}",
                    f"{sql} {word.upper()} {second.sql}",
                )
                self._note(second)
        self.slots["w"], self.slots["k"] = rel, verb
        return f" WHERE {sql}"

    def _note(self, condition: Condition) -> None:
        """Keep a condition's kind and values."""
        self.hints.extend(condition.hints)
        self.kinds.append(condition.kind)
        said = condition.verb_key if self.has("k") else condition.rel_key
        self.novel = self.novel or (self.heldout and bool(phrases.SPLIT[said][1]))

    def direction(self, column: Column) -> str:
        """Fill the ordering words and return the SQL direction."""
        down = self.rng.random() < 0.5
        o = (
            [
                "in descending order",
                "descending",
                "desc",
                "from highest to lowest",
                "in decreasing order",
                "from largest to smallest",
            ]
            if down
            else ["", "", "", "in ascending order", "ascending", "asc", "from lowest to highest", "in increasing order"]
        )
        spoken = conditions.mention(self.rng, column)
        z = (
            [f"from highest to lowest {spoken}", f"with the highest {spoken} first", f"by descending {spoken}"]
            if down
            else [f"from lowest to highest {spoken}", f"with the lowest {spoken} first", f"by ascending {spoken}"]
        )
        if column.kind == "date":
            o = (
                ["in descending order", "descending", "from newest to oldest", "newest first", "latest first"]
                if down
                else ["", "", "ascending", "from oldest to newest", "oldest first", "earliest first"]
            )
            z = (
                [f"with the latest {spoken} first", f"from latest to earliest {spoken}"]
                if down
                else [f"with the earliest {spoken} first", f"from earliest to latest {spoken}"]
            )
        elif column.kind == "text":
            o = (
                ["in descending order", "descending", "in reverse alphabetical order", "from z to a", "desc"]
                if down
                else ["", "", "", "alphabetically", "in alphabetical order", "ascending", "from a to z"]
            )
            z = (
                [f"in reverse alphabetical order of {spoken}"]
                if down
                else [f"in alphabetical order of {spoken}", f"alphabetically by {spoken}"]
            )
        self.slots.update(o=self.rng.choice(o), z=self.rng.choice(z))
        return " DESC" if down else ""

    def top(self) -> int:
        """Fill the number of rows wanted and return it."""
        n = self.rng.choice((2, 3, 3, 4, 5, 5, 6, 7, 8, 10, 10, 15, 20, 25, 50, 100))
        self.slots["n"] = NUMERALS[n] if n in NUMERALS and self.rng.random() < 0.2 else str(n)
        return n

    def extreme(self, column: Column) -> str:
        """Fill the superlative slots and return the SQL direction."""
        down = self.rng.random() < 0.68
        many = ADJECTIVES["date" if column.kind == "date" else "number"]
        self.slots.update(x=self.rng.choice(many[0 if down else 1]), y="top" if down else "bottom")
        return " DESC" if down else ""

    def quantity(self, count: bool) -> str:
        """Fill a comparison with a number and return it as SQL."""
        n = self.rng.choice((1, 2, 2, 3, 3, 4, 5, 10)) if self.rng.random() < 0.85 else self.rng.randint(2, 120)
        value = str(n) if count else conditions.number(self.rng, False)
        op = self.rng.choices((">", "<", ">=", "<=", "="), (45, 15, 22, 8, 10 if count else 0))[0]
        sign = {
            ">": ["more than", "over", "above", "greater than"],
            "<": ["fewer than", "less than"],
            ">=": ["at least"],
            "<=": ["at most", "no more than"],
            "=": ["exactly"],
        }[op]
        word = self.rng.choice(sign[:2] if count else sign)
        extra = self.rng.random()
        self.slots.update(
            q=f"{value} or more" if op == ">=" and extra < 0.25 else f"{word} {value}",
            n=value,
        )
        if not count:
            self.hints.append((self.table.name.sql, "*", float(value)))
        return f"{op} {value}"

    def function(self) -> str:
        """Choose an aggregate function and say it."""
        function = self.rng.choice(("AVG", "AVG", "SUM", "SUM", "MAX", "MIN"))
        self.slots["a"] = self.rng.choice(AGGREGATES[function])
        return function

    def finish(self, sql: str) -> Question:
        """Fill the template, add the writer's habits, and return the question."""
        template = phrases.misspell(self.rng, self.template) if self.rng.random() < 0.02 else self.template
        text = phrases.fill(template, self.slots)
        asks = text.split(" ")[0] in ("how", "what", "what's", "which", "who", "can", "could", "for", "on", "in")
        mark = "?" if asks else "."
        text += self.rng.choices((mark, "", "?"), (72 if asks else 50, 26 if asks else 48, 2))[0]
        if (not template.startswith("{") and self.rng.random() < 0.78) or (
            template.startswith("{") and text.islower() and self.rng.random() < 0.7 and " " in text
        ):
            text = text[0].upper() + text[1:]
        return Question(text, sql + ";", self.kind, tuple(self.hints), tuple(self.kinds))


Builder = Callable[[Draft], str]
