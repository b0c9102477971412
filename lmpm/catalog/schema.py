"""The records of the catalog, as its files hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SqlCase:
    """A question about a small SQLite database and the rows that a right query returns."""

    schema: str  # CREATE TABLE statements
    rows: tuple[str, ...]  # INSERT statements
    question: str
    expected: tuple[tuple[object, ...], ...]
    ordered: bool  # whether the order of the rows counts
    reference: str = ""  # a query that returns the expected rows


@dataclass(frozen=True, slots=True)
class EmbeddingCase:
    """Three texts: `near` must come out closer to `anchor` than `far` does."""

    anchor: str
    near: str
    far: str


@dataclass(frozen=True, slots=True)
class TextCase:
    """A prompt and words of which one must appear in the answer, in any case; none: any answer will do."""

    prompt: str
    expect: tuple[str, ...] = ()


SmokeKind = Literal["sql", "embeddings", "text"]
SmokeCase = SqlCase | EmbeddingCase | TextCase


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """A short real inference of a task: what is asked, how, and how many answers must be right.

    `prompt` is a template of a raw completion with `{schema}` and `{question}`, or `{prompt}`: a model's
    own chat template is code from a stranger. For embeddings it is empty.
    """

    kind: SmokeKind
    cases: tuple[SmokeCase, ...]
    prompt: str
    max_tokens: int
    stop: tuple[str, ...]
    pass_cases: int
