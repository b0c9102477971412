"""Kinds: what is asked of one table; each returns the question and its SQL."""

# One list of phrasings to a line, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from catalog.starter.train.conditions import quote
from catalog.starter.train.draft import ImpossibleError
from catalog.starter.train.world.ask import HIGH, LOW, NUMERALS, OF_MANY, Ask, Kind, persons
from catalog.starter.train.world.clauses import many, say, verbs_of
from catalog.starter.train.world.things import Field


def count_all(a: Ask) -> tuple[str, str]:
    t = a.plural()
    text = a.pick(f"how many {t} are there", f"how many {t} are there", f"how many {t} do we have", f"how many {t} exist", f"number of {t}", f"count the {t}", f"count all {t}", f"what is the number of {t}", f"how many {t}", f"total number of {t}", f"what is the total number of {t}", f"how many {t} are stored", f"how many {t} are in the table", f"how many {t} are listed", f"how many {t} are registered" if a.thing.people else f"how many {t} are recorded", f"give me the number of {t}", f"how big is the number of {t}")
    return text, f"SELECT COUNT(*) FROM {a.thing.sql}"


def count(a: Ask) -> tuple[str, str]:
    found = a.which(True)
    sql = f"SELECT COUNT(*) FROM {a.thing.sql}{a.where(found)}"
    last = found[-1]
    if last.verb and a.rng.random() < 0.55:
        noun = a.noun(found[:-1])
        return a.pick("how many {n} {v}", "how many {n} {v}", "how many {n} {v}", "how many of the {n} {v}", "how many of our {n} {v}").format(n=noun, v=last.verb), sql
    n = a.noun(found)
    return a.pick(f"how many {n} are there", f"how many {n} do we have", f"how many {n} are there", f"number of {n}", f"count the {n}", f"count all {n}", f"what is the number of {n}", f"how many {n} exist", f"give me the number of {n}", f"show the number of {n}", f"tell me how many {n} there are", f"what is the count of {n}", f"are there {n}, and how many", f"how many {n}"), sql


def rows(a: Ask) -> tuple[str, str]:
    found = a.which(True)
    return a.listing(a.noun(found)), f"SELECT * FROM {a.thing.sql}{a.where(found)}"


def rows_all(a: Ask) -> tuple[str, str]:
    t = a.plural()
    return a.pick(a.listing(t), a.listing(f"all {t}"), f"show everything about {t}", f"list all data of the {t}"), f"SELECT * FROM {a.thing.sql}"


def which(a: Ask) -> tuple[str, str]:
    found = a.which(True)
    n, v = a.does(found)
    if v.startswith("are there "):
        text = a.pick(f"which {n} {v}", f"what {n} {v}")
    elif a.thing.people and a.rng.random() < 0.3 and sum(t.people for t in a.world.things) == 1:
        single = v.replace("are ", "is ", 1) if v.startswith("are ") else v.replace("were ", "was ", 1) if v.startswith("were ") else ""
        text = f"who {single}" if single and len(found) == 1 else f"which {n} {v}"
    else:
        text = a.pick(f"which {n} {v}", f"which {n} {v}", f"what {n} {v}", f"which of the {n} {v}", f"which of our {n} {v}", f"tell me which {n} {v}")
    return text, f"SELECT {a.thing.label or '*'} FROM {a.thing.sql}{a.where(found)}"


def names(a: Ask) -> tuple[str, str]:
    said, label = a.shown()
    found = a.which(False, 0.75)
    n = a.noun(found)
    x = a.pick(f"the {many(said)} of {n}", f"the {many(said)} of the {n}", f"the {many(said)} of all {n}", f"all {many(said)} of {n}", f"the {said} of every {a.word}" if not found else f"{many(said)} of {n}")
    if a.rng.random() < 0.2 and a.thing.people:
        return a.pick(f"who are the {n}", f"who are our {n}", f"name the {n}", f"name all {n}"), f"SELECT {label} FROM {a.thing.sql}{a.where(found)}"
    if a.rng.random() < 0.15:
        return a.pick(f"list {n} by {said} only", f"name the {n}", f"name all {n}"), f"SELECT {label} FROM {a.thing.sql}{a.where(found)}"
    return a.pick(*OF_MANY).format(x=x), f"SELECT {label} FROM {a.thing.sql}{a.where(found)}"


def _some(a: Ask) -> tuple[str, str]:
    """One or two columns: their words in the plural and their SQL."""
    if a.thing.names and a.rng.random() < 0.45:
        said, sql = a.shown()
    else:
        f = a.field("text", "int", "real", "date")
        said, sql = say(a.rng, f), f.sql
    if a.rng.random() < 0.55:
        g = a.field("text", "int", "real", "date")
        other = say(a.rng, g)
        return a.pick(f"{many(said)} and {many(other)}", f"{said} and {other}"), f"{sql}, {g.sql}"
    return many(said), sql


def columns(a: Ask) -> tuple[str, str]:
    said, sql = _some(a)
    found = a.which(False, 0.55)
    n = a.noun(found)
    query = f"SELECT {sql} FROM {a.thing.sql}{a.where(found)}"
    if a.rng.random() < 0.25:
        return a.pick(f"what {said} do {n} have", f"which {said} do {n} have", f"show {n} with their {said}" if a.thing.names and sql.startswith(a.thing.label + ", ") else f"what {said} do the {n} have", f"for each of the {n}, show the {said}", f"what is the {said} of each of the {n}"), query
    x = a.pick(f"the {said} of {n}", f"the {said} of the {n}", f"the {said} of all {n}", f"the {said} for {n}", f"only the {said} of {n}", f"just the {said} of the {n}")
    return a.pick(*OF_MANY).format(x=x), query


def with_column(a: Ask) -> tuple[str, str]:
    """Every row by its name with another column."""
    said, label = a.shown()
    f = a.field("text", "int", "real", "date")
    found = a.which(False, 0.4)
    n, other = a.noun(found), say(a.rng, f)
    text = a.pick(f"list {n} with their {other}", f"show the {said} and {other} of {n}", f"show each {a.word} and its {other}" if not found else f"show {n} and their {many(other)}", f"list all {n} together with the {other}", f"give me every {a.word}'s {said} and {other}" if not found else f"give me the {n} with their {many(other)}", f"what are the {many(said)} and {many(other)} of {n}")
    return text, f"SELECT {label}, {f.sql} FROM {a.thing.sql}{a.where(found)}"


def value_of(a: Ask) -> tuple[str, str]:
    label = a.thing.names
    if not label:
        raise ImpossibleError
    a.used |= {f.sql for f in label}
    f = a.field("text", "int", "real", "date")
    values = [a.rng.choice(x.values) for x in label]
    a.hints += [(a.thing.sql, x.sql, v) for x, v in zip(label, values, strict=True)]
    named = " ".join(values)
    where = " AND ".join(f"{x.sql} = {quote(v)}" for x, v in zip(label, values, strict=True))
    sql = f"SELECT {f.sql} FROM {a.thing.sql} WHERE {where}"
    if a.rng.random() < 0.3:
        named = a.pick(f"the {a.word} {named}", f"{a.word} {named}", f"the {a.word} called {named}", f"the {a.word} named {named}")
    elif len(a.world.things) > 1 and not a.world.only(f) and not a.world.shown:
        named = f"the {a.word} {named}"
    if f.concept and f.concept.value and a.rng.random() < 0.65:
        return persons(a, f.concept.value).format(n=named), sql
    said = say(a.rng, f)
    return a.pick(f"what is the {said} of {named}", f"what is the {said} of {named}", f"what is {named}'s {said}", f"which {said} does {named} have", f"what {said} does {named} have", f"show the {said} of {named}", f"give me the {said} of {named}", f"{said} of {named}", f"find the {said} of {named}"), sql


def _by(a: Ask) -> tuple[Field, bool, list[str]]:
    """A column to sort by, whether from the top, and superlatives before the noun."""
    f = a.field("int", "real", "real", "date")
    down = a.rng.random() < 0.62
    named = list((f.concept.most if down else f.concept.least) if f.concept else ())
    clash = {w for g in a.thing.of("int", "real", "date") if g is not f and g.concept for w in (*g.concept.most, *g.concept.least)}
    return f, down, [w for w in named if w not in clash]


def superlative(a: Ask) -> tuple[str, str]:
    """The row that has the greatest or least value."""
    f, down, named = _by(a)
    found = a.which(False, 0.25)
    said = say(a.rng, f)
    order = f"{a.where(found)} ORDER BY {f.sql}{' DESC' if down else ''} LIMIT 1"
    date = f.column.kind == "date"
    word = a.pick(*(("latest", "most recent", "newest") if down else ("earliest", "oldest")) if date else HIGH if down else LOW)
    one = a.noun(found, noun=a.word)
    label = a.thing.label or "*"
    whom = "who" if a.thing.people else "what"
    shape = a.rng.random()
    if shape < 0.22:
        row = f"the {a.rng.choice(named)} {one}" if named and a.rng.random() < 0.7 else f"the {one} with the {word} {said}"
        g = a.field("text", "int", "real", "date")
        other = say(a.rng, g)
        return a.pick(f"what is the {other} of {row}", f"what {other} does {row} have", f"show the {other} of {row}"), f"SELECT {g.sql} FROM {a.thing.sql}{order}"
    if shape < 0.42:
        row = f"the {a.rng.choice(named)} {one}" if named and a.rng.random() < 0.7 else f"the {one} with the {word} {said}"
        return a.pick(f"show {row}", f"find {row}", f"show me {row}", f"give me {row}", f"get {row}"), f"SELECT * FROM {a.thing.sql}{order}"
    sql = f"SELECT {label} FROM {a.thing.sql}{order}"
    verbs = [v for v, mode in verbs_of(a.thing, f) if mode in "pn"]
    if date and verbs and a.rng.random() < 0.5:
        verb = a.rng.choice(verbs)
        return a.pick(f"which {one} was {verb} {'last' if down else 'first'}", f"which {one} was {verb} {'most recently' if down else 'the earliest'}"), sql
    if not date and f.concept and f.concept.does and a.rng.random() < 0.3:
        verb = a.rng.choice(f.concept.does)[1]
        return a.pick(f"which {one} {verb} the {'most' if down else 'least'}", f"{'who' if a.thing.people else 'which ' + one} {verb} the {'most' if down else 'least'}"), sql
    if named and a.rng.random() < 0.6:
        most = a.rng.choice(named)
        name = f"the name of the {most} {one}" if a.thing.names and a.rng.random() < 0.3 else f"the {most} {one}"
        if "name of" in name:
            name = name.replace("name", "name" if len(a.thing.names) == 2 else a.thing.names[0].spoken)
            return a.pick(f"what is {name}", f"give me {name}", f"show {name}"), sql
        return a.pick(f"which {one} is the {most}", f"{whom} is {name}", f"what is {name}" if not a.thing.people else f"who is {name}", f"which is {name}"), sql
    return a.pick(f"which {one} has the {word} {said}", f"which {one} has the {word} {said}", f"what {one} has the {word} {said}", f"{whom} has the {word} {said}" if a.thing.people else f"which {one} has the {word} {said}", f"{whom} is the {one} with the {word} {said}"), sql


def top_n(a: Ask) -> tuple[str, str]:
    f, down, named = _by(a)
    found = a.which(False, 0.22)
    n = a.rng.choice((2, 3, 3, 4, 5, 5, 6, 8, 10, 10, 15, 20))
    figure = NUMERALS[n] if n in NUMERALS and a.rng.random() < 0.45 else str(n)
    said, rows_ = say(a.rng, f), a.noun(found)
    order = f"{a.where(found)} ORDER BY {f.sql}{' DESC' if down else ''} LIMIT {n}"
    date = f.column.kind == "date"
    word = a.pick(*(("latest", "most recent", "newest") if down else ("earliest", "oldest")) if date else HIGH if down else LOW)
    x = f"{figure} {a.rng.choice(named)} {rows_}" if named and a.rng.random() < 0.6 else a.pick(f"{figure} {rows_} with the {word} {said}", f"top {figure} {rows_} by {said}" if down and not date else f"{figure} {rows_} with the {word} {said}")
    shape = a.rng.random()
    if shape < 0.35:
        return a.pick(f"show the {x}", f"list the {x}", f"give me the {x}", f"show me the {x}", f"{x}", f"find the {x}"), f"SELECT * FROM {a.thing.sql}{order}"
    if shape < 0.65:
        return a.pick(f"what are the {x}", f"which are the {x}", f"which {x} do we have", f"who are the {x}" if a.thing.people else f"which are the {x}"), f"SELECT {a.thing.label or '*'} FROM {a.thing.sql}{order}"
    if shape < 0.85:
        name, label = a.shown()
        return a.pick(f"what are the {many(name)} of the {x}", f"list the {many(name)} of the {x}", f"show the {many(name)} of the {x}"), f"SELECT {label} FROM {a.thing.sql}{order}"
    g = a.field("text", "int", "real", "date")
    other = say(a.rng, g)
    return a.pick(f"show the {many(other)} of the {x}", f"what are the {many(other)} of the {x}"), f"SELECT {g.sql} FROM {a.thing.sql}{order}"


def ordered(a: Ask) -> tuple[str, str]:
    by_name = bool(a.thing.names) and a.rng.random() < 0.25
    f = a.thing.names[-1] if by_name else a.field("text", "int", "real", "date", "date")
    a.used.add(f.sql)
    said = say(a.rng, f)
    down = a.rng.random() < 0.45
    kind = f.column.kind
    tail = [f"sorted by {said}", f"ordered by {said}", f"by {said}", f"sorted by {said} ascending", f"in order of {said}"]
    if down:
        tail = [f"sorted by {said} in descending order", f"ordered by {said} descending", f"by descending {said}", f"sorted by {said}, highest first" if kind in ("int", "real") else f"by {said}, latest first" if kind == "date" else f"sorted by {said} from z to a"]
        tail += ["with the newest first", "newest first", "from newest to oldest"] if kind == "date" and len(a.thing.of("date")) == 1 else []
        if f.concept and f.concept.most and f.concept.least and kind != "date":
            tail += [f"from {f.concept.most[0]} to {f.concept.least[0]}", f"{f.concept.most[0]} first"]
    else:
        tail += ["oldest first", "from oldest to newest"] if kind == "date" and len(a.thing.of("date")) == 1 else []
        tail += [f"alphabetically by {said}", f"in alphabetical order of {said}"] if kind == "text" else []
        if f.concept and f.concept.most and f.concept.least and kind != "date":
            tail += [f"from {f.concept.least[0]} to {f.concept.most[0]}", f"{f.concept.least[0]} first"]
    order = a.rng.choice(tail)
    end = f" ORDER BY {f.sql}{' DESC' if down else ''}"
    if a.rng.random() < 0.45 and (a.thing.names or not by_name):
        said_, sql = _some(a) if a.rng.random() < 0.5 or not a.thing.names else (many(a.shown()[0]), a.thing.label)
        found = a.which(False, 0.3)
        x = f"the {said_} of {a.noun(found)} {order}"
        return a.pick(*OF_MANY).format(x=x), f"SELECT {sql} FROM {a.thing.sql}{a.where(found)}{end}"
    found = a.which(False, 0.35)
    return a.listing(f"{a.noun(found)} {order}"), f"SELECT * FROM {a.thing.sql}{a.where(found)}{end}"


def _asked(a: Ask, f: Field) -> str:
    """Behind "which Cs": do customers live in."""
    if not f.concept or not f.concept.asked:
        raise ImpossibleError
    return persons(a, f.concept.asked).format(t=a.plural())


def distinct(a: Ask) -> tuple[str, str]:
    f = a.field("text", "text", "int")
    said, t = many(say(a.rng, f)), a.plural()
    sql = f"SELECT DISTINCT {f.sql} FROM {a.thing.sql}"
    if a.rng.random() < 0.45 and f.concept and f.concept.asked:
        return a.pick("which {c} {q}", "what {c} {q}", "which different {c} {q}", "in which {c} {q}" if _in(f) else "which {c} {q}").format(c=said, q=_asked(a, f)).replace(" live in", " live in"), sql
    found = a.which(False, 0.2)
    n = a.noun(found) if found else t
    sql += a.where(found)
    text = a.pick(f"list all distinct {said} of {n}", f"what different {said} do {n} have", f"which {said} are there among {n}", f"show the unique {said} of {n}", f"list the different {said} of {n}", f"what are the distinct {said} of {n}", f"give me the {said} of {n}, each only once", f"which different {said} occur among {n}", f"what {said} do {n} have, without duplicates", f"list the {said} of {n} without repeats", f"show all {said} of {n} without duplicates", f"what kinds of {said} do {n} have", f"which {said} appear in {n}", f"list the {said} of {n}, each once")
    return text, sql


def _in(f: Field) -> bool:
    return bool(f.concept and any(p.startswith("in {v}") for p in f.concept.after))


def count_distinct(a: Ask) -> tuple[str, str]:
    f = a.field("text", "text", "int")
    said, t = many(say(a.rng, f)), a.plural()
    found = a.which(False, 0.15)
    n = a.noun(found) if found else t
    sql = f"SELECT COUNT(DISTINCT {f.sql}) FROM {a.thing.sql}{a.where(found)}"
    if not found and f.concept and f.concept.asked and a.rng.random() < 0.4:
        return a.pick("how many {c} {q}", "how many different {c} {q}", "how many distinct {c} {q}").format(c=said, q=_asked(a, f)), sql
    return a.pick(f"how many different {said} do {n} have", f"how many distinct {said} are there among {n}", f"how many different {said} are there in {n}", f"number of different {said} of {n}", f"how many unique {said} do {n} have", f"count the distinct {said} of {n}", f"in how many different {said} are {n}" if _in(f) else f"how many {said} are there among {n}", f"what is the number of distinct {said} of {n}"), sql


KINDS: dict[str, tuple[float, Kind]] = {
    "count_all": (4, count_all),
    "count": (14, count),
    "rows": (6, rows),
    "rows_all": (1, rows_all),
    "which": (10, which),
    "names": (6, names),
    "columns": (6, columns),
    "with_column": (4, with_column),
    "value_of": (6, value_of),
    "superlative": (9, superlative),
    "top_n": (5, top_n),
    "ordered": (5, ordered),
    "distinct": (5, distinct),
    "count_distinct": (3.5, count_distinct),
}
