"""From a file to its cases: every mistake is found in one reading, each with its line."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from lmpm.errors import CasesError, LmpmError
from lmpm.fs import DocumentError, Table, printable
from lmpm.limits import MAX_CASE_DATABASE_BYTES, MAX_CASES
from lmpm.proof.cases.files import Mistake, read_text, require_known, rows_of
from lmpm.proof.cases.records import Case, CaseSet, digest_of
from lmpm.proof.checks.read import CheckKind, read_check
from lmpm.proof.pictures import read_picture
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from lmpm.catalog import SmokeKind
    from lmpm.proof.cases.files import Row
    from lmpm.recipe import Recipe

SHOWN_MISTAKES: Final = 20
KINDS: Final = get_args(CheckKind)
_USUAL: Final[dict[SmokeKind, CheckKind]] = {
    "sql": "sql",
    "label": "label",
    "json": "json",
    "tool": "tool",
    "fim": "code",
    "embeddings": "ranking",
    "rerank": "ranking",
}
# Keys of a case that are not inputs, beside those that its check reads.
OWN_KEYS: Final = ("id", "check", "tags")
CHECK_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "exact": ("expected", "ignore_case"),
    "regex": ("expected",),
    "facts": ("expected", "must", "must_not"),
    "label": ("expected",),
    "number": ("expected", "tolerance"),
    "chrf": ("expected", "least"),
    "json": ("expected", "json_schema"),
    "tool": ("expected",),
    "sql": ("expected", "reference", "also", "ordered", "rows", "database"),
    "code": ("test", "reference"),
    "ranking": ("relevance", "measure", "depth", "least"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What cases are for: the recipe's inputs by name (None: any), those that must be there, and the usual check."""

    inputs: Collection[str] | None = None
    required: Collection[str] = ()
    lists: Collection[str] = ()  # inputs that are lists
    pictures: Collection[str] = ()  # inputs that are pictures
    check: CheckKind | None = None


def wanted_for(recipe: Recipe, kind: SmokeKind | None = None) -> Wanted:
    """What cases for a recipe hold; `kind` is that of its task's smoke test, which says how most are checked."""
    check = _USUAL.get(kind) if kind else None
    if recipe.kind in ("embed", "rerank"):
        names = ("query", "documents")
        return Wanted(inputs=names, required=names, lists=("documents",), check=check or "ranking")
    inputs = recipe.inputs
    return Wanted(
        inputs=[item.name for item in inputs],
        required=[item.name for item in inputs if item.required],
        lists=[item.name for item in inputs if item.is_list],
        pictures=[item.name for item in inputs if item.is_image],
        check=check,
    )


def read_cases(path: Path, wanted: Wanted | None = None, *, name: str | None = None) -> CaseSet:
    """The cases of a `.jsonl`, `.csv` or `.toml` file; `name` is how the user calls it.

    Raises CasesError with a line for each mistake, and DiskError.
    """
    name = name or path.name
    require_known(path, name)
    text = read_text(path)
    reader = _Reader(path.parent, wanted or Wanted())
    for row in rows_of(text, path.suffix.lower()):
        if isinstance(row, Mistake):
            reader.mistakes.append(row)
        else:
            reader.take(row)
    if not reader.cases and not reader.mistakes:
        reader.mistakes.append(Mistake(1, "has no cases"))
    if reader.mistakes:
        raise _broken(name, sorted(reader.mistakes, key=lambda mistake: mistake.line))
    plain = text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")
    return CaseSet(name=name, cases=tuple(reader.cases), sha256=hashlib.sha256(plain).hexdigest())


def _broken(name: str, mistakes: Sequence[Mistake]) -> CasesError:
    lines = [f"{printable(name)}, {printable(str(mistake))}" for mistake in mistakes[:SHOWN_MISTAKES]]
    if more := len(mistakes) - len(lines):
        lines.append(f"and {more} more")
    return CasesError(f"`{printable(name)}` has {count(len(mistakes), 'mistake')}", details=lines)


@dataclass(slots=True)
class _Reader:
    """Takes rows one by one; `folder` is where paths of databases begin."""

    folder: Path
    wanted: Wanted
    cases: list[Case] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)  # of ids
    databases: dict[str, tuple[str, str]] = field(default_factory=dict)  # script and schema by path
    is_full: bool = False

    def take(self, row: Row) -> None:
        """Add the case of a row, or what is wrong with it."""
        if len(self.cases) == MAX_CASES and not self.is_full:
            self.mistakes.append(Mistake(row.line, f"is one case too many: at most {MAX_CASES:,}"))
            self.is_full = True
        if self.is_full:
            return
        try:
            case = self._case(row, Table(row.data))
        except DocumentError as error:
            self.mistakes.append(Mistake(row.line_of(error.place), f"`{error.place}` {error.problem}"))
            return
        if case.id in self.lines:
            self.mistakes.append(Mistake(row.line_of("id"), f"`id` is that of line {self.lines[case.id]}"))
            return
        self.lines[case.id] = row.line
        self.cases.append(case)

    def _case(self, row: Row, table: Table) -> Case:
        kind = table.choice_or("check", KINDS, self.wanted.check)
        if kind is None:
            raise table.missing("check", "one of " + ", ".join(f"`{known}`" for known in KINDS))
        name, tags = table.text_or("id", f"line {row.line}"), table.texts("tags")
        inputs = self._inputs(table, row, kind)
        script, schema = self._database(table, kind)
        if script and "schema" not in inputs and self._takes("schema"):
            inputs["schema"] = schema
        check = read_check(kind, table, script)
        if self.wanted.inputs is not None:
            for key in self.wanted.required:
                if key not in inputs:
                    raise table.missing(key, "an input of the recipe")
            table.finish()
        told = {key: value for key, value in row.data.items() if key not in ("id", "tags")}
        pictures = [digest_of(inputs[key]) for key in self.wanted.pictures if key in inputs]
        digest = digest_of([told, hashlib.sha256(script.encode()).hexdigest() if script else "", *pictures])
        return Case(id=name, inputs=inputs, check=check, tags=tags, place=f"line {row.line}", digest=digest)

    def _takes(self, name: str) -> bool:
        return self.wanted.inputs is None or name in self.wanted.inputs

    def _inputs(self, table: Table, row: Row, kind: CheckKind) -> dict[str, Any]:
        """What the recipe is given, and what the check needs to know of it."""
        apart = {*OWN_KEYS, *CHECK_KEYS[kind]}
        if self.wanted.inputs is not None:
            return {key: self._input(table, key) for key in self.wanted.inputs if key in row.data}
        return {key: value for key, value in row.data.items() if key not in apart}

    def _input(self, table: Table, key: str) -> Any:
        """A text or a list of them; of pictures, whose paths begin in the folder of the file, their URLs."""
        is_list = key in self.wanted.lists and not table.is_text(key)
        given = list(table.texts(key)) if is_list else [table.string(key)]
        if key in self.wanted.pictures:
            given = [self._picture(table, key, place) for place in given]
        return given if is_list else given[0]

    def _picture(self, table: Table, key: str, place: str) -> str:
        try:
            return read_picture(self.folder / place)
        except LmpmError as error:
            raise table.fail(key, f"cannot be shown: {error.message}") from error

    def _database(self, table: Table, kind: CheckKind) -> tuple[str, str]:
        """A script that makes the database of a case, and the statements that make its tables."""
        if kind != "sql":
            return "", ""
        if "database" in table:
            if "rows" in table:
                raise table.fail("rows", "is not for a case with a `database`")
            return self._file(table)
        schema = table.text_or("schema")
        if not schema:
            return "", ""
        rows = table.text("rows") if table.is_text("rows") else "\n".join(f"{line};" for line in table.texts("rows"))
        script = f"{schema.strip()}\n{rows}" if schema.strip().endswith(";") else f"{schema.strip()};\n{rows}"
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            for key, part in (("schema", schema), ("rows", rows)):
                try:
                    database.executescript(part)
                except (sqlite3.Error, sqlite3.Warning) as error:
                    raise table.fail(key, f"cannot be made into a database: {error}") from error
        return script, schema

    def _file(self, table: Table) -> tuple[str, str]:
        name = table.text("database")
        if name not in self.databases:
            self.databases[name] = self._read_file(table, self.folder / name)
        return self.databases[name]

    def _read_file(self, table: Table, path: Path) -> tuple[str, str]:
        try:
            if not path.is_file():
                raise table.fail("database", f"there is no file `{path}`")
            if path.stat().st_size > MAX_CASE_DATABASE_BYTES:
                raise table.fail(
                    "database", f"is larger than {MAX_CASE_DATABASE_BYTES:,} bytes; keep the rows that matter"
                )
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
                made = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
                tables = [sql for (sql,) in made if re.match(r"\s*CREATE\s+(?:TABLE|VIEW)", sql, re.IGNORECASE)]
                return "\n".join(database.iterdump()), "\n".join(f"{sql};" for sql in tables)
        except (sqlite3.Error, OSError) as error:
            raise table.fail("database", f"cannot be read: {error}") from error
