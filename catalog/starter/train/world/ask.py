"""Asking: the state of one question while it is built, and how it is written down in the end."""

# ruff: noqa: E501

from __future__ import annotations

import random
from collections.abc import Callable

from catalog.starter.train.conditions import Hint
from catalog.starter.train.draft import ImpossibleError, Question
from catalog.starter.train.world import clauses
from catalog.starter.train.world.clauses import Clause, fitting, many, say
from catalog.starter.train.world.pools import CONTACTS
from catalog.starter.train.world.things import Field, Thing, World

FILLER_SHARE = 0.25
# Words that mean nothing for the query, behind a question, and before one.
BEHIND = ("in total", "altogether", "in all", "overall", "in our records", "on file", "in the database", "in our database",
          "at the moment", "right now", "so far", "on record", "in the system", "that we know of", "all in all",
          "in our books", "as far as we know", "in the data", "according to our records", "for the report", "please")  # fmt: skip
FRONT = ("can you tell me {q}", "could you tell me {q}", "tell me {q}", "i'd like to know {q}", "i would like to know {q}",
         "do you know {q}", "please tell me {q}", "just curious: {q}", "quick question: {q}", "i need to know {q}",
         "we want to know {q}", "i was wondering {q}", "for our report: {q}", "hi, {q}", "according to the data, {q}",
         "in our database, {q}", "overall, {q}")  # fmt: skip
LIST = ("list {x}", "list {x}", "list all {x}", "show {x}", "show me {x}", "show all {x}", "show me all {x}", "give me {x}",
        "give me all {x}", "give me a list of {x}", "find {x}", "find all {x}", "display {x}", "get {x}", "get all {x}",
        "i want to see all {x}", "i'd like to see {x}", "can you show me {x}", "can you list {x}", "please list {x}", "please show all {x}",
        "let me see all {x}", "print {x}", "i need all {x}", "could you list all {x}", "pull up all {x}",
        "show every one of the {x}", "all {x}", "look up all {x}", "return all {x}")  # fmt: skip
OF_VALUE = ("what is {x}", "what is {x}", "what's {x}", "give me {x}", "show me {x}", "show {x}", "tell me {x}", "what was {x}",
            "find {x}", "calculate {x}", "compute {x}", "i need {x}", "i'd like to know {x}", "get {x}", "can you give me {x}", "{x}")  # fmt: skip
OF_MANY = ("what are {x}", "what are {x}", "list {x}", "list {x}", "show {x}", "show me {x}", "give me {x}", "display {x}", "get {x}",
           "find {x}", "i want {x}", "i need {x}", "can you list {x}", "please show {x}", "tell me {x}", "{x}", "return {x}")  # fmt: skip

NUMERALS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight", 10: "ten"}
# Concepts whose sum means something.
SUMMABLE = frozenset(
    """price amount salary weight length duration capacity area stock quantity pages population employees budget revenue balance points
    credits rent fee nights guests hours goals views copies fine tax rooms mileage discount""".split()  # noqa: SIM905 - a list of words reads best as words
)
HIGH = ("highest", "highest", "maximum", "largest", "greatest", "biggest")
LOW = ("lowest", "lowest", "minimum", "smallest", "least")


class Ask:
    """One question about one thing of a world."""

    def __init__(self, rng: random.Random, world: World, kind: str) -> None:
        """Choose the table."""
        self.rng, self.world, self.kind = rng, world, kind
        self.thing = rng.choice(world.things)
        self.used: set[str] = set()
        self.hints: list[Hint] = []
        self.word = self._word(self.thing)

    def _word(self, thing: Thing) -> str:
        """A noun for the rows of a table, in the singular."""
        roll = self.rng.random()
        return self.rng.choice(thing.words) if roll < 0.25 else thing.words[0]

    def pick(self, *options: str) -> str:
        """One of some phrasings, with the table's words put in."""
        return self.rng.choice(options)

    def plural(self, thing: Thing | None = None) -> str:
        """The rows of a table, in the plural or, now and then, by its SQL name."""
        thing = thing or self.thing
        if self.rng.random() < 0.06:
            return thing.sql
        return many(self.word if thing is self.thing else self._word(thing))

    def field(self, *kinds: str, thing: Thing | None = None, known: bool = False) -> Field:
        """An unused column of some kinds; `known` for one that has a concept."""
        found = [f for f in (thing or self.thing).of(*kinds) if f.sql not in self.used and (f.concept or not known)]
        found = [f for f in found if not (f.concept and f.concept.pool in CONTACTS)] or found
        if not found:
            raise ImpossibleError
        chosen = self.rng.choice(found)
        self.used.add(chosen.sql)
        return chosen

    def shown(self) -> tuple[str, str]:
        """What naming a row is called, and its columns."""
        names = self.thing.names
        if not names:
            raise ImpossibleError
        said = "name" if len(names) == 2 else say(self.rng, names[0])
        self.used |= {f.sql for f in names}
        return said, self.thing.label

    def clause(self, thing: Thing | None = None, prefix: str = "") -> Clause:
        """A condition."""
        thing = thing or self.thing
        made = clauses.draw(self.rng, self.world, thing, self.used, prefix)
        if made is None:
            raise ImpossibleError
        self.used.add(made.field.sql)
        self.hints += made.hints
        return made

    def which(
        self, must: bool = False, chance: float = 0.4, thing: Thing | None = None, prefix: str = ""
    ) -> list[Clause]:
        """No, one or two conditions."""
        if not must and self.rng.random() > chance:
            return []
        found = [self.clause(thing, prefix)]
        if self.rng.random() < 0.3:
            found.append(self.clause(thing, prefix))
        return found

    def where(self, found: list[Clause]) -> str:
        """The WHERE clause of some conditions."""
        return " WHERE " + " AND ".join(c.sql for c in found) if found else ""

    def noun(self, found: list[Clause], thing: Thing | None = None, noun: str = "") -> str:
        """The rows with their conditions: open tickets from Dublin that have no owner."""
        word = noun or self.plural(thing)
        before, behind = "", []
        for c in found:
            if (
                c.noun
                and not noun
                and thing is None
                and self.rng.random() < 0.6
                and word in (many(self.word), self.word)
            ):
                word, noun = c.noun, "taken"
            elif c.before and not before and (not c.after or self.rng.random() < 0.6):
                before = c.before + " "
            elif c.after:
                behind.append(c.after)
            elif c.verb:
                behind.append(("who " if (thing or self.thing).people else "that ") + c.verb)
            else:
                raise ImpossibleError
        if any(b.startswith(("are there", "does ", "did ")) for b in behind) or " does " in " ".join(behind):
            raise ImpossibleError
        joined = self.rng.choice((" and ", " and ", " ", " but ")).join(behind)
        if len(behind) == 2 and " but " in joined and self.rng.random() < 0.5:
            joined = joined.replace(" but ", " and also ")
        return f"{before}{word} {joined}".strip()

    def does(self, found: list[Clause]) -> tuple[str, str]:
        """The rows and what they do: open tickets, belong to Ada Smith; the last condition is the verb."""
        *rest, last = found
        if not last.verb or last.verb.startswith(("does ", "did ")):
            raise ImpossibleError
        if last.verb.startswith("are there "):
            return self.noun(rest), last.verb
        return self.noun(rest), last.verb

    def listing(self, x: str) -> str:
        """A wish to see rows."""
        made = self.pick(*LIST)
        if x.startswith(("the ", "all ")) or x[:1].isdigit():
            made = made.replace("all {x}", "{x}").replace("the {x}", "{x}").replace("every one of {x}", "{x}")
        return made.format(x=x)

    def finish(self, text: str, sql: str) -> Question:
        """Add the writer's habits and return the question."""
        rng = self.rng
        if rng.random() < FILLER_SHARE:
            if rng.random() < 0.62:
                text = f"{text}{rng.choice((' ', ' ', ', '))}{rng.choice(BEHIND)}"
            elif text.startswith(("how ", "what ", "which ", "who ", "when ", "where ")):
                text = rng.choice(FRONT).format(q=text)
            else:
                text = f"{rng.choice(('please', 'now', 'for our report,', 'hi,'))} {text}"
        asks = text.split(" ")[0].lower().rstrip(",") in {"how", "what", "what's", "which", "who", "when", "where", "can", "could", "do", "are", "is", "in", "at", "on", "by", "for", "whose", "since"}  # fmt: skip
        mark = "?" if asks else "."
        text += rng.choices((mark, "", "?"), (84 if asks else 60, 14 if asks else 38, 2))[0]
        if rng.random() < 0.85:
            text = text[0].upper() + text[1:]
        return Question(text, sql + ";", self.kind, tuple(self.hints), ())


def persons(ask: Ask, phrases: tuple[str, ...]) -> str:
    """One phrase of a column that suits the table, or ImpossibleError."""
    found = fitting(phrases, ask.thing.people)
    if not found:
        raise ImpossibleError
    return ask.rng.choice(found)


Kind = Callable[[Ask], tuple[str, str]]
