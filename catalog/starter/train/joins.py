"""Joins: the SQL of the question kinds that need two tables."""

from __future__ import annotations

from catalog.starter.train import conditions, phrases
from catalog.starter.train.draft import Draft, ImpossibleError


def _link(d: Draft) -> tuple[str, str, str]:
    """The child's name, the parent's name and the ON clause."""
    child, parent, foreign = d.table, d.parent, d.table.foreign
    assert foreign
    return (
        child.name.sql,
        parent.name.sql,
        f"{child.name.sql}.{foreign.name.sql} = {parent.name.sql}.{parent.key.name.sql}",
    )


def _parent_label(d: Draft) -> str:
    """The parent's naming column."""
    assert d.parent.label
    return f"{d.parent.name.sql}.{d.parent.label.name.sql}"


def _by_parent(d: Draft, shown: str, tail: str = "") -> str:
    """A join grouped by the parent's key."""
    child, parent, on = _link(d)
    label, key = _parent_label(d), d.parent.key.name.sql
    return f"SELECT {label}{shown} FROM {child} JOIN {parent} ON {on} GROUP BY {parent}.{key}{tail}"


def join_count(d: Draft) -> str:
    return _by_parent(d, ", COUNT(*)")


def join_agg(d: Draft) -> str:
    column, function = d.column("int", "real"), d.function()
    d.say(column, "c")
    return _by_parent(d, f", {function}({d.table.name.sql}.{column.name.sql})")


def _parent_where(d: Draft) -> str:
    """Say a condition on the parent and return the WHERE clause."""
    label = d.parent.label
    if label and d.rng.random() < 0.55:
        value = conditions.text_value(d.rng, label, d.heldout)
        said, where = conditions.wrap(d.rng, value), f"{d.parent.name.sql}.{label.name.sql} = {conditions.quote(value)}"
        d.hints.append((d.parent.name.sql, label.name.sql, value))
        name = conditions.mention(d.rng, label)
        rel = d.rng.choice((said, said, f"with {name} {said}", f"named {said}"))
        verb = d.rng.choice((f"is {said}", f"{name} is {said}", f"is named {said}"))
    else:
        drawn = conditions.draw(d.rng, d.parent, d.heldout, d.parent.name.sql + ".", set())
        if drawn is None:
            raise ImpossibleError
        rel, verb, where = drawn.rel, "", drawn.sql
        d.hints.extend(drawn.hints)
        d.kinds.append(drawn.kind)
    d.novel = d.novel or d.heldout
    template = phrases.choose(d.rng, "belongs", d.heldout)
    while "{vp}" in template and not verb:
        template = phrases.choose(d.rng, "belongs", d.heldout)
    noun = d.slots["u"] if verb or d.rng.random() < 0.4 else d.slots["us"]
    d.slots["uw"] = f"{noun} {rel}"
    d.slots["b"] = phrases.fill(template, {"uw": d.slots["uw"], "u": d.slots["u"], "vp": verb})
    return f" WHERE {where}"


def join_where(d: Draft) -> str:
    child, parent, on = _link(d)
    column = d.table.label if d.table.label and d.rng.random() < 0.3 else d.column("text", "int", "real", "date")
    d.say(column, "c")
    return f"SELECT {child}.{column.name.sql} FROM {child} JOIN {parent} ON {on}{_parent_where(d)}"


def join_count_where(d: Draft) -> str:
    child, parent, on = _link(d)
    return f"SELECT COUNT(*) FROM {child} JOIN {parent} ON {on}{_parent_where(d)}"
