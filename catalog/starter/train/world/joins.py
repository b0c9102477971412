"""Joins: what is asked of a table and the one that its key refers to."""

# One list of phrasings to a line, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from catalog.starter.train.conditions import quote
from catalog.starter.train.draft import ImpossibleError
from catalog.starter.train.world.ask import SUMMABLE, Ask, Kind
from catalog.starter.train.world.clauses import many, say
from catalog.starter.train.world.entities import DONE
from catalog.starter.train.world.figures import quantity
from catalog.starter.train.world.things import Field, Thing


class Join:
    """A child, its parent and how they are joined."""

    def __init__(self, a: Ask, named: bool = True) -> None:
        """Choose the two; `named` wants a parent whose rows have names."""
        pairs = [(t, f, p) for t in a.world.things for f, p in t.links if p is not t and (not named or p.names)]
        if not pairs:
            raise ImpossibleError
        self.child, link, self.parent = a.rng.choice(pairs)
        a.thing = self.child
        a.word = a.rng.choice(self.child.words) if a.rng.random() < 0.2 else self.child.words[0]
        self.link = link
        c, p = self.child.sql, self.parent.sql
        self.both = f"{c} JOIN {p} ON {c}.{link.sql} = {p}.{self.parent.key.sql}"
        self.one = a.rng.choice(self.parent.words) if a.rng.random() < 0.2 else self.parent.words[0]

    @property
    def label(self) -> str:
        """The parent's naming columns."""
        return ", ".join(f"{self.parent.sql}.{f.sql}" for f in self.parent.names)

    def verb(self, a: Ask) -> tuple[str, str]:
        """The auxiliary and the verb of a parent that has children: did, place."""
        done = DONE.get(self.child.entity.noun if self.child.entity else "", "") if self.parent.people else ""
        return ("did", done) if done and a.rng.random() < 0.6 else ("does", "have")

    def row(self, a: Ask) -> tuple[str, str]:
        """A named row of the parent: its words and its condition."""
        values = [a.rng.choice(f.values) for f in self.parent.names]
        a.hints += [(self.parent.sql, f.sql, v) for f, v in zip(self.parent.names, values, strict=True)]
        named = " ".join(values)
        if a.rng.random() < 0.4:
            named = a.pick(f"the {self.one} {named}", f"{self.one} {named}", f"the {self.one} named {named}")
        return named, " AND ".join(f"{self.parent.sql}.{f.sql} = {quote(v)}" for f, v in zip(self.parent.names, values, strict=True))

    def parents(self, a: Ask) -> tuple[str, str]:
        """Parents with a condition: their words and the condition."""
        used, a.used = a.used, set()
        clause = a.clause(self.parent, self.parent.sql + ".")
        a.used = used
        word = many(self.one)
        if clause.before and a.rng.random() < 0.5:
            return f"{clause.before} {word}", clause.sql
        if not clause.after or clause.after.startswith(("are there", "does", "did")):
            raise ImpossibleError
        return f"{word} {clause.after}", clause.sql


def _figure(a: Ask, thing: Thing, summed: bool) -> Field:
    f = a.field("int", "real", thing=thing)
    if summed and f.concept and not f.novel and f.concept.key not in SUMMABLE:
        raise ImpossibleError
    return f


def count_of(a: Ask) -> tuple[str, str]:
    j = Join(a)
    named, test = j.row(a)
    does, verb = j.verb(a)
    t = a.plural()
    text = a.pick(f"how many {t} {does} {named} {verb}", f"how many {t} {does} {named} {verb}", f"how many {t} belong to {named}", f"number of {t} of {named}", f"how many {t} are there for {named}", f"count the {t} of {named}", f"how many {t} are from {named}")
    return text, f"SELECT COUNT(*) FROM {j.both} WHERE {test}"


def count_with(a: Ask) -> tuple[str, str]:
    j = Join(a, named=False)
    parents, test = j.parents(a)
    t = a.plural()
    text = a.pick(f"how many {t} belong to {parents}", f"how many {t} of {parents} are there", f"how many {t} come from {parents}", f"number of {t} of {parents}", f"how many {t} do {parents} have", f"count the {t} of {parents}")
    return text, f"SELECT COUNT(*) FROM {j.both} WHERE {test}"


def rows_of(a: Ask) -> tuple[str, str]:
    j = Join(a)
    named, test = j.row(a) if a.rng.random() < 0.5 else j.parents(a)
    t = a.plural()
    shape = a.rng.random()
    if shape < 0.4:
        return a.listing(a.pick(f"{t} of {named}", f"{t} of {named}", f"{t} for {named}", f"{t} that belong to {named}", f"{t} from {named}")), f"SELECT {j.child.sql}.* FROM {j.both} WHERE {test}"
    if shape < 0.7:
        if not j.child.names:
            raise ImpossibleError
        label = ", ".join(f"{j.child.sql}.{f.sql}" for f in j.child.names)
        said = "name" if len(j.child.names) == 2 else say(a.rng, j.child.names[0])
        return a.pick(f"which {t} belong to {named}", f"which {t} does {named} have" if "the " not in named else f"which {t} belong to {named}", f"what are the {many(said)} of the {t} of {named}", f"list the {many(said)} of {t} of {named}", f"which {t} are from {named}"), f"SELECT {label} FROM {j.both} WHERE {test}"
    f = a.field("text", "int", "real", "date", thing=j.child)
    said = many(say(a.rng, f))
    return a.pick(f"show the {said} of the {t} of {named}", f"what are the {said} of {t} of {named}", f"list the {said} of all {t} that belong to {named}"), f"SELECT {j.child.sql}.{f.sql} FROM {j.both} WHERE {test}"


def pairs(a: Ask) -> tuple[str, str]:
    """A column of each child with the name of its parent."""
    j = Join(a)
    if j.child.names and a.rng.random() < 0.6:
        shown, said = ", ".join(f"{j.child.sql}.{f.sql}" for f in j.child.names), "name" if len(j.child.names) == 2 else say(a.rng, j.child.names[0])
    else:
        f = a.field("text", "int", "real", "date", thing=j.child)
        shown, said = f"{j.child.sql}.{f.sql}", say(a.rng, f)
    other = "name" if len(j.parent.names) == 2 else say(a.rng, j.parent.names[0])
    found = a.which(False, 0.3, j.child, j.child.sql + ".")
    t = a.noun(found)
    text = a.pick(f"show the {said} of {t} and the {other} of their {j.one}", f"list the {many(said)} of {t} with the {other} of the {j.one}", f"for each of the {t}, show the {said} and the {j.one} {other}", f"list {t} by {said} together with the {j.one}'s {other}", f"show {t} with {said} and {j.one} {other}", f"give me the {said} of all {t} along with the {j.one} {other}", f"show each {a.word}'s {said} and its {j.one}'s {other}" if not found else f"show the {said} of {t} and their {j.one}'s {other}")
    return text, f"SELECT {shown}, {j.label} FROM {j.both}{a.where(found)}"


def per_parent(a: Ask) -> tuple[str, str]:
    j = Join(a)
    end = f"GROUP BY {j.parent.sql}.{j.parent.key.sql}"
    does, verb = j.verb(a)
    if a.rng.random() < 0.6:
        t = a.plural()
        text = a.pick(f"how many {t} {does} each {j.one} {verb}", f"number of {t} per {j.one}", f"how many {t} are there per {j.one}", f"count the {t} of each {j.one}", f"for each {j.one}, how many {t} are there", f"show every {j.one} with its number of {t}", f"list each {j.one} and how many {t} it has" if not j.parent.people else f"list each {j.one} and how many {t} they have", f"show the number of {t} for each {j.one}")
        return text, f"SELECT {j.label}, COUNT(*) FROM {j.both} {end}"
    function, word = a.rng.choice((("SUM", "total"), ("SUM", "total"), ("AVG", "average"), ("AVG", "average"), ("MAX", "highest")))
    f = _figure(a, j.child, function == "SUM")
    t, said = a.plural(), say(a.rng, f)
    text = a.pick(f"what is the {word} {said} of {t} per {j.one}", f"show the {word} {said} of {t} for each {j.one}", f"{word} {said} of {t} by {j.one}", f"for every {j.one}, show the {word} {said} of the {t}", f"list each {j.one} with the {word} {said} of their {t}")
    return text, f"SELECT {j.label}, {function}({j.child.sql}.{f.sql}) FROM {j.both} {end}"


def most_children(a: Ask) -> tuple[str, str]:
    j = Join(a)
    _, verb = j.verb(a)
    t, down = a.plural(), a.rng.random() < 0.8
    end = f"GROUP BY {j.parent.sql}.{j.parent.key.sql}"
    done = {"place": "placed", "make": "made", "write": "wrote", "take out": "took out", "open": "opened", "report": "reported", "record": "recorded", "release": "released", "direct": "directed", "send": "sent", "hand in": "handed in", "lead": "led", "teach": "taught", "file": "filed", "paint": "painted", "have": "has"}[verb]
    if a.rng.random() < 0.3:
        f = _figure(a, j.child, True)
        said = say(a.rng, f)
        return a.pick(f"which {j.one} has the {'highest' if down else 'lowest'} total {said} of {t}", f"which {j.one} has the {'largest' if down else 'smallest'} sum of {many(said)} of {t}"), f"SELECT {j.label} FROM {j.both} {end} ORDER BY SUM({j.child.sql}.{f.sql}){' DESC' if down else ''} LIMIT 1"
    if a.rng.random() < 0.35:
        words, sql = quantity(a)
        parents = many(j.one)
        plural_verb = "have" if done == "has" else done
        return a.pick(f"which {parents} {plural_verb} {words} {t}", f"list the {parents} with {words} {t}", f"which {parents} have {words} {t}"), f"SELECT {j.label} FROM {j.both} {end} HAVING COUNT(*) {sql}"
    return a.pick(f"which {j.one} {done} the {'most' if down else 'fewest'} {t}", f"which {j.one} has the {'most' if down else 'fewest'} {t}", f"what {j.one} has the {'highest' if down else 'lowest'} number of {t}"), f"SELECT {j.label} FROM {j.both} {end} ORDER BY COUNT(*){' DESC' if down else ''} LIMIT 1"


def figure_of(a: Ask) -> tuple[str, str]:
    j = Join(a)
    function, word = a.rng.choice((("SUM", "total"), ("SUM", "total"), ("AVG", "average"), ("AVG", "average"), ("MAX", "highest"), ("MIN", "lowest")))
    f = _figure(a, j.child, function == "SUM")
    named, test = j.row(a) if a.rng.random() < 0.5 else j.parents(a)
    t, said = a.plural(), say(a.rng, f)
    text = a.pick(f"what is the {word} {said} of the {t} of {named}", f"what is the {word} {said} of {t} of {named}", f"show the {word} {said} of {t} for {named}", f"{word} {said} of the {t} of {named}", f"what is the {word} {said} of {t} that belong to {named}")
    return text, f"SELECT {function}({j.child.sql}.{f.sql}) FROM {j.both} WHERE {test}"


def value_of_parent(a: Ask) -> tuple[str, str]:
    """Something of the parent of a named child."""
    j = Join(a)
    if not j.child.names:
        raise ImpossibleError
    values = [a.rng.choice(f.values) for f in j.child.names]
    a.hints += [(j.child.sql, f.sql, v) for f, v in zip(j.child.names, values, strict=True)]
    named, test = " ".join(values), " AND ".join(f"{j.child.sql}.{f.sql} = {quote(v)}" for f, v in zip(j.child.names, values, strict=True))
    if a.rng.random() < 0.5:
        f = a.field("text", "int", "real", "date", thing=j.parent)
        shown, said = f"{j.parent.sql}.{f.sql}", say(a.rng, f)
        text = a.pick(f"what is the {said} of the {j.one} of {named}", f"show the {said} of the {j.one} of the {a.word} {named}")
    else:
        shown = j.label
        text = a.pick(f"which {j.one} does {named} belong to", f"what is the {j.one} of {named}", f"which {j.one} does the {a.word} {named} have", f"to which {j.one} does {named} belong")
    return text, f"SELECT {shown} FROM {j.both} WHERE {test}"


def childless(a: Ask) -> tuple[str, str]:
    j = Join(a, named=False)
    done = {"place": "placed", "make": "made", "write": "written", "have": "had"}.get(j.verb(a)[1], "had")
    t, parents = a.plural(), many(j.one)
    test = f" WHERE NOT EXISTS (SELECT 1 FROM {j.child.sql} WHERE {j.child.sql}.{j.link.sql} = {j.parent.sql}.{j.parent.key.sql})"
    if a.rng.random() < 0.45:
        return a.pick(f"how many {parents} have no {t}", f"how many {parents} do not have any {t}", f"how many {parents} have never {done} any {t}"), f"SELECT COUNT(*) FROM {j.parent.sql}{test}"
    if a.rng.random() < 0.6:
        return a.pick(f"which {parents} have no {t}", f"which {parents} have never {done} any {t}", f"which {parents} do not have any {t}"), f"SELECT {j.parent.label or '*'} FROM {j.parent.sql}{test}"
    return a.listing(a.pick(f"{parents} without {t}", f"{parents} without any {t}", f"{parents} that have no {t}")), f"SELECT * FROM {j.parent.sql}{test}"


KINDS: dict[str, tuple[float, Kind]] = {
    "join_count_of": (5, count_of), "join_count_with": (4, count_with), "join_rows": (6, rows_of), "join_pairs": (4, pairs),
    "join_per_parent": (5, per_parent), "join_most": (3.5, most_children), "join_figure": (4, figure_of),
    "join_value": (2.5, value_of_parent), "join_childless": (2, childless),
}
