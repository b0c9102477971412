"""What people download most: each has a place in the catalog, or a reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.catalog.problem import Problem
from lmpm.fs import DocumentError, Table, compiled_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.catalog.catalog import Catalog

FILE: Final = "demand.toml"


def demand_problems(catalog: Catalog) -> Iterator[Problem]:
    """Every model of the list that is neither entered nor left out with a reason; a catalog need not have a list."""
    if not (catalog.directory / FILE).exists():
        return
    try:
        rows = Table(compiled_toml.read(catalog.directory, FILE)).tables("base")
        for row in rows:
            yield from _problems(catalog, row)
    except DocumentError as error:
        yield Problem.of(FILE, error)


def _problems(catalog: Catalog, row: Table) -> Iterator[Problem]:
    repo = row.text("repo")
    row.integer_or("downloads", 0)
    model = row.text_or("model")
    entered = repo.partition("/")[2].lower().replace("_", "-")
    if model and "left_out" not in row:
        if model not in catalog.model_names():
            yield Problem(FILE, row.at("model"), f"`{model}` is not a model of the catalog", "unknown")
    elif model:
        yield Problem(FILE, row.at("model"), "goes without `left_out`")
    else:
        row.text("left_out")
        row.text("source")
        if entered in catalog.model_names():
            yield Problem(FILE, row.at("left_out"), f"the catalog has `{entered}`")
    for key in row.unknown_keys():
        yield Problem(FILE, key, "is not known here", "unknown")
