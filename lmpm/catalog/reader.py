"""Reading the catalog's files; every mistake is told with its file and place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lmpm.catalog.catalog import Catalog
from lmpm.catalog.files import RecordFiles
from lmpm.catalog.problem import Problem
from lmpm.catalog.read_model import read_model
from lmpm.catalog.read_tables import NO_QUANTS, NewerFormatError, read_format, read_publishers, read_quants
from lmpm.catalog.read_task import read_task
from lmpm.catalog.yanked import read_yanked
from lmpm.errors import CatalogError
from lmpm.fs import DocumentError, Table, compiled_toml

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.catalog.schema.model import CatalogModel
    from lmpm.catalog.schema.smoke import SmokeTest
    from lmpm.catalog.schema.task import Task
    from lmpm.catalog.yanked import Yanked

T = TypeVar("T")
_UPGRADE = "Upgrade lmpm: `pip install --upgrade lmpm`"
_HINT = "Install lmpm again, or run `lmpm catalog check` on a catalog of your own"
Note = Callable[[str], None]


def load(directory: Path, *, copies: Path | None = None, note: Note | None = None) -> Catalog:
    """The catalog of a directory. Raises CatalogError, for a task's or model's file when that is first asked for.

    `copies` is where compiled copies of its files are kept, to be read faster the next time. A key that is not
    known is ignored, and `note` is called with it.
    """
    return _Reader(directory, copies, strict=False, note=note).catalog()


def check(directory: Path) -> list[Problem]:
    """Every problem of the catalog, keys that are not known among them, in the order of its files.

    What does not read comes first. Raises CatalogError for a catalog that is newer than this lmpm.
    """
    # Looked at in CI and by `lmpm catalog check` alone, so it is not paid for by every command.
    from lmpm.catalog.checks.tasks import inconsistencies

    reader = _Reader(directory, None, strict=True, note=None)
    catalog = reader.catalog()
    _, models = catalog.tasks, catalog.models  # read now, so that every file's problems are known
    return reader.problems + inconsistencies(catalog, models, reader.broken)


class _Reader:
    """Reads the files of a directory, and raises or collects the problems that it meets."""

    def __init__(self, directory: Path, copies: Path | None, *, strict: bool, note: Note | None) -> None:
        self._directory = directory
        self._copies = copies
        self._strict = strict
        self._note = note
        self.problems: list[Problem] = []
        self.broken: set[str] = set()  # files that did not read

    def catalog(self) -> Catalog:
        self._file("catalog.toml", read_format)
        quants = self._file("quants.toml", read_quants) or NO_QUANTS
        return Catalog(
            directory=self._directory,
            task_files=RecordFiles(self._directory / "tasks", self._task),
            model_files=RecordFiles(self._directory / "models", self._model),
            quants=quants.quants,
            loss_rule=quants.rule,
            publishers=self._file("publishers.toml", read_publishers) or {},
            yanked=self._yanked(),
        )

    def _yanked(self) -> tuple[Yanked, ...]:
        """What nobody should use; a catalog need not know of any."""
        if not (self._directory / "yanked.toml").exists():
            return ()
        return self._file("yanked.toml", read_yanked) or ()

    def _model(self, name: str) -> CatalogModel | None:
        return self._file(f"models/{name}.toml", read_model)

    def _task(self, name: str) -> Task | None:
        """A task; read strictly, with its smoke test."""
        file = f"tasks/{name}.toml"
        task = self._file(file, lambda table: read_task(table, lambda: self._smoke(file)))
        if self._strict and task is not None:
            return task if self._file(file, _read_smoke, within="smoke") else None
        return task

    def _smoke(self, file: str) -> SmokeTest:
        try:
            return self._read(file, _read_smoke, within="smoke")[0]
        except DocumentError as error:
            raise CatalogError(f"The catalog is broken: {file}: {error}", hint=_HINT) from error

    def _file(self, name: str, read: Callable[[Table], T], *, within: str = "") -> T | None:
        """One file as a record; None where it has a problem that was collected."""
        try:
            record, unknown = self._read(name, read, within=within)
        except NewerFormatError as error:
            raise CatalogError(f"The catalog is newer than this lmpm: {name}: {error}", hint=_UPGRADE) from error
        except DocumentError as error:
            self._report(Problem.of(name, error))
            self.broken.add(name)
            return None
        for place in unknown:
            if self._strict:
                self._report(Problem(name, place, "is not known here", "unknown"))
            elif self._note:
                self._note(f"ignored what is not known here: `{place}` in {name}")
        return record

    def _read(self, name: str, read: Callable[[Table], T], *, within: str = "") -> tuple[T, list[str]]:
        """The record of a file, or of a table of it, and the keys that are not known. Raises DocumentError."""
        table: Table = _TracingTable(compiled_toml.read(self._directory, name, self._copies))
        table = table.table(within) if within else table
        record = read(table)
        return record, table.all_unknown_keys() if isinstance(table, _TracingTable) else []

    def _report(self, problem: Problem) -> None:
        if not self._strict:
            raise CatalogError(f"The catalog is broken: {problem}", hint=_HINT)
        self.problems.append(problem)


def _read_smoke(table: Table) -> SmokeTest:
    from lmpm.catalog.read_smoke import read_smoke  # few commands ask for one

    return read_smoke(table)


class _TracingTable(Table):
    """A table that knows the tables which were read from it, so that it can tell their unknown keys."""

    def __init__(self, data: object, place: str = "") -> None:
        super().__init__(data, place)
        self._children: list[_TracingTable] = []

    def table(self, key: str) -> Table:
        """The table at `key`."""
        return self._child(super().table(key).values(), self.at(key))

    def tables(self, key: str) -> list[Table]:
        """The list of tables at `key`; missing means empty."""
        return [self._child(item.values(), item.place) for item in super().tables(key)]

    def all_unknown_keys(self) -> list[str]:
        """Paths of the keys that nobody asked for, here and in every table below."""
        below = (place for child in self._children for place in child.all_unknown_keys())
        return [*self.unknown_keys(), *below]

    def _child(self, data: object, place: str) -> Table:
        child = _TracingTable(data, place)
        self._children.append(child)
        return child
