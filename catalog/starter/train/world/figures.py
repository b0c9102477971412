"""Figures: sums, extremes, and figures per value; each kind returns the question and its SQL."""

# One list of phrasings to a line, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from catalog.starter.train.draft import ImpossibleError
from catalog.starter.train.world.ask import HIGH, LOW, NUMERALS, OF_VALUE, SUMMABLE, Ask, Kind
from catalog.starter.train.world.clauses import many, say, verbs_of
from catalog.starter.train.world.things import Field


def _on_average(f: Field, n: str) -> list[str]:
    """How old are nurses on average; how much do tickets cost on average."""
    made = []
    for phrase in f.concept.value if f.concept else ():
        base = phrase.split("@")[0]
        for one, all_ in ((" is {n}", f" are {n}"), (" does {n}", f" do {n}"), (" did {n}", f" did {n}")):
            if one in base:
                made.append(base.replace(one, all_))
    return made


def average(a: Ask) -> tuple[str, str]:
    f = a.field("int", "real")
    found = a.which(False, 0.45)
    n, said = a.noun(found), say(a.rng, f)
    sql = f"SELECT AVG({f.sql}) FROM {a.thing.sql}{a.where(found)}"
    how = _on_average(f, n)
    if how and a.rng.random() < 0.35:
        return a.pick("{} on average", "on average, {}", "{} on the average").format(a.rng.choice(how)), sql
    if not found and a.world.only(f) and a.rng.random() < 0.25:
        return a.pick(f"what is the average {said}", f"what's the mean {said}", f"average {said}", f"what is the {said} on average"), sql
    x = a.pick(f"the average {said} of {n}", f"the average {said} of the {n}", f"the mean {said} of {n}", f"the average {said} of all {n}", f"the average {said} for {n}", f"the average {said} across all {n}", f"the average {said} among {n}")
    return a.pick(a.pick(*OF_VALUE).format(x=x), a.pick(*OF_VALUE).format(x=x), f"what {said} do {n} have on average", f"what is the {said} of {n} on average"), sql


def total(a: Ask) -> tuple[str, str]:
    f = a.field("int", "real")
    if f.concept and not f.novel and f.concept.key not in SUMMABLE:
        raise ImpossibleError
    found = a.which(False, 0.5)
    n, said = a.noun(found), say(a.rng, f).removeprefix("total ")
    sql = f"SELECT SUM({f.sql}) FROM {a.thing.sql}{a.where(found)}"
    if said.startswith("number of ") and a.rng.random() < 0.6:
        units = said.removeprefix("number of ")
        return a.pick(f"how many {units} do {n} have in total", f"how many {units} do all {n} have together", f"how many {units} do the {n} have altogether", f"how many {units} are there in total across all {n}"), sql
    how = _on_average(f, n)
    if how and a.rng.random() < 0.3:
        return a.pick("{} in total", "{} altogether", "{} together", "{} combined").format(a.rng.choice(how)), sql
    if not found and a.world.only(f) and a.rng.random() < 0.2:
        return a.pick(f"what is the total {said}", f"total {said}", f"sum of all {many(said)}", f"what do all {many(said)} add up to"), sql
    x = a.pick(f"the total {said} of {n}", f"the total {said} of all {n}", f"the sum of {many(said)} of {n}", f"the sum of the {many(said)} of {n}", f"the combined {said} of {n}", f"the overall {said} of {n}", f"the total {said} for {n}", f"the total {said} across {n}", f"the sum of all {many(said)} of {n}")
    return a.pick(*OF_VALUE).format(x=x), sql


def extreme(a: Ask) -> tuple[str, str]:
    """The greatest or least value itself."""
    f = a.field("int", "real", "int", "real", "date")
    high = a.rng.random() < 0.6
    found = a.which(False, 0.3)
    n, said = a.noun(found), say(a.rng, f)
    sql = f"SELECT {'MAX' if high else 'MIN'}({f.sql}) FROM {a.thing.sql}{a.where(found)}"
    if f.column.kind == "date":
        verbs = [v for v, mode in verbs_of(a.thing, f) if mode in "pn"]
        if verbs and a.rng.random() < 0.5:
            verb, one = a.rng.choice(verbs), a.word if not found else ""
            if one:
                return a.pick(f"when was the {'last' if high else 'first'} {one} {verb}", f"when was the {'latest' if high else 'earliest'} {one} {verb}", f"when was a {one} {'last' if high else 'first'} {verb}", f"what is the date of the {'last' if high else 'first'} {one} {verb}"), sql
        word = a.pick("latest", "most recent", "last", "newest") if high else a.pick("earliest", "first", "oldest")
    else:
        word = a.pick(*HIGH) if high else a.pick(*LOW)
        named = (f.concept.most if high else f.concept.least) if f.concept else ()
        how = [h for h in _on_average(f, "{row}") if " are " in h or " do " in h]
        if named and how and not found and a.rng.random() < 0.4:
            row = f"the {a.rng.choice(named)} {a.word}"
            if a.rng.random() < 0.3:
                return a.pick(f"what is the {said} of {row}", f"what {said} does {row} have"), sql
            asked = a.rng.choice(how).replace(" are {row}", f" is {row}").replace(" do {row}", f" does {row}")
            return asked, sql
    if not found and a.world.only(f) and a.rng.random() < 0.4:
        return a.pick(f"what is the {word} {said}", f"what's the {word} {said}", f"give me the {word} {said}", f"{word} {said}", f"how {'high' if high else 'low'} is the {word} {said}" if f.column.kind != "date" else f"what is the {word} {said}"), sql
    x = a.pick(f"the {word} {said} of {n}", f"the {word} {said} of the {n}", f"the {word} {said} of all {n}", f"the {word} {said} among {n}", f"the {word} {said} of any {a.word}" if not found else f"the {word} {said} of all {n}", f"the {word} {said} that {n} have", f"the {word} {said} for {n}")
    return a.pick(*OF_VALUE).format(x=x), sql


def per(a: Ask) -> tuple[str, str]:
    """Rows per value."""
    dates = a.thing.of("date")
    if dates and a.rng.random() < 0.14:
        f = a.rng.choice(dates)
        step, form = a.rng.choice((("year", "%Y"), ("year", "%Y"), ("month", "%Y-%m")))
        verbs = [v for v, mode in verbs_of(a.thing, f) if mode in "pn"]
        key, t = f"strftime('{form}', {f.sql})", a.plural()
        text = a.pick(f"how many {t} were {a.rng.choice(verbs)} per {step}", f"number of {t} {a.rng.choice(verbs)} each {step}") if verbs else a.pick(f"how many {t} per {step} of {say(a.rng, f)}", f"number of {t} by {step} of {say(a.rng, f)}")
        return text, f"SELECT {key}, COUNT(*) FROM {a.thing.sql} GROUP BY {key}"
    f = a.field("text", "text", "int", "flag") if a.rng.random() < 0.15 else a.field("text")
    found = a.which(False, 0.2)
    n, said = a.noun(found), say(a.rng, f)
    text = a.pick(f"how many {n} are there per {said}", f"how many {n} are there for each {said}", f"number of {n} per {said}", f"count the {n} by {said}", f"how many {n} per {said}", f"how many {n} does each {said} have", f"for each {said}, how many {n} are there", f"count {n} for each {said}", f"show the number of {n} by {said}", f"how many {n} are in each {said}", f"what is the number of {n} per {said}", f"give me the number of {n} for every {said}", f"list each {said} with its number of {n}", f"break down {n} by {said}", f"how are {n} distributed by {said}", f"show every {said} and how many {n} it has")
    return text, f"SELECT {f.sql}, COUNT(*) FROM {a.thing.sql}{a.where(found)} GROUP BY {f.sql}"


def _function(a: Ask) -> tuple[str, str]:
    return a.rng.choice((("AVG", "average"), ("AVG", "average"), ("AVG", "mean"), ("SUM", "total"), ("SUM", "total"), ("MAX", "highest"), ("MAX", "maximum"), ("MIN", "lowest")))


def per_figure(a: Ask) -> tuple[str, str]:
    """A figure per value."""
    f, g = a.field("text"), a.field("int", "real")
    function, word = _function(a)
    if function == "SUM" and g.concept and not g.novel and g.concept.key not in SUMMABLE:
        raise ImpossibleError
    found = a.which(False, 0.15)
    n, by, said = a.noun(found), say(a.rng, f), say(a.rng, g)
    text = a.pick(f"what is the {word} {said} of {n} per {by}", f"what is the {word} {said} of {n} for each {by}", f"show the {word} {said} of {n} by {by}", f"{word} {said} of {n} per {by}", f"for each {by}, what is the {word} {said} of {n}", f"for every {by}, show the {word} {said} of the {n}", f"{word} {said} by {by} for {n}", f"what is the {word} {said} of {n} in each {by}", f"list each {by} with the {word} {said} of its {n}")
    if not found and a.world.only(g) and a.world.only(f) and a.rng.random() < 0.3:
        text = a.pick(f"what is the {word} {said} per {by}", f"{word} {said} by {by}", f"show the {word} {said} for each {by}", f"what is the {word} {said} in each {by}")
    return text, f"SELECT {f.sql}, {function}({g.sql}) FROM {a.thing.sql}{a.where(found)} GROUP BY {f.sql}"


def most(a: Ask) -> tuple[str, str]:
    """The value that most rows have, or the best figure."""
    f = a.field("text", "text")
    down = a.rng.random() < 0.8
    said, t = say(a.rng, f), a.plural()
    if a.rng.random() < 0.3:
        g = a.field("int", "real")
        function, word = a.rng.choice((("AVG", "average"), ("AVG", "average"), ("SUM", "total")))
        other = say(a.rng, g)
        return a.pick(f"which {said} has the {'highest' if down else 'lowest'} {word} {other} of {t}", f"what {said} of {t} has the {'highest' if down else 'lowest'} {word} {other}", f"which {said} of {t} has the {'largest' if down else 'smallest'} {word} {other}"), f"SELECT {f.sql} FROM {a.thing.sql} GROUP BY {f.sql} ORDER BY {function}({g.sql}){' DESC' if down else ''} LIMIT 1"
    found = a.which(False, 0.12)
    n = a.noun(found) if found else t
    text = a.pick(f"which {said} has the {'most' if down else 'fewest'} {n}", f"which {said} has the {'most' if down else 'fewest'} {n}", f"what is the {'most' if down else 'least'} common {said} of {n}", f"what is the {'most' if down else 'least'} frequent {said} among {n}", f"what {said} do {'most' if down else 'the fewest'} {n} have", f"which {said} occurs {'most' if down else 'least'} often among {n}")
    return text, f"SELECT {f.sql} FROM {a.thing.sql}{a.where(found)} GROUP BY {f.sql} ORDER BY COUNT(*){' DESC' if down else ''} LIMIT 1"


def quantity(a: Ask) -> tuple[str, str]:
    """A comparison with a small number: its words and its SQL."""
    n = a.rng.choice((1, 1, 2, 2, 3, 4, 5, 10, 20))
    said, op = a.rng.choice((("more than {n}", ">"), ("more than {n}", ">"), ("at least {n}", ">="), ("fewer than {n}", "<"), ("exactly {n}", "="), ("over {n}", ">"), ("{n} or more", ">="), ("less than {n}", "<")))
    figure = NUMERALS.get(n, "one" if n == 1 else str(n)) if a.rng.random() < 0.4 else str(n)
    return said.format(n=figure), f"{op} {n}"


def having(a: Ask) -> tuple[str, str]:
    f = a.field("text", "text")
    said, t = many(say(a.rng, f)), a.plural()
    if a.rng.random() < 0.25:
        g = a.field("int", "real")
        v, other = str(a.rng.choice((5, 10, 50, 100, 200, 1000, 4000))), say(a.rng, g)
        up = a.rng.random() < 0.65
        return a.pick(f"which {said} of {t} have an average {other} {'above' if up else 'below'} {v}", f"list the {said} of {t} with an average {other} {'over' if up else 'under'} {v}"), f"SELECT {f.sql} FROM {a.thing.sql} GROUP BY {f.sql} HAVING AVG({g.sql}) {'>' if up else '<'} {v}"
    words, sql = quantity(a)
    text = a.pick(f"which {said} have {words} {t}", f"which {said} have {words} {t}", f"what {said} have {words} {t}", f"list {said} with {words} {t}", f"show the {said} with {words} {t}", f"which {said} occur in {words} {t}", f"find all {said} that have {words} {t}")
    return text, f"SELECT {f.sql} FROM {a.thing.sql} GROUP BY {f.sql} HAVING COUNT(*) {sql}"


def above_average(a: Ask) -> tuple[str, str]:
    f = a.field("int", "real")
    said, n, up = say(a.rng, f), a.plural(), a.rng.random() < 0.75
    word = a.pick("above", "higher than the") if up else a.pick("below", "lower than the")
    test = f" WHERE {f.sql} {'>' if up else '<'} (SELECT AVG({f.sql}) FROM {a.thing.sql})"
    shape = a.rng.random()
    tail = f"with a {said} {word} average"
    if shape < 0.35:
        return a.pick(f"how many {n} have a {said} {word} average", f"number of {n} {tail}"), f"SELECT COUNT(*) FROM {a.thing.sql}{test}"
    if shape < 0.7:
        return a.pick(f"which {n} have a {said} {word} average", f"which {n} have {'more' if up else 'less'} {said} than the average"), f"SELECT {a.thing.label or '*'} FROM {a.thing.sql}{test}"
    return a.listing(f"{n} {tail}"), f"SELECT * FROM {a.thing.sql}{test}"


KINDS: dict[str, tuple[float, Kind]] = {
    "average": (5, average),
    "total": (5, total),
    "extreme": (7, extreme),
    "per": (7, per),
    "per_figure": (5, per_figure),
    "most": (4, most),
    "having": (4, having),
    "above_average": (1.2, above_average),
}
