"""Which tables a question can mean: those that share words with it, and those that join them."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.sql.schema import Schema, Table

WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
TABLE_WEIGHT: Final = 2.0  # of a word of a table's name, against one of a column's
TEXT_WEIGHT: Final = 2.0  # of a value of the question that stands in a column of the table
CLOSE: Final = 0.6  # of the best table's weight: such a table may be meant as well
EMPTY_WORDS: Final = frozenset(
    """
    a all an and any are as at be between by did do does each every for from had has have how id in is it its
    list many me more most much of on or our over show than that the their there they to us was we were what
    when where which who whose will with
    """.split()  # noqa: SIM905 - a list of words reads best as words
)


def rank(schema: Schema, question: str, found: Mapping[str, int] | None = None) -> list[tuple[Table, float]]:
    """The tables with the weight of the words that they share with a question, the heaviest first.

    A word weighs less the more tables have it. `found` says of a table how many texts of the question stand in it.
    """
    asked = _words(question)
    names = {table.name: _words(table.name) for table in schema.tables}
    columns = {table.name: _words_of_columns(table) for table in schema.tables}
    spread = Counter(word for name in names for word in names[name] | columns[name])
    rarity = {word: math.log(1 + len(schema.tables) / number) for word, number in spread.items()}

    def weight(table: Table) -> float:
        named = sum(rarity[word] for word in names[table.name] & asked) * TABLE_WEIGHT
        named /= math.sqrt(max(1, len(names[table.name])))  # `order_items` is less meant by "orders" than `orders`
        held = sum(rarity[word] for word in columns[table.name] & asked)
        return named + held + TEXT_WEIGHT * (found or {}).get(table.name, 0)

    weights = [(table, weight(table)) for table in schema.tables]
    return sorted(weights, key=lambda item: -item[1])


def narrow(
    schema: Schema,
    question: str,
    *,
    most: int | None = None,
    fits: Callable[[str], bool] = lambda _: True,
    found: Mapping[str, int] | None = None,
) -> Schema:
    """The tables that a question can mean, at most `most`, and few enough that `fits` says yes of their statements.

    The whole schema where no word of the question says which. The best table always stays.
    """
    ranked = rank(schema, question, found)
    if most is None and fits(schema.ddl):
        return schema
    best = ranked[0][1]
    if best <= 0 and fits(schema.ddl):
        return schema
    meant = [table.name for table, weight in ranked if most is None or weight >= CLOSE * best][:most]
    while True:
        names = frozenset(meant) | _between(schema, meant)
        chosen = schema.only(names if most is None or len(names) <= most + 1 else frozenset(meant))
        if len(meant) <= 1 or fits(chosen.ddl):
            return chosen
        meant.pop()


def _between(schema: Schema, meant: list[str]) -> frozenset[str]:
    """The tables through which two that are meant refer to each other, where no key joins them."""
    near: dict[str, set[str]] = {table.name: set() for table in schema.tables}
    for table in schema.tables:
        for key in table.keys:
            near[table.name].add(key.table)
            near[key.table].add(table.name)
    links = set()
    for left, right in combinations(meant, 2):
        if right not in near[left]:
            links |= near[left] & near[right]
    return frozenset(links)


def _words_of_columns(table: Table) -> set[str]:
    """The words of its columns but of those that refer to another table, which name that one."""
    keys = {key.column for key in table.keys}
    return {word for column in table.columns if column.name not in keys for word in _words(column.name)}


def _words(text: str) -> set[str]:
    """The stems of the words of a text or of a name, in whatever way it joins them."""
    return {_stem(word.lower()) for word in WORD.findall(text)} - EMPTY_WORDS


def _stem(word: str) -> str:
    """A word without the endings that a name of a table is likely to lack."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("sses", "ches", "shes", "xes"):
        if word.endswith(ending):
            return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word
