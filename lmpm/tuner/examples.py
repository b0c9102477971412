"""Examples to learn from: the inputs of a recipe and the answer, read from a file with every mistake at its line.

A file of cases is a file of examples as well: without `answer` the `reference` of a case is learnt, or its `expected`.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import CasesError, did_you_mean, nearest
from lmpm.fs import printable
from lmpm.proof import Mistake, read_rows
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.proof import Row
    from lmpm.recipe import Recipe

ANSWERS: Final = ("answer", "reference", "expected")  # the first of them that is there is learnt
# Of cases, which say more than what is asked and answered.
PASSED: Final = frozenset(
    """
    id tags check database rows ordered also ignore_case must must_not tolerance least json_schema test relevance
    measure depth
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
SHOWN: Final = 20
HELD_OUT: Final = 10  # one of so many is asked instead of learnt, where there is no file of cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example; `line` is where it stands in its file, `told` all that stands there."""

    inputs: Mapping[str, Any]
    answer: str
    line: int
    main: str = ""  # the input that a user gives, by which near duplicates are found
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def normal(self) -> str:
        """What is asked in its normal form: two examples of the same are one."""
        return _normal_inputs(self.inputs)

    @property
    def beside(self) -> str:
        """The normal form of all inputs but the main one."""
        return _normal_inputs({name: value for name, value in self.inputs.items() if name != self.main})

    @property
    def asked(self) -> str:
        """The normal form of the main input."""
        return normal_form(_text(self.inputs.get(self.main, "")))

    @property
    def characters(self) -> int:
        """Characters of what is read and learnt."""
        return sum(len(_text(value)) for value in self.inputs.values()) + len(self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The examples of one file; `sha256` is that of what counts in them, however the file is written."""

    name: str
    examples: tuple[Example, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


def normal_form(text: str) -> str:
    """A text as two that mean the same are compared: without case, accents of form, punctuation and spacing."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(char if char.isalnum() else " " for char in folded).split())


def read_examples(path: Path, recipe: Recipe, *, name: str) -> Examples:
    """The examples of a `.jsonl`, `.csv` or `.toml` file. Raises CasesError with a line for each mistake, DiskError."""
    found: list[Example] = []
    mistakes: list[Mistake] = []
    for row in read_rows(path, name=name):
        made = row if isinstance(row, Mistake) else _example(row, recipe)
        mistakes.append(made) if isinstance(made, Mistake) else found.append(made)
    if not found and not mistakes:
        mistakes.append(Mistake(1, "has no examples"))
    if mistakes:
        raise broken(name, mistakes)
    return examples_of(name, found)


def examples_of(name: str, examples: Sequence[Example]) -> Examples:
    """Examples with their hash."""
    told = "\n".join(json.dumps([dict(item.inputs), item.answer], sort_keys=True, default=list) for item in examples)
    return Examples(name=name, examples=tuple(examples), sha256=hashlib.sha256(told.encode()).hexdigest())


def broken(name: str, mistakes: Sequence[Mistake]) -> CasesError:
    """The error for mistakes of a file."""
    lines = [f"{printable(name)}, {printable(str(mistake))}" for mistake in mistakes[:SHOWN]]
    if more := len(mistakes) - len(lines):
        lines.append(f"and {more:,} more")
    return CasesError(f"`{printable(name)}` has {count(len(mistakes), 'mistake')}", details=lines)


def hold_out(examples: Examples) -> tuple[Examples, Examples]:
    """What is learnt and what is asked: a tenth by the hash of what is asked, the same ones however the file grows."""
    kept: tuple[list[Example], list[Example]] = ([], [])
    for item in examples:
        digest = hashlib.sha256(item.normal.encode()).digest()
        kept[int.from_bytes(digest[:4], "big") % HELD_OUT == 0].append(item)
    return examples_of(examples.name, kept[0]), examples_of(examples.name, kept[1])


def _example(row: Row, recipe: Recipe) -> Example | Mistake:
    names = {item.name: item for item in recipe.inputs if not item.is_image}
    for key in row.data:
        if key not in names and key not in ANSWERS and key not in PASSED:
            meant = did_you_mean(nearest(key, [*names, *ANSWERS])) or f"inputs are {', '.join(names)}, then `answer`"
            return Mistake(row.line_of(key), f"`{printable(key)}` is not an input of the recipe. {meant}")
    inputs: dict[str, Any] = {}
    for name, item in names.items():
        value = row.data.get(name)
        if value is None and item.required:
            return Mistake(row.line, f"`{name}` is missing, an input of the recipe")
        if value is None:
            continue
        is_list = item.is_list and isinstance(value, list) and all(isinstance(part, str) for part in value)
        if not isinstance(value, str) and not is_list:
            return Mistake(row.line_of(name), f"`{name}`: expected {'a list of texts' if item.is_list else 'a text'}")
        if not (value.strip() if isinstance(value, str) else value):
            return Mistake(row.line_of(name), f"`{name}` is empty")
        inputs[name] = value
    answer = _answer(row)
    if isinstance(answer, Mistake):
        return answer
    main = recipe.main.name if recipe.main else next(iter(names), "")
    return Example(inputs=inputs, answer=answer, line=row.line, main=main, told=row.data)


def _answer(row: Row) -> str | Mistake:
    key = next((name for name in ANSWERS if name in row.data), None)
    if key is None:
        return Mistake(row.line, "`answer` is missing")
    told = row.data[key]
    if isinstance(told, list) and told and all(isinstance(part, str) for part in told):
        told = told[0]  # several that are right: the first is learnt
    if isinstance(told, dict):
        told = json.dumps(told, ensure_ascii=False)
    elif isinstance(told, (int, float)) and not isinstance(told, bool):
        told = str(told)
    if not isinstance(told, str):
        return Mistake(row.line_of(key), f"`{key}`: expected a text")
    return told.strip() or Mistake(row.line_of(key), f"`{key}` is empty")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else " ".join(value)


def _normal_inputs(inputs: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {normal_form(_text(value))}" for name, value in sorted(inputs.items()))
