"""Prompts of a length, no two alike: a prefix by chance, so that no cache of another prompt answers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Common English words, of one token each in most vocabularies; small ones cut them, for which `words_for` looks.
_WORDS: Final = (
    "the of and to in that is was for it with as his on be at by had not are but from or have an they which one you "
    "were all her she there would their we him been has when who will no more if out so up said what its about than "
    "into them can only other time new some could these two may first then do any like my now over such our man me "
    "even most made after also did many off before must well back through years where much your way down should "
    "because long each just state those people too how little good world make very year still see own work men day "
    "get here old between both life being under three never know same last another while us might great go come since"
)
WORDS: Final = _WORDS.split(" ")
QUESTION: Final = "Continue this text in your own words, at length: "


def words_for(tokens: int, count: Callable[[str], int]) -> int:
    """How many words have about so many tokens; `count` says how many a text has."""
    text = " ".join(WORDS)
    return max(int(tokens * len(WORDS) / max(count(text), 1)), 1)


def make_prompts(number: int, words: int, *, seed: str, same_prefix: bool = False) -> list[str]:
    """So many prompts of about `words` words. With `same_prefix` they differ in their last words alone."""
    chance = random.Random(seed)  # noqa: S311 not for secrets
    shared = _text(chance, words)
    found = []
    for turn in range(number):
        text = shared if same_prefix else _text(chance, words)
        found.append(f"{QUESTION if same_prefix else f'{turn} {chance.randrange(10**9)} {QUESTION}'}{text} {turn}")
    return found


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=max(words - len(QUESTION.split()) - 4, 1)))
