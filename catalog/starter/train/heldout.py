"""Held-out tests: questions on never-trained identifiers, in never-trained phrasings, and about never-met entities."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from catalog.starter.train import execution, questions, schema
from catalog.starter.train.draft import Question
from catalog.starter.train.schema import Schema
from catalog.starter.train.world import questions as world_questions, tables

SPLITS = ("identifiers", "phrasings", "both", "world", "world-values")


@dataclass(frozen=True)
class Case:
    """One test: a schema, a question and the seed of its databases."""

    schema: Schema
    question: Question
    seed: int

    @property
    def statements(self) -> str:
        """The schema as SQLite runs it: some layouts leave the semicolons out."""
        return (
            self.schema.text
            if ";" in self.schema.text
            else re.sub(r"\n(?=create table)", ";\n", self.schema.text, flags=re.IGNORECASE)
        )

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
        if split.startswith("world"):
            world = tables.draw(rng, heldout=True, shown=split == "world-values")
            drawn, question = world.schema, world_questions.build(rng, world)
        else:
            drawn = schema.draw(rng, split != "phrasings")
            question = questions.build(rng, drawn, split != "identifiers")
        made.append(Case(drawn, question, seed * 1_000_003 + at))
    return made
