"""What an answer is held to, built from the inputs of a question."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.recipe.record import Inputs, Recipe


@dataclass(frozen=True, slots=True)
class Constraint:
    """A grammar in GBNF, or a JSON schema; neither: any answer will do."""

    grammar: str | None = None
    schema: Mapping[str, Any] | None = None


def constraint_of(recipe: Recipe, inputs: Inputs) -> Constraint:
    """What the answer to these inputs must look like. Of SQL nothing is known here: that needs the schema read.

    Raises SpecError for inputs that nothing can be built of.
    """
    values = recipe.checked(inputs)
    if recipe.grammar == "labels":
        return Constraint(grammar=_one_of(values["labels"]))
    if recipe.grammar == "json":
        return Constraint(schema=_object(values["fields"]))
    return Constraint()


def _one_of(labels: str | tuple[str, ...]) -> str:
    """A grammar of these words and nothing else."""
    words = _listed("labels", labels)
    # a JSON string is a literal of GBNF: the same escapes (llama.cpp, grammars/README.md)
    return "root ::= " + " | ".join(json.dumps(word, ensure_ascii=False) for word in words)


def _object(fields: str | tuple[str, ...]) -> dict[str, Any]:
    """The schema of an object that has these fields, each with a value of any plain kind or null."""
    names = _listed("fields", fields)
    value = {"type": ["string", "number", "boolean", "null"]}
    return {
        "type": "object",
        "properties": dict.fromkeys(names, value),
        "required": list(names),
        "additionalProperties": False,
    }


def _listed(name: str, value: str | tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(part.strip() for part in ((value,) if isinstance(value, str) else value)))
    if not words or not all(words):
        raise SpecError(f"`{name}` needs at least one name, and none that is empty")
    return words
