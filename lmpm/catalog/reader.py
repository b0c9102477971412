"""Reading the catalog's files; every mistake is told with its file and place."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lmpm import compiled, quant
from lmpm.catalog.catalog import Catalog
from lmpm.catalog.read_model import read_model
from lmpm.catalog.read_task import read_task
from lmpm.catalog.schema import LossRule, Publisher, Quant
from lmpm.catalog.shelf import Shelf
from lmpm.document import DocumentError, Table
from lmpm.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmpm.catalog.schema import Task

T = TypeVar("T")
_HINT = "Install lmpm again, or run `lmpm catalog check` on a catalog of your own"
_RULE = LossRule(per_divergence=0.0, reference_parameters=1, exponent=0.0, least_factor=1.0, most_factor=1.0, most=1.0)


def load(directory: Path, *, copies: Path | None = None, strict: bool = False) -> Catalog:
    """The catalog of a directory. Raises CatalogError, for a model's file when the model is first asked for.

    `copies` is where compiled copies of its files are kept, to be read faster the next time.
    `strict` reads everything at once, tells all mistakes, and looks also at keys that are not known and at
    what files say of each other.
    """
    reader = _Reader(directory, copies, strict=strict)
    catalog = reader.catalog()
    if not strict:
        return catalog
    # Looked at in CI and by `lmpm catalog check` alone, so it is not paid for by every command.
    from lmpm.catalog.consistency import inconsistencies

    models = catalog.models  # read now, so that every file is told of
    problems = reader.problems or inconsistencies(catalog, models)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise CatalogError(f"The catalog in `{directory}` has {count}", details=problems)
    return catalog


def check(directory: Path) -> list[str]:
    """Every problem of the catalog, in the order of its files; what does not read is told first."""
    try:
        load(directory, strict=True)
    except CatalogError as error:
        return list(error.details) or [error.message]
    return []


class _Reader:
    """Reads the files of a directory, and raises or collects the problems that it meets."""

    def __init__(self, directory: Path, copies: Path | None, *, strict: bool) -> None:
        self._directory = directory
        self._copies = copies
        self._strict = strict
        self.problems: list[str] = []

    def catalog(self) -> Catalog:
        quants = self._file("quants.toml", _read_quants)
        publishers = self._file("publishers.toml", _read_publishers)
        return Catalog(
            directory=self._directory,
            tasks=self._tasks(),
            shelf=Shelf(self._directory / "models", lambda name: self._file(f"models/{name}.toml", read_model)),
            quants=quants[0] if quants else {},
            loss_rule=quants[1] if quants else _RULE,
            publishers=publishers or (),
        )

    def _tasks(self) -> tuple[Task, ...]:
        names = sorted(path.name for path in (self._directory / "tasks").glob("*.toml"))
        tasks = (self._file(f"tasks/{name}", read_task) for name in names)
        return tuple(task for task in tasks if task is not None)

    def _file(self, name: str, read: Callable[[Table], T]) -> T | None:
        """One file as a record; None where it has a problem that was collected."""
        try:
            data = compiled.read(self._directory, name, self._copies)
            table = _TracingTable(data) if self._strict else Table(data)
            record = read(table)
        except DocumentError as error:
            self._report(f"{name}: {error}")
            return None
        if isinstance(table, _TracingTable):
            for place in table.all_unknown_keys():
                self._report(f"{name}: {place}: is not known here")
        return record

    def _report(self, problem: str) -> None:
        if not self._strict:
            raise CatalogError(f"The catalog is broken: {problem}", hint=_HINT)
        self.problems.append(problem)


class _TracingTable(Table):
    """A table that knows the tables which were read from it, so that it can tell their unknown keys."""

    def __init__(self, data: object, place: str = "") -> None:
        super().__init__(data, place)
        self._children: list[_TracingTable] = []

    def table(self, key: str) -> Table:
        """The table at `key`."""
        return self._trace(super().table(key))

    def tables(self, key: str) -> list[Table]:
        """The list of tables at `key`; missing means empty."""
        return [self._trace(item) for item in super().tables(key)]

    def all_unknown_keys(self) -> list[str]:
        """Paths of the keys that nobody asked for, here and in every table below."""
        below = (place for child in self._children for place in child.all_unknown_keys())
        return [*self.unknown_keys(), *below]

    def _trace(self, table: Table) -> Table:
        child = _TracingTable(table._data, table.place)
        self._children.append(child)
        return child


def _read_quants(table: Table) -> tuple[dict[str, Quant], LossRule]:
    rule = table.table("rule")
    loss_rule = LossRule(
        per_divergence=rule.number("per_divergence"),
        reference_parameters=rule.integer("reference_parameters", low=1),
        exponent=rule.number("exponent"),
        least_factor=rule.number("least_factor"),
        most_factor=rule.number("most_factor"),
        most=rule.number("most"),
    )
    source = table.text("source")
    found: dict[str, Quant] = {}
    for row in table.tables("quant"):
        item = _read_quant(row, found, source)
        found[item.name] = item
    return found, loss_rule


def _read_quant(row: Table, found: dict[str, Quant], source: str) -> Quant:
    name = row.text("name")
    bits = quant.BITS.get(name)
    if bits is None:
        raise row.fail("name", "expected a quant that llama.cpp loads, in its usual spelling")
    like = row.text_or("like")
    if like and like not in found:
        raise row.fail("like", "expected a quant that stands above this one")
    if like:
        divergence, imatrix = found[like].divergence, found[like].divergence_imatrix
    else:
        divergence = row.number("divergence")
        imatrix = row.number_or("divergence_imatrix", divergence)
    return Quant(
        name=name,
        bits_per_weight=bits,
        divergence=divergence,
        divergence_imatrix=imatrix,
        source=row.text_or("source", f"taken to be like {like}" if like else source),
    )


def _read_publishers(table: Table) -> tuple[Publisher, ...]:
    official = tuple(
        Publisher(name=row.text("name"), kind="official", reason=row.text("reason"), trust=0)
        for row in table.tables("official")
    )
    quantizers = tuple(
        Publisher(name=row.text("name"), kind="quantizer", reason=row.text("reason"), trust=rank)
        for rank, row in enumerate(table.tables("quantizer"), start=1)
    )
    return official + quantizers
