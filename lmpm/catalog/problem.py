"""One mistake in the files of a catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from lmpm.fs import DocumentError

# A value is not there, is not known, is not of its form, or contradicts something else in the catalog.
ProblemKind = Literal["missing", "unknown", "invalid", "conflict"]


class Problem(NamedTuple):
    """Where a mistake is, of which kind, and in words; `file` is empty where it is between files."""

    file: str
    place: str
    text: str
    kind: ProblemKind = "conflict"

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.place, self.text) if part)

    @classmethod
    def of(cls, file: str, error: DocumentError) -> Problem:
        """What did not read."""
        return cls(file, error.place, error.problem, error.kind)
