"""What a lock keeps of the training of a model of the team's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.fs import rules

if TYPE_CHECKING:
    from lmpm.fs import Scalar, Table

MOST: int = 2**40  # examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """From what a file was made: hashes of the examples, of all settings, and of the files of the base.

    `data` is the sha256 of the examples, `settings` that of all that the weights depend on. `base` names a repository
    of the Hub at `commit`, or a folder; empty for a model from nothing.
    """

    data: str
    examples: int
    settings: str
    base: str = ""
    commit: str = ""
    base_sha256: str = ""


def read_training(table: Table) -> Training:
    """The record of a table, which the caller finishes. Raises DocumentError."""
    return Training(
        data=rules.field(table, "data", rules.sha256),
        examples=table.integer("examples", low=1, high=MOST),
        settings=rules.field(table, "settings", rules.sha256),
        base=rules.field(table, "base", rules.line) if "base" in table else "",
        commit=rules.field(table, "commit", rules.line) if "commit" in table else "",
        base_sha256=rules.field(table, "base_sha256", rules.sha256) if "base_sha256" in table else "",
    )


def training_table(training: Training) -> dict[str, Scalar]:
    """The table that reads back as the record."""
    table: dict[str, Scalar] = {
        "data": training.data,
        "examples": training.examples,
        "settings": training.settings,
        "base": training.base,
        "commit": training.commit,
        "base_sha256": training.base_sha256,
    }
    return {key: item for key, item in table.items() if item != ""}
