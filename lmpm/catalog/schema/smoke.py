"""Smoke tests as the files of tasks hold them: read only where one is run or checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lmpm.catalog.schema.kinds import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.catalog.schema.kinds import SmokeKind
    from lmpm.recipe import Inputs


class SqlCase(NamedTuple):
    """A question about a small SQLite database and the rows that a right query returns."""

    schema: str  # CREATE TABLE statements
    rows: tuple[str, ...]  # INSERT statements
    question: str
    expected: tuple[tuple[object, ...], ...]
    ordered: bool  # whether the order of the rows counts
    reference: str = ""  # a query that returns the expected rows


class EmbeddingCase(NamedTuple):
    """Three texts: `near` must come out closer to `anchor` than `far` does."""

    anchor: str
    near: str
    far: str


class TextCase(NamedTuple):
    """Inputs of the recipe and words of which one must appear in the answer, in any case; none: any answer will do."""

    inputs: Inputs
    expect: tuple[str, ...] = ()


class FimCase(NamedTuple):
    """Python with a hole: what fills it must hold one of the words, and the whole must parse."""

    prefix: str
    suffix: str
    expect: tuple[str, ...]
    reference: str = ""  # what fills it well


class JsonCase(NamedTuple):
    """Inputs whose answer is JSON with these values; texts are compared without case, the rest exactly.

    Fields that are not expected do not count; `fields` must be there, whatever their value.
    """

    inputs: Inputs
    expected: Mapping[str, object]
    fields: tuple[str, ...] = ()


class ToolCase(NamedTuple):
    """Inputs that offer functions, and the one call that answers them."""

    inputs: Inputs
    function: str
    arguments: Mapping[str, object]


class LabelCase(NamedTuple):
    """A text to be given one of the `labels` of its inputs: the first that the answer names counts."""

    inputs: Inputs
    expected: str

    @property
    def labels(self) -> tuple[str, ...]:
        """What may be answered."""
        return tuple(self.inputs["labels"])


class RankCase(NamedTuple):
    """A query and two documents: `relevant` must score higher than `irrelevant`."""

    query: str
    relevant: str
    irrelevant: str


SmokeCase = SqlCase | EmbeddingCase | TextCase | FimCase | JsonCase | ToolCase | LabelCase | RankCase


class SmokeTest(NamedTuple):
    """A short real inference of a task: what is asked, how, and how many answers must be right.

    Every case is put by the recipe, as a user's question would be; `max_tokens` ends an answer early. `gap` says which
    part of the task is not tried.
    """

    kind: SmokeKind
    cases: tuple[SmokeCase, ...]
    max_tokens: int
    pass_cases: int
    gap: str = ""

    @property
    def silent(self) -> bool:
        """Whether the model writes nothing: it gives vectors or scores."""
        return self.kind in SILENT
