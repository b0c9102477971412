"""Clauses: conditions as people say them, before a noun, behind it or as a verb, with their SQL."""

# One list of phrasings to a line, however long.
# All makers of clauses have one signature.
# ruff: noqa: ARG001, E501
# fmt: off

from __future__ import annotations

import calendar
import random
from collections.abc import Callable
from dataclasses import dataclass

from catalog.starter.train import words
from catalog.starter.train.conditions import Hint, quote
from catalog.starter.train.identifiers import pluralise
from catalog.starter.train.world import pools
from catalog.starter.train.world.things import Field, Thing, World

NAME_SPOKEN_SHARE = 0.07  # of mentions of a column that use its SQL spelling
OTHER_SHARE = 0.3  # ... another word for it


@dataclass(frozen=True)
class Clause:
    """One condition. What is empty cannot be said that way; `noun` stands for the table's own noun."""

    sql: str
    field: Field
    after: str = ""
    verb: str = ""
    before: str = ""
    noun: str = ""
    hints: tuple[Hint, ...] = ()


def say(rng: random.Random, f: Field) -> str:
    """Say a column."""
    roll = rng.random()
    if roll < NAME_SPOKEN_SHARE:
        return f.sql
    if roll < NAME_SPOKEN_SHARE + OTHER_SHARE and f.others:
        return rng.choice(f.others)
    return f.spoken


def many(words_: str) -> str:
    """The plural of what stands for a column or a table."""
    ends = words_.endswith(("data", "s")) and not words_.endswith(("ss", "us"))
    if "_" in words_ or not words_.islower() or " of " in words_ or ends:
        return words_
    *rest, last = words_.split()
    return " ".join((*rest, pluralise(last)))


def fitting(phrases: tuple[str, ...], people: bool) -> list[str]:
    """The phrases that are said of persons, or of things."""
    return [p.removesuffix("@p").removesuffix("@t") for p in phrases if not p.endswith("@t" if people else "@p")]


def _bare(world: World, thing: Thing, f: Field, phrase: str) -> bool:
    """Whether a phrase that does not name its column can mean this one alone."""
    others = [g for g in thing.of("text") if g is not f and g.concept]
    pattern = phrase.split("@")[0]
    clash = any(pattern in {p.split("@")[0] for p in (*g.concept.after, *g.concept.verb)} or g.concept.pool == f.concept.pool for g in others if g.concept and f.concept)
    return not clash or (world.shown and not any(set(g.values) & set(f.values) for g in others))


def textual(rng: random.Random, world: World, thing: Thing, f: Field, ref: str) -> Clause | None:
    """Compare a column of text."""
    concept = f.concept
    value = rng.choice(f.values) if rng.random() < 0.93 or not concept else pools.draw(rng, concept.pool)
    spoken = value
    roll = rng.random()
    if value.istitle() and world.shown and roll < 0.3:
        spoken = value.lower()
    elif world.shown and value.islower() and roll < 0.12:
        spoken = value.capitalize()
    shown = spoken if rng.random() < 0.86 or "'" in spoken else rng.choice(("'{}'", '"{}"')).format(spoken)
    name, hints = say(rng, f), ((thing.sql, f.sql, value),)
    style = rng.random()
    if style < 0.05:
        return Clause(f"{ref} != {quote(value)}", f, *_both(rng, (f"whose {name} is not {shown}", f"with a {name} other than {shown}", f"that are not {shown}"), (f"have a {name} other than {shown}", f"are not {shown}", f"do not have the {name} {shown}")), hints=hints)
    if style < 0.09 and len(f.values) > 1:
        other = rng.choice([v for v in f.values if v != value])
        either = f"{value} or {other}"
        return Clause(f"{ref} IN ({quote(value)}, {quote(other)})", f, *_both(rng, (f"with {name} {either}", f"whose {name} is {either}", f"whose {name} is either {either}"), (f"have the {name} {either}",)), hints=(*hints, (thing.sql, f.sql, other)))
    if style < 0.13:
        part = value.split(" ")[0][: rng.randint(1, 4)] if rng.random() < 0.6 else value.split(" ")[-1]
        kind = rng.choice(("starts", "ends", "contains"))
        like = {"starts": f"{part}%", "ends": f"%{part}", "contains": f"%{part}%"}[kind]
        word = {"starts": rng.choice(("starts with", "begins with")), "ends": "ends with", "contains": rng.choice(("contains", "includes", "has"))}[kind]
        stem = {"starts": "starting with", "ends": "ending with", "contains": "containing"}[kind]
        filled = {"starts": part + "ora", "ends": "mel" + part, "contains": "a" + part + "e"}[kind]
        return Clause(f"{ref} LIKE {quote(like)}", f, *_both(rng, (f"whose {name} {word} {part}", f"with a {name} {stem} {part}"), (f"have a {name} that {word} {part}", f"have a {name} {stem} {part}")), hints=((thing.sql, f.sql, filled),))
    sql = f"{ref} = {quote(value)}"
    if concept and style < 0.72:
        after = [p for p in concept.after if _bare(world, thing, f, p)]
        verb = [p for p in concept.verb if _bare(world, thing, f, p)]
        fits_after, fits_verb = fitting(tuple(after), thing.people), fitting(tuple(verb), thing.people)
        if f.novel and world.shown and _bare(world, thing, f, ""):
            fits_after, fits_verb = ["from {v}", "in {v}", "that are {v}", "of {v}"], ["are {v}", "are in {v}", "belong to {v}"]
        made = Clause(
            sql,
            f,
            rng.choice(fits_after).format(v=shown) if fits_after else "",
            rng.choice(fits_verb).format(v=shown) if fits_verb else "",
            spoken if (concept.before or (f.novel and world.shown)) and after + verb else "",
            many(spoken.lower()) if concept.noun and value.isalpha() and (after or verb) else "",
            hints,
        )
        if made.after or made.verb or made.before:
            return made
    after_said = (f"with {name} {shown}", f"whose {name} is {shown}", f"where the {name} is {shown}", f"with the {name} {shown}", f"of {name} {shown}", f"in {name} {shown}" if rng.random() < 0.3 else f"that have the {name} {shown}")
    return Clause(sql, f, *_both(rng, after_said, (f"have the {name} {shown}", f"have {name} {shown}", f"are of {name} {shown}")), before=f"{spoken}" if concept and concept.before and rng.random() < 0.3 and _bare(world, thing, f, "") else "", hints=hints)


def _both(rng: random.Random, after: tuple[str, ...], verb: tuple[str, ...]) -> tuple[str, str]:
    return rng.choice(after), rng.choice(verb)


def _figure(rng: random.Random, f: Field) -> str:
    """A number that the column may hold."""
    top = f.concept.top if f.concept else 100
    if f.concept and f.concept.key == "year":
        return str(rng.randint(1950, 2026))
    if f.concept and f.concept.key == "rating":
        return rng.choice((str(rng.randint(1, 5)), f"{rng.randint(1, 4)}.{rng.randint(1, 9)}"))
    value = rng.uniform(0.02, 1) * top * rng.choice((0.2, 0.5, 1, 1))
    if rng.random() < 0.72 and value > 10:
        size = 10 ** (len(str(int(value))) - 1)
        value = max(size, round(value / size) * size)
        value = value / 2 if rng.random() < 0.15 and value >= 10 else value
    if f.column.kind == "real" and rng.random() < 0.12:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(int(value) or 1)


def numeric(rng: random.Random, world: World, thing: Thing, f: Field, ref: str) -> Clause | None:
    """Compare a column of numbers."""
    concept, name = f.concept, say(rng, f)
    op = rng.choices((">", "<", ">=", "<=", "=", "!=", "between"), (34, 24, 10, 8, 12, 2, 10))[0]
    v = _figure(rng, f)
    hints: tuple[Hint, ...] = ((thing.sql, f.sql, float(v)),)
    if op == "between":
        w = _figure(rng, f)
        low, high = sorted((v, w), key=float)
        if low == high:
            return None
        said = (f"with a {name} between {low} and {high}", f"whose {name} is between {low} and {high}", f"with {name} from {low} to {high}")
        return Clause(f"{ref} BETWEEN {low} AND {high}", f, *_both(rng, said, (f"have a {name} between {low} and {high}", f"have {name} from {low} to {high}")), hints=(*hints, (thing.sql, f.sql, float(w))))
    sql = f"{ref} {op} {v}"
    if op in "<>" and concept and rng.random() < 0.55:
        compared = concept.more if op == ">" else concept.less
        clear = [c for c in compared if not any(c in g.concept.more + g.concept.less for g in thing.of("int", "real") if g is not f and g.concept)]
        verbs = [many_ for many_, _ in concept.does if not any(many_ in dict(g.concept.does) for g in thing.of("int", "real") if g is not f and g.concept)]
        options: list[tuple[str, str]] = []
        for phrase in clear:
            said_ = phrase.format(v=v)
            joined = said_ if said_.startswith(("with ", "for ", "from ", "worth", "of ")) else rng.choice((said_, f"that are {said_}", f"who are {said_}" if thing.people else said_))
            options.append((joined, ("have " + said_.removeprefix("with ")) if said_.startswith("with ") else f"are {said_}"))
        for verb in verbs:
            amount = rng.choice(("more than", "over", "above") if op == ">" else ("less than", "under", "below"))
            options.append((f"{'who' if thing.people else 'that'} {verb} {amount} {v}", f"{verb} {amount} {v}"))
            if verb.endswith("e"):
                options.append((f"{verb[:-1]}ing {amount} {v}", f"{verb} {amount} {v}"))
        if options:
            return Clause(sql, f, *rng.choice(options), hints=hints)
    forms = {
        ">": ("over {v}", "above {v}", "greater than {v}", "higher than {v}", "more than {v}", "of more than {v}"),
        "<": ("under {v}", "below {v}", "less than {v}", "lower than {v}", "smaller than {v}", "of less than {v}"),
        ">=": ("of at least {v}", "of {v} or more", "of {v} or higher", "not below {v}", "at or above {v}"),
        "<=": ("of at most {v}", "of {v} or less", "up to {v}", "no higher than {v}", "not above {v}"),
        "=": ("of {v}", "of exactly {v}", "{v}", "equal to {v}"),
        "!=": ("other than {v}", "different from {v}"),
    }[op]
    compared_to = rng.choice(forms).format(v=v)
    whose = compared_to.removeprefix("of ")
    article = rng.choice(("a ", "a ", "")) if not name.endswith("s") else ""
    return Clause(sql, f, *_both(rng, (f"with {article}{name} {compared_to}", f"with {article}{name} {compared_to}", f"whose {name} is {whose}", f"having {article}{name} {compared_to}"), (f"have {article}{name} {compared_to}", f"have {article}{name} {compared_to}", f"show a {name} {compared_to}")), hints=hints)


def _day(rng: random.Random, year: int, month: int, day: int) -> str:
    """A day in one of the usual ways."""
    name = words.MONTHS[month - 1]
    return rng.choices((f"{year}-{month:02d}-{day:02d}", f"{name} {day}, {year}", f"{day} {name} {year}", f"{name} {day} {year}"), (60, 18, 14, 8))[0]


def moment(rng: random.Random, ref: str, is_time: bool) -> tuple[str, str, str]:
    """A span of time: as words, as SQL, and a day for the test's rows."""
    kind = rng.choices(("month", "year", "on", "after", "before", "since", "between"), (22, 24, 6, 15, 14, 9, 8))[0]
    year, month = rng.choice((rng.randint(2015, 2026), rng.randint(2019, 2026), rng.randint(1960, 2026))), rng.randint(1, 12)
    day = rng.randint(1, calendar.monthrange(year, month)[1])
    date, name = f"{year}-{month:02d}-{day:02d}", words.MONTHS[month - 1]
    if kind == "month":
        return rng.choice(("in {m}", "in {m}", "during {m}", "in the month of {m}")).format(m=rng.choice((f"{name} {year}", f"{name} {year}", f"{name} of {year}"))), f"{ref} LIKE '{year}-{month:02d}-%'", date
    if kind == "year":
        return rng.choice(("in {y}", "in {y}", "in {y}", "during {y}", "in the year {y}")).format(y=year), f"{ref} LIKE '{year}-%'", date
    whole = rng.random() < 0.45
    if kind == "between":
        later = year + rng.randint(1, 5)
        if whole:
            return rng.choice((f"between {year} and {later}", f"from {year} to {later}")), f"{ref} BETWEEN '{year}-01-01' AND '{later}-12-31'", date
        end = f"{later}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        said = _day(rng, *(int(part) for part in end.split("-")))
        return f"between {_day(rng, year, month, day)} and {said}", f"{ref} BETWEEN '{date}' AND '{end}'", date
    if kind == "on":
        return f"on {_day(rng, year, month, day)}", f"{ref} LIKE '{date}%'" if is_time else f"{ref} = '{date}'", date
    said = str(year) if whole else _day(rng, year, month, day)
    if kind == "after":
        return f"after {said}", f"{ref} > '{year}-12-31'" if whole else f"{ref} > '{date}'", date
    if kind == "before":
        return f"{rng.choice(('before', 'before', 'prior to', 'earlier than'))} {said}", f"{ref} < '{year}-01-01'" if whole else f"{ref} < '{date}'", date
    return rng.choice((f"since {said}", f"in {said} or later" if whole else f"on or after {said}", f"since {said}")), f"{ref} >= '{year}-01-01'" if whole else f"{ref} >= '{date}'", date


def verbs_of(thing: Thing, f: Field) -> list[tuple[str, str]]:
    """A date's verbs that no other date of the table has."""
    if not f.concept:
        return []
    others = {verb for g in thing.of("date") if g is not f and g.concept for verb, _ in g.concept.past}
    return [(verb, mode) for verb, mode in f.concept.past if verb not in others]


def dated(rng: random.Random, world: World, thing: Thing, f: Field, ref: str) -> Clause | None:
    """Compare a column of dates."""
    when, sql, day = moment(rng, ref, f.column.is_time)
    hints = ((thing.sql, f.sql, day),)
    verbs, who = verbs_of(thing, f), "who" if thing.people else "that"
    if verbs and rng.random() < 0.72:
        verb, mode = rng.choice(verbs)
        if mode == "a":
            return Clause(sql, f, f"{who} {verb} {when}", rng.choice((f"{verb} {when}", f"{verb} {when}", f"{verb} {when}" if verb == "became members" else f"have {verb} {when}")), hints=hints)
        return Clause(sql, f, rng.choice((f"{verb} {when}", f"{verb} {when}", f"{who} were {verb} {when}", f"that have been {verb} {when}")), rng.choice((f"were {verb} {when}", f"were {verb} {when}", f"have been {verb} {when}")), hints=hints)
    if len(thing.of("date")) == 1 and not f.novel and rng.random() < 0.3:
        return Clause(sql, f, rng.choice((when, f"from {when.removeprefix('in ')}" if when.startswith("in ") else when)), f"are there {when}" if not thing.people else "", hints=hints)
    name = say(rng, f)
    return Clause(sql, f, *_both(rng, (f"with a {name} {when}", f"whose {name} is {when}", f"with the {name} {when}"), (f"have a {name} {when}", f"have their {name} {when}")), hints=hints)


def missing(rng: random.Random, world: World, thing: Thing, f: Field, ref: str) -> Clause | None:
    """Ask whether there is a value."""
    if not f.nullable:
        return None
    name, who = say(rng, f), "who" if thing.people else "that"
    verbs = [verb for verb, mode in verbs_of(thing, f) if mode == "n"]
    absent = rng.random() < 0.75
    sql = f"{ref} IS NULL" if absent else f"{ref} IS NOT NULL"
    if verbs and rng.random() < 0.75:
        verb = rng.choice(verbs)
        if absent:
            never = rng.choice((f"not {verb} yet", f"not yet {verb}", f"never {verb}", f"still not {verb}", f"not {verb}", f"never been {verb}"))
            after = rng.choice((f"{who} were {never}", f"{who} have not been {verb}", f"{who} have not been {verb} yet", f"{who} are not yet {verb}", f"not yet {verb}", f"still to be {verb}"))
            return Clause(sql, f, after, rng.choice((f"have not been {verb}", f"have not been {verb} yet", f"were never {verb}", f"are not yet {verb}", f"have never been {verb}", f"still have to be {verb}", f"were not {verb}", f"haven't been {verb} yet", f"have yet to be {verb}")))
        return Clause(sql, f, rng.choice((f"{who} have been {verb}", f"already {verb}", f"{who} were {verb}")), rng.choice((f"have been {verb}", f"have already been {verb}", f"were already {verb}")))
    if absent:
        return Clause(sql, f, *_both(rng, (f"without a {name}", f"with no {name}", f"without {name}", f"with no {name} on file", f"missing a {name}", f"{who} have no {name}", f"whose {name} is missing", f"whose {name} is unknown", f"with an unknown {name}"), (f"have no {name}", f"do not have a {name}", f"lack a {name}", f"are missing a {name}", f"have no known {name}", f"don't have a {name}", f"have no {name} on record", f"have an unknown {name}")))
    return Clause(sql, f, *_both(rng, (f"with a {name}", f"{who} have a {name}", f"that do have a {name}", f"with a known {name}", f"whose {name} is known"), (f"have a {name}", f"do have a {name}", f"have a known {name}", f"have any {name}")))


def flagged(rng: random.Random, world: World, thing: Thing, f: Field, ref: str) -> Clause | None:
    """Ask for a flag."""
    if not f.concept:
        return None
    on = rng.random() < 0.6
    said = rng.choice(f.concept.yes if on else f.concept.no)
    who = "who" if thing.people else "that"
    before = said if " " not in said or said.startswith("not ") else ""
    return Clause(f"{ref} = {int(on)}", f, rng.choice((f"{who} are {said}", f"{who} are {said}", f"marked as {said}")), f"are {said}", before=before if not before.startswith("not") else "")


Maker = Callable[[random.Random, World, Thing, Field, str], Clause | None]
MAKERS: dict[str, Maker] = {"text": textual, "int": numeric, "real": numeric, "date": dated, "flag": flagged}
WEIGHTS = {"text": 10, "int": 5, "real": 5, "date": 7, "flag": 4}


def draw(rng: random.Random, world: World, thing: Thing, used: set[str], prefix: str = "") -> Clause | None:
    """A condition on an unused column of a thing."""
    found = [f for f in thing.fields if f.sql not in used and f.column.kind in MAKERS]
    roll = rng.random()
    if roll < 0.1:
        # A name, a key that is absent, or a contact.
        links = [f for f, _ in thing.links if f.sql not in used]
        f = rng.choice(links) if links and rng.random() < 0.5 else rng.choice(found) if found else None
        return missing(rng, world, thing, f, prefix + f.sql) if f and f.column.kind != "flag" else None
    if roll < 0.15 and len(thing.names) == 1 and thing.names[0].sql not in used:
        return textual(rng, world, thing, thing.names[0], prefix + thing.names[0].sql)
    if not found:
        return None
    f = rng.choices(found, [WEIGHTS[g.column.kind] for g in found])[0]
    if f.concept and f.concept.past and any(mode == "n" for _, mode in f.concept.past) and f.nullable and rng.random() < 0.4:
        return missing(rng, world, thing, f, prefix + f.sql)
    if f.concept and f.concept.pool in pools.CONTACTS and rng.random() < 0.75:
        return missing(rng, world, thing, f, prefix + f.sql)
    return MAKERS[f.column.kind](rng, world, thing, f, prefix + f.sql)
