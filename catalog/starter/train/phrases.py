"""Phrasings: templates with (a|b) choices and {slots}, per kind, split into trained and held-out."""

# One phrasing family to a line, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

import random
import re

CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
SLOT = re.compile(r"\{(\w+)\}")
SPACES = re.compile(r" {2,}")

# Conditions. Keys: what is compared. "r:" follows the table's mention, "v:" follows "How many T".
CONDITIONS: dict[str, tuple[list[str], list[str]]] = {
    "r:eq": (
        ["(whose|where|where the) {c} (is|equals|is equal to|=) {v}", "with (|a |the ){c} (of |equal to |){v}", "with {v} as (|the |their ){c}",
         "that have {c} {v}", "(having|with) {c} = {v}", "(for which|where) the {c} is {v}", "in which {c} is {v}"],
        ["such that {c} equals {v}", "having {v} for {c}"],
    ),
    "v:eq": (["have (|a |the ){c} (of |equal to |){v}", "have {v} as (|their |the ){c}", "are there with {c} {v}", "have {c} = {v}"],
             ["show {v} for {c}", "carry the {c} {v}"]),
    "r:ne": (["(whose|where the|where) {c} (is not|isn't|is different from|!=|does not equal) {v}", "with (|a ){c} other than {v}",
              "that do not have {c} {v}", "with {c} not equal to {v}", "not having {c} {v}"],
             ["whose {c} is anything but {v}", "with any {c} except {v}"]),
    "v:ne": (["do not have {c} {v}", "have (|a ){c} other than {v}", "don't have {v} as {c}"], ["have any {c} except {v}"]),
    "r:gt": (["with (|a |the ){c} (greater than|above|over|more than|higher than|exceeding|larger than|bigger than|>) {v}", "whose {c} (is|is more than|exceeds|is greater than|is above|is over|is higher than|>) {v}",
              "where (|the ){c} (is greater than|is above|is over|is more than|exceeds|>) {v}", "having {c} (over|above|greater than) {v}", "with more than {v} {cs}"],
             ["whose {c} goes beyond {v}", "with {c} in excess of {v}"]),
    "v:gt": (["have (|a ){c} (greater than|above|over|more than|higher than|of more than|exceeding) {v}", "have more than {v} {cs}"], ["go beyond {v} in {c}", "have {c} in excess of {v}"]),
    "r:lt": (["with (|a |the ){c} (less than|below|under|lower than|smaller than|fewer than|<) {v}", "whose {c} (is less than|is below|is under|is lower than|is smaller than|<) {v}",
              "where (|the ){c} (is less than|is below|is under|is lower than|<) {v}", "having {c} (under|below|less than) {v}", "with (fewer|less) than {v} {cs}"],
             ["whose {c} stays beneath {v}", "with {c} short of {v}"]),
    "v:lt": (["have (|a ){c} (less than|below|under|lower than|of less than) {v}", "have (fewer|less) than {v} {cs}"], ["stay beneath {v} in {c}"]),
    "r:ge": (["with (|a ){c} (of at least|at least|greater than or equal to|no less than|not less than|>=) {v}", "whose {c} is (at least|greater than or equal to|not below|no less than) {v}",
              "with {c} (of |){v} or (more|higher|above)", "where {c} (>=|is at least) {v}", "with at least {v} {cs}", "with a minimum {c} of {v}"],
             ["whose {c} reaches {v} or better", "with {c} from {v} upwards"]),
    "v:ge": (["have (|a ){c} of at least {v}", "have at least {v} {cs}", "have (|a ){c} of {v} or (more|higher)"], ["reach {v} or better in {c}"]),
    "r:le": (["with (|a ){c} (of at most|at most|less than or equal to|no more than|not more than|up to|<=) {v}", "whose {c} is (at most|less than or equal to|not above|no more than) {v}",
              "with {c} (of |){v} or (less|lower|below)", "where {c} (<=|is at most) {v}", "with at most {v} {cs}", "with a maximum {c} of {v}"],
             ["whose {c} does not top {v}", "with {c} from {v} downwards"]),
    "v:le": (["have (|a ){c} of at most {v}", "have at most {v} {cs}", "have (|a ){c} of {v} or (less|lower)"], ["do not top {v} in {c}"]),
    "r:between": (["with (|a ){c} between {v} and {w}", "whose {c} is between {v} and {w}", "where {c} is between {v} and {w}", "with {c} from {v} to {w}", "whose {c} (is in the range|ranges from|lies between) {v} (to|and) {w}",
                   "with {c} in the range {v} to {w}", "having {c} between {v} and {w}"],
                  ["whose {c} falls somewhere from {v} through {w}", "with {c} within {v} and {w}"]),
    "v:between": (["have (|a ){c} between {v} and {w}", "have {c} from {v} to {w}"], ["have {c} within {v} and {w}"]),
    "r:starts": (["whose {c} (starts|begins) with {v}", "with (|a ){c} (starting|beginning) with {v}", "where {c} (starts|begins) with {v}", "that have {c} starting with {v}"], ["whose {c} opens with {v}", "with {v} at the start of {c}"]),
    "v:starts": (["have (|a ){c} (starting|beginning|that starts|that begins) with {v}"], ["have {v} at the start of {c}"]),
    "r:ends": (["whose {c} ends (with|in) {v}", "with (|a ){c} ending (with|in) {v}", "where {c} ends (with|in) {v}", "that have {c} ending with {v}"], ["whose {c} finishes with {v}", "with {v} at the end of {c}"]),
    "v:ends": (["have (|a ){c} (ending|that ends) (with|in) {v}"], ["have {v} at the end of {c}"]),
    "r:contains": (["whose {c} (contains|includes|has|mentions) {v}", "with (|a ){c} (containing|including) {v}", "where {c} (contains|includes) {v}", "with {v} in (|the |their ){c}", "that have {v} in (|the |their ){c}"],
                   ["with {v} somewhere in {c}", "whose {c} has {v} inside"]),
    "v:contains": (["have {v} in (|the |their ){c}", "have (|a ){c} (containing|that contains) {v}"], ["have {v} somewhere in {c}"]),
    "r:in": (["whose {c} is (|either ){v} or {w}", "with {c} {v} or {w}", "where {c} is (|either |one of ){v} or {w}", "whose {c} is (in|one of) {v} and {w}", "with (|a ){c} of {v} or {w}", "whose {c} is in ({v}, {w})", "with {c} either {v} or {w}"],
             ["whose {c} is any of {v}, {w}", "having {v} or else {w} as {c}"]),
    "v:in": (["have {c} {v} or {w}", "have (|either ){v} or {w} as {c}", "have (|a ){c} of {v} or {w}"], ["have any of {v}, {w} as {c}"]),
    "r:null": (["without (|a |any ){c}", "with no {c}", "whose {c} is (missing|null|empty|unknown|not set|NULL)", "where {c} is (null|missing|not set|NULL|empty)", "that have no {c}", "with (a |)missing {c}", "that do not have (|a |any ){c}"],
               ["lacking (|a ){c}", "whose {c} was left blank"]),
    "v:null": (["have no {c}", "do not have (|a |any ){c}", "don't have (|a ){c}", "have (a |)missing {c}", "are missing (|a |the ){c}", "are without (|a ){c}"], ["lack (|a ){c}"]),
    "r:notnull": (["with (|a )(known|non-null) {c}", "whose {c} is (not null|known|set|not missing|not empty|NOT NULL)", "where {c} is (not null|known|set|not missing|NOT NULL)", "that have (a|some) {c}"],
                  ["whose {c} has been filled in", "with {c} present"]),
    "v:notnull": (["have (a|some) {c}", "have a (known|non-null) {c}", "have (the |their ){c} set"], ["have {c} present"]),
    "r:place": (["from {v}", "in {v}", "based in {v}", "located in {v}", "living in {v}", "(who|that) (live|are) in {v}", "from the {c} (of |){v}", "in the {c} (of |){v}"], ["situated in {v}", "out of {v}"]),
    "v:place": (["are (from|in|based in|located in) {v}", "live in {v}", "come from {v}", "are there in {v}"], ["are situated in {v}"]),
    "r:category": (["in the {c} {v}", "in the {v} {c}", "of (|the ){c} {v}", "in {c} {v}", "from the {v} {c}", "in {v}", "belonging to the {c} {v}", "that belong to the {v} {c}"], ["filed under {c} {v}", "falling in the {v} {c}"]),
    "v:category": (["are in the {c} {v}", "are in the {v} {c}", "belong to the {c} {v}", "are there in the {v} {c}", "are there in {c} {v}", "are in {v}"], ["are filed under {c} {v}"]),
    "r:status": (["(that|which) are {b}", "with status {v}", "with (|a ){c} {v}", "that are (currently |){b}", "marked as {v}", "in {c} {v}", "in the {v} {c}"], ["flagged {v}", "sitting at {c} {v}"]),
    "v:status": (["are {b}", "are currently {b}", "are marked (as |){v}", "are in {c} {v}", "have been {b}"], ["sit at {c} {v}"]),
    "r:flag": (["that are {f}", "which are {f}", "that are (marked|flagged) (as |){f}", "where {c} is true", "whose {c} is true", "with {c} = 1", "with {c} set to true"], ["known to be {f}"]),
    "v:flag": (["are {f}", "are (marked|flagged) (as |){f}", "have {c} true", "have been {f}"], ["count as {f}"]),
    "r:noflag": (["that are not {f}", "which are not {f}", "that aren't {f}", "where {c} is false", "whose {c} is false", "with {c} = 0", "(that are |)not (yet |){f}"], ["known not to be {f}"]),
    "v:noflag": (["are not {f}", "aren't {f}", "have {c} false", "are not (yet |){f}"], ["fail to be {f}"]),
}

# Dates: {d} is the moment. "a" forms use an active verb, "p" forms a participle, "n" the column itself.
DATE_PHRASES: dict[str, tuple[list[str], list[str]]] = {
    "r:a": (["(who|that) {p} {d}", "which {p} {d}", "that {p} {d}", "who have {p} {d}"], ["having {p} {d}"]),
    "v:a": (["{p} {d}", "{p} {d}", "have {p} {d}"], ["got {p} {d}"]),
    "r:p": (["{p} {d}", "that were {p} {d}", "(who|which) were {p} {d}", "(that|who) have been {p} {d}"], ["that got {p} {d}", "having been {p} {d}"]),
    "v:p": (["were {p} {d}", "were {p} {d}", "have been {p} {d}", "are {p} {d}"], ["got {p} {d}"]),
    "r:n": (["with (|a |the ){c} {d}", "whose {c} is {d}", "where (|the ){c} is {d}", "with {c} {d}", "having (|a ){c} {d}", "that have (|a ){c} {d}"], ["whose {c} falls {d}", "with the {c} being {d}"]),
    "v:n": (["have (|a |the |their ){c} {d}", "are there with (|a ){c} {d}"], ["have the {c} falling {d}"]),
}
MOMENTS: dict[str, tuple[list[str], list[str]]] = {
    "month": (["in {m}", "in {m}", "during {m}", "in the month of {m}", "within {m}"], ["over the course of {m}", "throughout {m}"]),
    "year": (["in {y}", "in {y}", "during {y}", "in the year {y}", "within {y}"], ["over the course of {y}", "throughout {y}"]),
    "on": (["on {x}", "on {x}", "on the date {x}"], ["dated {x}"]),
    "after": (["after {x}", "after {x}", "later than {x}", "past {x}"], ["any time after {x}"]),
    "before": (["before {x}", "before {x}", "earlier than {x}", "prior to {x}"], ["any time before {x}"]),
    "since": (["since {x}", "on or after {x}", "from {x} on", "from {x} onwards", "starting from {x}"], ["not earlier than {x}"]),
    "until": (["until {x}", "on or before {x}", "up to {x}", "no later than {x}"], ["not later than {x}"]),
    "between": (["between {x} and {z}", "from {x} to {z}", "between {x} and {z}"], ["anywhere from {x} through {z}"]),
    "afteryear": (["after {y}"], ["later than the end of {y}"]),
    "beforeyear": (["before {y}"], ["earlier than the start of {y}"]),
    "sinceyear": (["since {y}", "from {y} on", "in or after {y}"], ["not earlier than {y}"]),
}


def expand(rng: random.Random, template: str) -> str:
    """Resolve every (a|b) choice of a template, innermost first."""
    while True:
        found = CHOICE.search(template)
        if found is None:
            return template
        template = template[: found.start()] + rng.choice(found.group(1).split("|")) + template[found.end() :]


def choose(rng: random.Random, pair: tuple[list[str], list[str]], heldout: bool) -> str:
    """Draw one template of the trained or the held-out part and expand it."""
    return expand(rng, rng.choice(pair[1] if heldout and pair[1] else pair[0]))


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
