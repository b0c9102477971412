"""Checks of an answer in JSON: an object field by field, and the call of a function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lmpm.errors import LmpmError
from lmpm.proof.judge import Verdict, find_object

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGITS: Final = 4  # to which numbers are compared
SHOWN_CHARS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The answer is a JSON object of these values and no others, and valid where a JSON schema is given.

    Case and punctuation of texts do not count, nor does the order of lists. The score is the F1 of the fields.
    """

    kind: ClassVar = "json"
    expected: Mapping[str, Any] | None
    schema: Mapping[str, Any] | None = None

    def judge(self, answer: str) -> Verdict:
        """Compare field by field."""
        shown, found = answer.strip(), find_object(answer)
        if found is None:
            return Verdict(False, "the answer holds no JSON object", answer=shown, score=0.0)
        broken = _against_schema(found, self.schema) if self.schema is not None else None
        if self.expected is None:
            return Verdict(broken is None, broken or "valid", answer=shown)
        right = [name for name, value in self.expected.items() if name in found and same(found[name], value)]
        score = 2 * len(right) / (len(self.expected) + len(found)) if self.expected or found else 1.0
        passed = len(right) == len(self.expected) == len(found) and broken is None
        return Verdict(passed, broken or self._difference(found, right), answer=shown, score=score)

    def _difference(self, found: Mapping[str, Any], right: list[str]) -> str:
        expected = self.expected or {}
        if wrong := [name for name in expected if name not in right]:
            name = wrong[0]
            if name not in found:
                return f"`{name}` is missing"
            return f"`{name}`: expected {_short(expected[name])}, got {_short(found[name])}"
        if more := sorted(found.keys() - expected.keys()):
            return f"`{more[0]}` is one too many"
        return "JSON as expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The answer calls this function with these arguments; without a function it calls none."""

    kind: ClassVar = "tool"
    function: str | None
    arguments: Mapping[str, Any]

    def judge(self, answer: str) -> Verdict:
        """Compare the call."""
        shown, call = answer.strip(), find_call(answer)
        if self.function is None:
            return Verdict(call is None, "no call" if call is None else "calls a function, none is right", answer=shown)
        if call is None:
            return Verdict(False, "the answer holds no call", answer=shown)
        name, arguments = call
        if name != self.function:
            return Verdict(False, f"expected a call of `{self.function}`, got `{name[:SHOWN_CHARS]}`", answer=shown)
        if same(arguments, self.arguments):
            return Verdict(True, f"`{name}` called as expected", answer=shown)
        names = sorted(arguments.keys() | self.arguments.keys())
        wrong = next(
            key
            for key in names
            if key not in arguments or key not in self.arguments or not same(arguments[key], self.arguments[key])
        )
        values = f"expected {_short(self.arguments.get(wrong))}, got {_short(arguments.get(wrong))}"
        return Verdict(False, f"`{wrong}`: {values}", answer=shown)


def find_call(answer: str) -> tuple[str, dict[str, Any]] | None:
    """The function that an answer calls and its arguments, in the forms that models write; None: it calls none."""
    found = find_object(answer)
    if found is None:
        return None
    inner = found.get("function")
    call = inner if isinstance(inner, dict) else found
    name, arguments = call.get("name"), call.get("arguments", call.get("parameters"))
    if not isinstance(name, str) or not name:
        return None
    if isinstance(arguments, str):  # as OpenAI's API has them
        arguments = find_object(arguments)
    return name, arguments if isinstance(arguments, dict) else {}


def same(found: object, expected: object) -> bool:
    """Whether two JSON values are the same but for case, punctuation, the order of lists, and rounding."""
    return bool(_plain(found) == _plain(expected))


def _plain(value: object) -> Any:
    if isinstance(value, str):
        return re.sub(r"[\W_]+", " ", value).strip().casefold()
    if isinstance(value, bool):
        return ("bool", value)  # true is not the number 1
    if isinstance(value, int | float):
        return round(float(value), DIGITS)
    if isinstance(value, list | tuple):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _against_schema(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    """What a JSON schema has against a value; None: nothing. Raises LmpmError where `jsonschema` is missing."""
    try:
        from jsonschema import validators
    except ImportError as error:
        hint = "Install it: `pip install 'lmpm[eval]'`"
        raise LmpmError("A check by a JSON schema needs the package `jsonschema`", hint=hint) from error
    checker = validators.validator_for(schema)(schema)
    wrong = next(iter(sorted(checker.iter_errors(value), key=lambda item: list(map(str, item.path)))), None)
    return None if wrong is None else f"`{wrong.json_path}` is not as the schema has it"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
