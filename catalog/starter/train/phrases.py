"""Phrasings: templates with (a|b) choices and {slots}, split into trained and held-out families.

A family (one line of a list) is held out if its CRC-32 says so and its words occur in trained
families too: a model trained from scratch cannot know a word that it has never seen.
"""

# One phrasing family to a line, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

import random
import re
import zlib

from catalog.starter.train.heads import BELONGS, FRAMES, HEADS

CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
SLOT = re.compile(r"\{(\w+)\}")
SPACES = re.compile(r" {2,}")
WORD = re.compile(r"(?<![{\w])[a-z']+(?![\w}])")
# One phrasing family in 6 is kept for the held-out test, from lists of at least 4.
HELDOUT_MODULUS = 6
HELDOUT_FROM = 4
# How often a question is a noun phrase in a frame.
FRAMED_SHARE = 0.55

# Conditions. Keys: what is compared. "r:" follows the table's mention, "v:" follows "How many T".
CONDITIONS: dict[str, list[str]] = {
    "r:eq": ["whose {c} is {v}", "whose {c} is {v}", "where {c} is {v}", "where the {c} is {v}", "whose {c} (equals|is equal to|=) {v}", "where {c} (equals|is equal to|=) {v}", "with {c} {v}", "with {c} {v}", "with (a|the) {c} {v}", "with (a|the) {c} of {v}", "with {c} equal to {v}", "with {v} as (|the |their ){c}", "that have {c} {v}", "having {c} {v}", "with {c} = {v}", "for which the {c} is {v}", "in which {c} is {v}", "having {v} as {c}", "that have {v} as {c}"],
    "v:eq": ["have {c} {v}", "have (a|the) {c} {v}", "have (a|the) {c} of {v}", "have {c} equal to {v}", "have {v} as (|their |the ){c}", "are there with {c} {v}", "have {c} = {v}", "are there whose {c} is {v}"],
    "r:ne": ["whose {c} is not {v}", "whose {c} isn't {v}", "where {c} is not {v}", "where the {c} is not {v}", "whose {c} (is different from|!=|does not equal) {v}", "where {c} (is different from|!=|does not equal) {v}", "with (|a ){c} other than {v}", "that do not have {c} {v}", "with {c} not equal to {v}", "not having {c} {v}", "with (|a ){c} different from {v}", "having (|a ){c} other than {v}"],
    "v:ne": ["do not have {c} {v}", "have (|a ){c} other than {v}", "don't have {v} as {c}", "have (|a ){c} different from {v}", "do not have {v} as {c}"],
    "r:gt": ["with (|a |the ){c} greater than {v}", "with (|a ){c} (above|over) {v}", "with (|a ){c} (more than|higher than|larger than|bigger than) {v}", "with {c} > {v}", "with (|a ){c} exceeding {v}", "whose {c} is (greater|more|higher|larger|bigger) than {v}", "whose {c} is (above|over) {v}", "whose {c} exceeds {v}", "whose {c} > {v}", "where (|the ){c} is (greater|more|higher) than {v}", "where {c} is (above|over) {v}", "where {c} (exceeds|>) {v}", "having {c} (over|above) {v}", "having (|a ){c} (greater|higher|more) than {v}", "with more than {v} {cs}", "that have more than {v} {cs}", "that have (|a ){c} (over|above|greater than) {v}"],
    "v:gt": ["have (|a ){c} greater than {v}", "have (|a ){c} (above|over) {v}", "have (|a ){c} (more|higher|larger) than {v}", "have (|a ){c} of more than {v}", "have (|a ){c} exceeding {v}", "have more than {v} {cs}", "exceed {v} in {c}"],
    "r:lt": ["with (|a |the ){c} less than {v}", "with (|a ){c} (below|under) {v}", "with (|a ){c} (lower than|smaller than|fewer than) {v}", "with {c} < {v}", "whose {c} is (less|lower|smaller) than {v}", "whose {c} is (below|under) {v}", "whose {c} < {v}", "where (|the ){c} is (less|lower|smaller) than {v}", "where {c} is (below|under) {v}", "where {c} < {v}", "having {c} (under|below) {v}", "having (|a ){c} (less|lower) than {v}", "with (fewer|less) than {v} {cs}", "that have (fewer|less) than {v} {cs}", "that have (|a ){c} (under|below|less than) {v}"],
    "v:lt": ["have (|a ){c} less than {v}", "have (|a ){c} (below|under) {v}", "have (|a ){c} (lower|smaller) than {v}", "have (|a ){c} of less than {v}", "have (fewer|less) than {v} {cs}"],
    "r:ge": ["with (|a ){c} of at least {v}", "with {c} at least {v}", "with (|a ){c} greater than or equal to {v}", "with {c} >= {v}", "whose {c} is at least {v}", "whose {c} is greater than or equal to {v}", "with (|a ){c} of {v} or (more|higher|above)", "with {c} {v} or (more|higher|above)", "whose {c} is {v} or (more|higher|above)", "where {c} >= {v}", "where {c} is at least {v}", "with at least {v} {cs}", "having (|a ){c} of at least {v}", "that have at least {v} {cs}", "where {c} is {v} or (more|higher)"],
    "v:ge": ["have (|a ){c} of at least {v}", "have at least {v} {cs}", "have (|a ){c} of {v} or (more|higher)", "have {c} {v} or (more|higher|above)"],
    "r:le": ["with (|a ){c} of at most {v}", "with {c} at most {v}", "with (|a ){c} less than or equal to {v}", "with {c} <= {v}", "whose {c} is at most {v}", "whose {c} is less than or equal to {v}", "with (|a ){c} of {v} or (less|lower|below)", "with {c} {v} or (less|lower|below)", "whose {c} is {v} or (less|lower|below)", "where {c} <= {v}", "where {c} is at most {v}", "with at most {v} {cs}", "having (|a ){c} of at most {v}", "that have at most {v} {cs}", "where {c} is {v} or (less|lower)"],
    "v:le": ["have (|a ){c} of at most {v}", "have at most {v} {cs}", "have (|a ){c} of {v} or (less|lower)", "have {c} {v} or (less|lower|below)"],
    "r:between": ["with (|a ){c} between {v} and {w}", "with (|a ){c} between {v} and {w}", "whose {c} is between {v} and {w}", "where (|the ){c} is between {v} and {w}", "with {c} from {v} to {w}", "whose {c} lies between {v} and {w}", "with {c} in the range {v} to {w}", "having (|a ){c} between {v} and {w}", "that have (|a ){c} between {v} and {w}", "whose {c} is in the range {v} to {w}", "whose {c} is from {v} to {w}", "where {c} is from {v} to {w}"],
    "v:between": ["have (|a ){c} between {v} and {w}", "have {c} from {v} to {w}", "have (|a ){c} from {v} to {w}", "are there with (|a ){c} between {v} and {w}"],
    "r:starts": ["whose {c} starts with {v}", "whose {c} begins with {v}", "with (|a ){c} starting with {v}", "with (|a ){c} beginning with {v}", "where {c} (starts|begins) with {v}", "that have {c} starting with {v}", "with (|a ){c} that (starts|begins) with {v}", "having (|a ){c} (starting|beginning) with {v}"],
    "v:starts": ["have (|a ){c} (starting|beginning) with {v}", "have (|a ){c} that (starts|begins) with {v}"],
    "r:ends": ["whose {c} ends with {v}", "whose {c} ends in {v}", "with (|a ){c} ending with {v}", "with (|a ){c} ending in {v}", "where {c} ends (with|in) {v}", "that have {c} ending with {v}", "with (|a ){c} that ends (with|in) {v}", "having (|a ){c} ending (with|in) {v}"],
    "v:ends": ["have (|a ){c} ending (with|in) {v}", "have (|a ){c} that ends (with|in) {v}"],
    "r:contains": ["whose {c} contains {v}", "whose {c} includes {v}", "with (|a ){c} (containing|including) {v}", "where {c} (contains|includes) {v}", "with {v} in (|the |their ){c}", "that have {v} in (|the |their ){c}", "with (|a ){c} that (contains|includes) {v}", "having {v} in (the|their) {c}"],
    "v:contains": ["have {v} in (|the |their ){c}", "have (|a ){c} containing {v}", "have (|a ){c} that (contains|includes) {v}"],
    "r:in": ["whose {c} is {v} or {w}", "whose {c} is either {v} or {w}", "with {c} {v} or {w}", "where {c} is (|either ){v} or {w}", "whose {c} is one of {v} and {w}", "with (|a ){c} of {v} or {w}", "whose {c} is in ({v}, {w})", "with {c} either {v} or {w}", "where {c} is one of {v} and {w}", "having {c} {v} or {w}", "with {c} in ({v}, {w})", "with {v} or {w} as {c}"],
    "v:in": ["have {c} {v} or {w}", "have (|either ){v} or {w} as {c}", "have (|a ){c} of {v} or {w}", "have {c} either {v} or {w}"],
    "r:null": ["without (|a |any ){c}", "with no {c}", "with no {c}", "whose {c} is (missing|null|empty|unknown|not set|NULL)", "where {c} is (null|missing|not set|NULL|empty)", "that have no {c}", "with (a |)missing {c}", "that do not have (|a |any ){c}", "that don't have (|a |any ){c}", "having no {c}", "with an (unknown|empty) {c}", "where the {c} is (missing|null|empty|unknown)"],
    "v:null": ["have no {c}", "do not have (|a |any ){c}", "don't have (|a |any ){c}", "have (a |)missing {c}", "are missing (|a |the ){c}", "are without (|a ){c}"],
    "r:notnull": ["with (|a )known {c}", "with (|a )non-null {c}", "whose {c} is (not null|known|set|not missing|not empty|NOT NULL)", "where {c} is (not null|known|set|not missing|NOT NULL)", "that have (a|some) {c}", "having (a|some) {c}", "where the {c} is (not null|known|set|not missing)"],
    "v:notnull": ["have (a|some) {c}", "have a known {c}", "have a non-null {c}", "have (the |their ){c} set"],
    "r:place": ["from {v}", "from {v}", "in {v}", "in {v}", "based in {v}", "located in {v}", "living in {v}", "who live in {v}", "that are in {v}", "from the {c} of {v}", "from the {c} {v}", "in the {c} of {v}", "in the {c} {v}", "that are from {v}", "that come from {v}", "who are from {v}"],
    "v:place": ["are from {v}", "are in {v}", "are (based|located) in {v}", "live in {v}", "come from {v}", "are there in {v}", "are there from {v}"],
    "r:category": ["in the {c} {v}", "in the {v} {c}", "of (|the ){c} {v}", "in {c} {v}", "from the {v} {c}", "belonging to the {c} {v}", "that belong to the {v} {c}", "of the {v} {c}"],
    "v:category": ["are in the {c} {v}", "are in the {v} {c}", "belong to the {c} {v}", "are there in the {v} {c}", "are there in {c} {v}", "belong to the {v} {c}"],
    "r:status": ["that are {b}", "which are {b}", "with (|a ){c} {v}", "that are currently {b}", "marked as {v}", "in {c} {v}", "in the {v} {c}", "marked {v}", "which are currently {b}"],
    "v:status": ["are {b}", "are currently {b}", "are marked (as |){v}", "are in {c} {v}", "have been {b}"],
    "r:flag": ["that are {f}", "which are {f}", "that are marked (as |){f}", "where {c} is true", "whose {c} is true", "with {c} = 1", "with {c} set to true", "which are marked (as |){f}"],
    "v:flag": ["are {f}", "are marked (as |){f}", "have {c} true", "have been {f}", "have {c} set to true"],
    "r:noflag": ["that are not {f}", "which are not {f}", "that aren't {f}", "where {c} is false", "whose {c} is false", "with {c} = 0", "that are not yet {f}", "with {c} set to false", "which aren't {f}"],
    "v:noflag": ["are not {f}", "aren't {f}", "have {c} false", "are not yet {f}", "have {c} set to false"],
}
# How a date column is placed in time: "a" = "users signed up", "p" = "orders were shipped", "n" = by the column's name.
DATE_PHRASES: dict[str, list[str]] = {
    "r:a": ["who {p} {d}", "that {p} {d}", "which {p} {d}", "who have {p} {d}", "that have {p} {d}", "having {p} {d}"],
    "v:a": ["{p} {d}", "{p} {d}", "have {p} {d}"],
    "r:p": ["{p} {d}", "{p} {d}", "that were {p} {d}", "which were {p} {d}", "who were {p} {d}", "that have been {p} {d}", "who have been {p} {d}", "having been {p} {d}"],
    "v:p": ["were {p} {d}", "were {p} {d}", "have been {p} {d}", "are {p} {d}"],
    "r:n": ["with (|a |the ){c} {d}", "whose {c} is {d}", "where {c} is {d}", "where the {c} is {d}", "with {c} {d}", "having (|a ){c} {d}", "that have (|a ){c} {d}", "whose {c} was {d}"],
    "v:n": ["have (|a |the |their ){c} {d}", "are there with (|a ){c} {d}", "are there whose {c} is {d}", "had (|a |their ){c} {d}"],
}
MOMENTS: dict[str, list[str]] = {
    "month": ["in {m}", "in {m}", "in {m}", "during {m}", "in the month of {m}", "within {m}"],
    "year": ["in {y}", "in {y}", "in {y}", "during {y}", "in the year {y}", "within {y}", "during the year {y}"],
    "on": ["on {x}", "on {x}", "on the date {x}", "on the day {x}"],
    "after": ["after {x}", "after {x}", "later than {x}", "past {x}", "after the date {x}"],
    "before": ["before {x}", "before {x}", "earlier than {x}", "prior to {x}", "before the date {x}"],
    "since": ["since {x}", "since {x}", "on or after {x}", "from {x} on", "starting from {x}"],
    "between": ["between {x} and {z}", "between {x} and {z}", "from {x} to {z}", "between the dates {x} and {z}"],
}


def _lists() -> dict[str, list[str]]:
    """Name every list of families."""
    made = {"frame:" + key: frames for key, frames in FRAMES.items()} | {"belongs": BELONGS}
    for kind, head in HEADS.items():
        made |= {"noun:" + kind: head.nouns, "whole:" + kind: head.wholes}
    for prefix, lists in (("", CONDITIONS), ("date:", DATE_PHRASES), ("moment:", MOMENTS)):
        made |= {prefix + key: families for key, families in lists.items()}
    return made


def _split(lists: dict[str, list[str]]) -> dict[str, tuple[list[str], list[str]]]:
    """Split every list into trained and held-out families."""

    def chosen(family: str) -> bool:
        return family != "{}" and zlib.crc32(family.encode()) % HELDOUT_MODULUS == 0

    known = {
        word
        for families in lists.values()
        for family in families
        if len(families) < HELDOUT_FROM or not chosen(family)
        for word in WORD.findall(family)
    }

    def held(families: list[str], family: str) -> bool:
        return len(families) >= HELDOUT_FROM and chosen(family) and known.issuperset(WORD.findall(family))

    return {
        key: (
            [family for family in families if not held(families, family)],
            sorted({family for family in families if held(families, family)}),
        )
        for key, families in lists.items()
    }


SPLIT: dict[str, tuple[list[str], list[str]]] = _split(_lists())


def expand(rng: random.Random, template: str) -> str:
    """Resolve every (a|b) choice of a template, innermost first."""
    while True:
        found = CHOICE.search(template)
        if found is None:
            return template
        template = template[: found.start()] + rng.choice(found.group(1).split("|")) + template[found.end() :]


def choose(rng: random.Random, key: str, heldout: bool) -> str:
    """Draw one template of the trained or, where there is one, the held-out part and expand it."""
    trained, held = SPLIT[key]
    return expand(rng, rng.choice(held if heldout and held else trained))


def head(rng: random.Random, kind: str, heldout: bool) -> str:
    """Draw a question of a kind: a whole sentence, or a noun phrase in a frame."""
    nouns, wholes = "noun:" + kind, "whole:" + kind
    framed = rng.random() < FRAMED_SHARE
    if not framed and not (heldout and not SPLIT[wholes][1]):
        return choose(rng, wholes, heldout)
    noun = choose(rng, nouns, heldout)
    frame = "any" if rng.random() < 0.6 else "many" if HEADS[kind].many else "one"
    if noun.startswith(("how many", "which")):
        frame = "any"
    # A noun phrase of the trained part makes a new question in a held-out frame only; every kind of frame has some.
    return choose(rng, "frame:" + frame, heldout and (rng.random() < 0.3 or not SPLIT[nouns][1])).replace("{}", noun)


def misspell(rng: random.Random, text: str) -> str:
    """Make one typing mistake in a long enough word of a template's own text."""
    spans = [m.span() for m in re.finditer(r"(?<![{\w])[a-z]{5,}(?![}\w])", text)]
    if not spans:
        return text
    start, end = rng.choice(spans)
    at = rng.randrange(start + 1, end - 1)
    roll = rng.random()
    if roll < 0.4:
        return text[:at] + text[at + 1 :]
    if roll < 0.8:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at] + text[at:]


def fill(template: str, slots: dict[str, str]) -> str:
    """Put the slots' texts into a template."""
    return SPACES.sub(" ", SLOT.sub(lambda m: slots[m.group(1)], template)).strip()
