"""Identifiers: real, composed and invented names, how SQL spells them and how people say them."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

from catalog.starter.train import words

# SQL reserved words that must not stand bare as an identifier.
RESERVED: frozenset[str] = frozenset(
    words.listed("""select from where group order by having limit join on and or not null table create index
    case check default primary key references foreign set values in is like between distinct
    count sum avg min max as asc desc union all unique left right inner outer cross exists
    transaction commit release if end begin to add column plan row rows view trigger drop
    replace match natural using then when else case""")
)

ONSETS: list[str] = words.listed(
    "b c d f g h j k l m n p r s t v w x z "
    "bl br ch cl cr dr fl fr gl gr kr pl pr qu sc sh sk sl sm sn sp st str sw th tr tw"
)
VOWELS: list[str] = words.listed("a e i o u a e i o u ai ea ee ie oa oo ou y io")
CODAS = [
    "",
    "",
    "",
    "",
    "b",
    "d",
    "g",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "x",
    "z",
    "ck",
    "ft",
    "ld",
    "lm",
    "mp",
    "nd",
    "ng",
    "nk",
    "nt",
    "rd",
    "rk",
    "rm",
    "rn",
    "rt",
    "sh",
    "sk",
    "st",
    "th",
]
# Column words that are plural already ("likes").
PLURAL_COLUMNS: frozenset[str] = frozenset(
    c.split("_")[-1] for c in (*words.INT_COLUMNS, *words.HELDOUT_INT, "notes", "sales") if c.endswith("s")
)
# One invented word in 16, chosen by its CRC-32, is kept for the held-out test.
HELDOUT_MODULUS = 16


@dataclass(frozen=True)
class Name:
    """One identifier: its SQL spelling and the words people say for it."""

    sql: str
    said: tuple[str, ...]

    @property
    def spoken(self) -> str:
        """The words, singular, separated by spaces."""
        return " ".join(self.said)

    @property
    def plural(self) -> str:
        """The words with the last one in the plural."""
        return " ".join((*self.said[:-1], pluralise(self.said[-1])))


def pluralise(word: str) -> str:
    """Return the English plural of a regular noun."""
    irregular = {
        "person": "people",
        "child": "children",
        "box": "boxes",
        "house": "houses",
        "staff": "staff",
        "series": "series",
        "movie": "movies",
        "cookie": "cookies",
        "stock": "stocks",
    }
    if word in irregular:
        return irregular[word]
    if word in PLURAL_COLUMNS:
        return word
    if len(word) > 2 and word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word + "s"


def is_heldout_word(word: str) -> bool:
    """Tell whether an invented word belongs to the held-out part."""
    return zlib.crc32(word.encode()) % HELDOUT_MODULUS == 0


def invented_word(rng: random.Random, heldout: bool) -> str:
    """Return a pronounceable invented word of the asked part."""
    while True:
        count = rng.choices((1, 2, 3, 4), (35, 62, 3, 0))[0]
        word = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(count))
        if 3 <= len(word) <= 10 and word not in RESERVED and is_heldout_word(word) == heldout:
            return word


def random_letters(rng: random.Random, heldout: bool) -> str:
    """Return an abbreviation-like run of letters of the asked part (qty, xkcd, ...)."""
    while True:
        word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 7)))
        if word not in RESERVED and is_heldout_word(word) == heldout:
            return word


def _followers() -> dict[str, list[str]]:
    """List the letters that follow each two letters in the trained words; "^" begins and "$" ends a word."""
    known = (*words.ENTITIES, *words.MODIFIERS, *words.TEXT_COLUMNS, *words.INT_COLUMNS, *words.REAL_COLUMNS)
    found: dict[str, list[str]] = {}
    for word in {part for name in known for part in name.split("_")}:
        letters = "^^" + word + "$"
        for at in range(len(word) + 1):
            found.setdefault(letters[at : at + 2], []).append(letters[at + 2])
    return {pair: sorted(after) for pair, after in sorted(found.items())}


FOLLOWERS: dict[str, list[str]] = _followers()
# Real words are never made up again: the held-out ones because they are the test.
REAL_WORDS: frozenset[str] = frozenset(
    part
    for names in (
        *(words.ENTITIES, words.MODIFIERS, words.TEXT_COLUMNS, words.INT_COLUMNS, words.REAL_COLUMNS),
        *(words.HELDOUT_ENTITIES, words.HELDOUT_TEXT, words.HELDOUT_INT, words.HELDOUT_REAL, words.HELDOUT_FLAGS),
    )
    for name in names
    for part in name.split("_")
)


def likely_word(rng: random.Random, heldout: bool) -> str:
    """Return a word of the asked part that looks like English: a chain over three letters of the trained words."""
    while True:
        word = "^^"
        while word[-1] != "$":
            word += rng.choice(FOLLOWERS[word[-2:]])
        word = word[2:-1]
        fits = 4 <= len(word) <= 11 and word not in RESERVED and word not in REAL_WORDS
        if fits and is_heldout_word(word) == heldout:
            return word


def novel_word(rng: random.Random, heldout: bool) -> str:
    """Return a word that nobody uses: of syllables, like English or, now and then, any letters."""
    roll = rng.random()
    if roll < 0.03:
        return random_letters(rng, heldout)
    return likely_word(rng, heldout) if roll < 0.55 else invented_word(rng, heldout)


def spell(said: tuple[str, ...], style: str) -> str:
    """Spell words as an SQL identifier in the given style."""
    if style == "camel":
        return said[0] + "".join(word.capitalize() for word in said[1:])
    if style == "pascal":
        return "".join(word.capitalize() for word in said)
    if style == "upper":
        return "_".join(said).upper()
    if style == "title":
        return "_".join(word.capitalize() for word in said)
    if style == "flat":
        return "".join(said)
    return "_".join(said)


def choose_style(rng: random.Random) -> str:
    """Draw the spelling style of one schema."""
    return rng.choices(("snake", "camel", "pascal", "upper", "title"), (88, 5, 3, 2, 2))[0]


def entity_words(rng: random.Random, source: str, heldout: bool) -> tuple[str, ...]:
    """Return the words for a table: from the real lists, or with invented ones."""
    if source == "invented":
        first = novel_word(rng, heldout)
        roll = rng.random()
        if roll < 0.8:
            return (first,)
        if roll < 0.88:
            return (first, novel_word(rng, heldout))
        if heldout or roll < 0.94:
            return (first, rng.choice(words.HELDOUT_ENTITIES if heldout else words.ENTITIES))
        return (rng.choice(words.MODIFIERS), first)
    noun = rng.choice(words.HELDOUT_ENTITIES if heldout else words.ENTITIES)
    if rng.random() < 0.12:
        modifier = novel_word(rng, True) if heldout and rng.random() < 0.3 else rng.choice(words.MODIFIERS)
        if modifier != noun:
            return (modifier, noun)
    return (noun,)


def table_name(rng: random.Random, source: str, style: str, heldout: bool, plural: bool) -> Name:
    """Draw a table name that is no reserved word."""
    while True:
        said = entity_words(rng, source, heldout)
        spelt = (*said[:-1], pluralise(said[-1])) if plural else said
        sql = spell(spelt, "flat" if style == "snake" and len(said) == 2 and rng.random() < 0.02 else style)
        if rng.random() < 0.01:
            sql += rng.choice(("", "_")) + str(rng.choice((1, 2, 3, 10, 24, 99, 2024, 2025)))
        elif rng.random() < 0.01:
            sql = rng.choice(("tbl_", "t_", "app_", "dim_")) + sql
        if sql.lower() not in RESERVED:
            return Name(sql, said)


def column_name(rng: random.Random, snake: str, style: str) -> Name:
    """Turn a snake-case column into a name of the schema's style."""
    said = tuple(snake.split("_"))
    sql = spell(said, style)
    if rng.random() < 0.005:
        digits = str(rng.randint(1, 99))
        sql, said = sql + rng.choice(("", "_")) + digits, (*said, digits)
    return Name(sql + "_" if sql.lower() in RESERVED else sql, said)
