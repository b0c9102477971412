"""Tasks that a tiny model learns in seconds, as examples and as files."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

from lmpm.recipe import Input, Recipe
from lmpm.tuner.examples import Example, Examples, examples_of

SORTS: Final = {
    "fruit": ["apple", "pear", "plum", "grape", "mango", "peach", "cherry", "melon", "lemon", "fig", "kiwi", "date"],
    "tool": ["hammer", "saw", "drill", "wrench", "chisel", "pliers", "file", "axe", "rake", "spade", "hoe", "awl"],
    "beast": ["horse", "otter", "badger", "goat", "camel", "mouse", "tiger", "whale", "lynx", "hare", "mole", "bear"],
}
SENTENCES: Final = ("I saw a {} today", "there is a {} here", "give me the {} please", "my {} is old", "a {} for you")
RECIPE: Final = Recipe(
    kind="complete", inputs=(Input(name="text", main=True),), user="Which sort? {text}", max_tokens=8
)


def rows(count: int, *, seed: int = 0) -> list[dict[str, str]]:
    """Sentences with a word, answered by the sort of that word; none twice."""
    every = [
        {"text": sentence.format(word), "answer": sort}
        for sort, words in SORTS.items()
        for word in words
        for sentence in SENTENCES
    ]
    random.Random(seed).shuffle(every)
    return every[:count]


def examples(count: int = 150, *, seed: int = 0) -> Examples:
    made = [
        Example(inputs={"text": row["text"]}, answer=row["answer"], line=line, main="text")
        for line, row in enumerate(rows(count, seed=seed), start=1)
    ]
    return examples_of("toy.jsonl", made)


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
