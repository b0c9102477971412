"""Held-out tests: questions on never-trained identifiers, and in never-trained phrasings."""

from __future__ import annotations

import random
from dataclasses import dataclass

from catalog.starter.train import execution, questions, schema
from catalog.starter.train.draft import Question
from catalog.starter.train.schema import Schema

SPLITS = ("identifiers", "phrasings", "both")


@dataclass(frozen=True)
class Case:
    """One test: a schema, a question and the seed of its databases."""

    schema: Schema
    question: Question
    seed: int

    @property
    def prompt(self) -> str:
        """The text the model is given."""
        return f"{self.schema.text}\n\nQuestion: {self.question.text}\nSQL:"

    def accepts(self, answer: str) -> bool:
        """Tell whether an answer gives the right rows on every test database."""
        return execution.same(self.schema, self.question, answer.strip(), self.seed)


def cases(split: str, count: int, seed: int) -> list[Case]:
    """Draw the cases of a split; each has its own schema."""
    rng = random.Random(f"{split}-{seed}")
    made = []
    for at in range(count):
        drawn = schema.draw(rng, split != "phrasings")
        made.append(Case(drawn, questions.build(rng, drawn, split != "identifiers"), seed * 1_000_003 + at))
    return made
