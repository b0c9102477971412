"""Typed reading of parsed TOML and JSON: every mistake is reported with the place where it stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lmpm.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
MANY = 4  # choices that are listed in a sentence


class DocumentError(ValueError):
    """A value is missing, of the wrong type or not allowed; `place` is its path in the document."""

    def __init__(self, place: str, problem: str, kind: Literal["missing", "unknown", "invalid"] = "invalid") -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.place = place
        self.problem = problem
        self.kind = kind


class Table:
    """A table of a document together with the path that leads to it.

    The getters check types strictly (a bool is not an integer) and remember which keys were asked for,
    so that `finish` can refuse the rest.
    """

    def __init__(self, data: object, place: str = "") -> None:
        if not isinstance(data, dict):
            raise DocumentError(place, f"expected a table, found {_kind(data)}")
        self._data: Mapping[str, Any] = data
        self._asked: set[str] = set()
        self.place = place

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def is_table(self, key: str) -> bool:
        """Whether a table stands at `key`."""
        return isinstance(self._data.get(key), dict)

    def is_text(self, key: str) -> bool:
        """Whether a string stands at `key`."""
        return isinstance(self._data.get(key), str)

    def is_null(self, key: str) -> bool:
        """Whether JSON's null stands at `key`."""
        return key in self._data and self._data[key] is None

    def at(self, key: str) -> str:
        """The path of `key` in the document."""
        return f"{self.place}.{key}" if self.place else key

    def fail(self, key: str, problem: str) -> DocumentError:
        """An error at `key`, to be raised by the caller."""
        return DocumentError(self.at(key), problem)

    def missing(self, key: str, wanted: str) -> DocumentError:
        """An error at `key` where nothing stands, to be raised by the caller."""
        return DocumentError(self.at(key), f"is missing, expected {wanted}", "missing")

    def _get(self, key: str, kinds: tuple[type, ...], wanted: str) -> Any:
        self._asked.add(key)
        if key not in self._data:
            raise self.missing(key, wanted)
        value = self._data[key]
        # bool is a subclass of int: `size = true` is a mistake, not the number 1
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.fail(key, f"expected {wanted}, found {_kind(value)}")
        return value

    def _optional(self, key: str, read: Callable[[str], T], default: T) -> T:
        self._asked.add(key)
        return read(key) if key in self._data else default

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value: str = self._get(key, (str,), "a string")
        if not value.strip():
            raise self.fail(key, "is empty, expected a string")
        return value

    def string(self, key: str) -> str:
        """A string, which may be empty."""
        value: str = self._get(key, (str,), "a string")
        return value

    def text_or(self, key: str, default: str = "") -> str:
        """A string, or `default`."""
        return self._optional(key, self.text, default)

    def choice(self, key: str, known: tuple[T, ...]) -> T:
        """One of the words that are known there."""
        value = self.text(key)
        for word in known:
            if value == word:
                return word
        *others, last = (f"`{word}`" for word in known)
        wanted = f"{', '.join(others)} or {last}" if len(known) < MANY else "one of " + ", ".join((*others, last))
        raise self.fail(key, f"expected {wanted}")

    def choice_or(self, key: str, known: tuple[T, ...], default: T) -> T:
        """One of the words that are known there, or `default`."""
        return self._optional(key, lambda name: self.choice(name, known), default)

    def integer(self, key: str, *, low: int = 0, high: int = 2**63 - 1) -> int:
        """A whole number between `low` and `high`."""
        value: int = self._get(key, (int,), "a whole number")
        if not low <= value <= high:
            found = str(value) if -(2**64) < value < 2**64 else "a far larger one"
            raise self.fail(key, f"expected a whole number from {low} to {high}, found {found}")
        return value

    def integer_or(self, key: str, default: int, *, low: int = 0, high: int = 2**63 - 1) -> int:
        """A whole number, or `default`."""
        return self._optional(key, lambda name: self.integer(name, low=low, high=high), default)

    def number(self, key: str) -> float:
        """A finite number."""
        try:
            value = float(self._get(key, (int, float), "a number"))
        except OverflowError:
            raise self.fail(key, "expected a finite number") from None
        if not math.isfinite(value):
            raise self.fail(key, "expected a finite number")
        return value

    def number_or(self, key: str, default: float) -> float:
        """A finite number, or `default`."""
        return self._optional(key, self.number, default)

    def flag_or(self, key: str, default: bool) -> bool:
        """True or false."""

        def read(name: str) -> bool:
            value: bool = self._get(name, (bool,), "true or false")
            return value

        return self._optional(key, read, default)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; missing means empty."""

        def read(name: str) -> tuple[str, ...]:
            values = self._get(name, (list,), "a list of strings")
            for index, value in enumerate(values):
                if not isinstance(value, str) or not value.strip():
                    raise DocumentError(f"{self.at(name)}[{index}]", f"expected a string, found {_kind(value)}")
            return tuple(values)

        return self._optional(key, read, ())

    def rows(self, key: str) -> list[Any]:
        """A list of anything; missing means empty."""

        def read(name: str) -> list[Any]:
            values: list[Any] = self._get(name, (list,), "a list")
            return values

        return self._optional(key, read, [])

    def table(self, key: str) -> Table:
        """The table at `key`."""
        return Table(self._get(key, (dict,), "a table"), self.at(key))

    def table_or_empty(self, key: str) -> Table:
        """The table at `key`, or an empty one."""
        return self._optional(key, self.table, Table({}, self.at(key)))

    def tables(self, key: str) -> list[Table]:
        """The list of tables at `key`; missing means empty."""
        return [Table(item, f"{self.at(key)}[{index}]") for index, item in enumerate(self.rows(key))]

    def values(self) -> dict[str, Any]:
        """Everything in the table as it is: for tables whose keys are data."""
        self._asked.update(self._data)
        return dict(self._data)

    def unknown_keys(self) -> list[str]:
        """Paths of the keys that no getter was asked for."""
        return [self.at(key) for key in self._data if key not in self._asked]

    def finish(self) -> None:
        """Refuse keys that nobody asked for: they are misspelt or from a newer format."""
        for key in self._data:
            if key not in self._asked:
                raise DocumentError(self.at(key), f"is not known here; {self._meant(key)}", "unknown")

    def _meant(self, key: str) -> str:
        """The known key that a misspelt one is nearest to, else all of them."""
        if near := nearest(key, self._asked, most=1):
            return f"did you mean `{near[0]}`?"
        return "known are " + ", ".join(f"`{name}`" for name in sorted(self._asked))


def _kind(value: object) -> str:
    """The name of a value's type as the writer of the document would say it."""
    names: dict[type, str] = {
        dict: "a table",
        list: "a list",
        str: "a string",
        bool: "true or false",  # before int, of which it is a kind
        int: "a whole number",
        float: "a decimal number",
    }
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)
