"""The rows of a file of cases, each with its line: JSON Lines, CSV or TOML.

What many cases share is written once: a line `{"defaults": {…}}` of JSON Lines holds for the lines below it until the
next one, the table `[defaults]` of a TOML file for all of its cases. Nothing here knows what the keys mean.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import CasesError, DiskError
from lmpm.fs import DocumentError, printable, toml
from lmpm.limits import MAX_CASES_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEFAULTS: Final = "defaults"
MAX_CELL_CHARS: Final = 1_000_000  # of CSV
_BLOCK: Final = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
_CASE: Final = re.compile(r"^[ \t]*\[\[[ \t]*case[ \t]*\]\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """One case as it was written. `line` is where it begins, `lines` where its keys stand, if elsewhere."""

    line: int
    data: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, key: str) -> int:
        """The line of a key, or that of the case."""
        return self.lines.get(re.split(r"[.\[]", key, maxsplit=1)[0], self.line)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a line."""

    line: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}" if self.line else self.problem


def read_text(path: Path) -> str:
    """The text of a file of cases. Raises CasesError and DiskError."""
    try:
        return toml.read_text(path, MAX_CASES_BYTES).removeprefix("\ufeff")
    except FileNotFoundError as error:
        hint = "Cases are lines of JSON, CSV or TOML: see docs/evaluation.md"
        raise CasesError(f"There is no file of cases `{printable(str(path))}`", hint=hint) from error
    except DocumentError as error:
        raise CasesError(toml.describe(error, path.name)) from error
    except IsADirectoryError as error:
        raise DiskError(f"`{printable(str(path))}` is a directory", path=path) from error


def rows_of(text: str, suffix: str) -> Iterator[Row | Mistake]:
    """The rows in a text, and what is wrong where there is none. `suffix` says in which form: `.csv`."""
    return _FORMS[suffix](text)


def require_known(path: Path, name: str) -> None:
    """Raise CasesError for a file whose ending says nothing; `name` is how the user calls it."""
    if path.suffix.lower() not in _FORMS:
        hint = "Cases are lines of JSON (`.jsonl`), CSV or TOML: see docs/evaluation.md"
        raise CasesError(
            f"`{printable(name)}` is not a file of cases: its name ends in none of {', '.join(_FORMS)}", hint=hint
        )


def read_rows(path: Path, *, name: str) -> Iterator[Row | Mistake]:
    """The rows of a file, and what is wrong where there is none. Raises CasesError and DiskError."""
    require_known(path, name)
    return rows_of(read_text(path), path.suffix.lower())


def _json_lines(text: str) -> Iterator[Row | Mistake]:
    defaults: dict[str, Any] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            data = json.loads(line, parse_constant=_refuse)
        except RecursionError:
            yield Mistake(number, "is nested too deeply")
            continue
        except ValueError as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            yield Mistake(number, f"is not JSON: {what[:1].lower()}{what[1:]}")
            continue
        if not isinstance(data, dict):
            yield Mistake(number, "expected an object, `{…}`")
        elif data.keys() == {DEFAULTS}:
            if isinstance(data[DEFAULTS], dict):
                defaults = data[DEFAULTS]
            else:
                yield Mistake(number, f"`{DEFAULTS}`: expected an object")
        else:
            yield Row(number, {**defaults, **data})


def _refuse(name: str) -> None:
    raise ValueError(f"`{name}` is not a number of JSON")


def _csv(text: str) -> Iterator[Row | Mistake]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    limit = csv.field_size_limit(MAX_CELL_CHARS)
    try:
        names = next(reader, None)
        if not names or not all(name.strip() for name in names) or len(set(names)) != len(names):
            yield Mistake(1, "expected the names of the columns, each once")
            return
        line = reader.line_num
        for cells in reader:
            line, begins = reader.line_num, line + 1
            if not cells:
                continue
            if len(cells) != len(names):
                yield Mistake(begins, f"expected {len(names)} cells, found {len(cells)}")
                continue
            try:
                yield Row(begins, {name: _cell(name, cell) for name, cell in zip(names, cells, strict=True) if cell})
            except ValueError as error:
                yield Mistake(begins, str(error))
    except csv.Error as error:
        yield Mistake(reader.line_num, f"is not CSV: {error}")
    finally:
        csv.field_size_limit(limit)


JSON_CELLS: Final = frozenset(
    """
    also depth documents fields ignore_case json_schema least must must_not ordered relevance tags tolerance tools
    """.split()  # noqa: SIM905 - a list of words reads best as words
)  # keys that have lists, numbers or truth values


def _cell(name: str, cell: str) -> Any:
    """The value of a cell: JSON where a key has lists, numbers or truth values, else text; `expected` may be either."""
    if name in JSON_CELLS or (name == "expected" and re.match(r"\s*(?:[\[{]|-?\d+(?:\.\d+)?\s*$|null\s*$)", cell)):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            if name == "expected":
                return cell
            raise ValueError(f'`{name}`: expected JSON, such as `["a", "b"]`') from None
    return cell


def _toml(text: str) -> Iterator[Row | Mistake]:
    try:
        document = toml.parse(text, MAX_CASES_BYTES)
    except DocumentError as error:
        found = re.match(r"line (\d+)", error.place)
        yield Mistake(int(found[1]) if found else text.count("\n") + 1, error.problem)
        return
    flat = _BLOCK.sub(lambda block: re.sub(r"[^\n]", "", block[0]), text)
    defaults, cases = document.pop(DEFAULTS, {}), document.pop("case", [])
    for key in document:
        yield Mistake(_line_of_key(flat, key, 0, len(flat)), f"`{key}` is not known here; known are `defaults`, `case`")
    if not isinstance(defaults, dict) or not isinstance(cases, list):
        yield Mistake(1, "expected `[defaults]` and tables `[[case]]`")
        return
    starts = [found.start() for found in _CASE.finditer(flat)]
    for number, data in enumerate(cases):
        if not isinstance(data, dict):
            yield Mistake(_line_of_key(flat, "case", 0, len(flat)), f"case[{number}]: expected a table")
            continue
        begin, end = (starts[number], (*starts, len(flat))[number + 1]) if number < len(starts) else (0, len(flat))
        line = flat.count("\n", 0, begin) + 1
        yield Row(line, {**defaults, **data}, {key: _line_of_key(flat, key, begin, end) for key in data})


def _line_of_key(text: str, key: str, begin: int, end: int) -> int:
    """The line where a key is written between two places, else the first of them."""
    found = re.compile(rf"^[ \t]*(?:\[+[ \t]*)?(?:case\.)?[\"']?{re.escape(key)}[\"']?[ \t]*[.=\]]", re.MULTILINE)
    place = found.search(text, begin, end)
    return text.count("\n", 0, place.start() if place else begin) + 1


_FORMS: dict[str, Callable[[str], Iterator[Row | Mistake]]] = {".jsonl": _json_lines, ".csv": _csv, ".toml": _toml}
