"""What people download most: each has a place in the catalog, or a reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.fs import DocumentError, Table, compiled_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.catalog.catalog import Catalog

FILE: Final = "demand.toml"


def demand_problems(catalog: Catalog) -> Iterator[str]:
    """Every model of the list that is neither entered nor left out with a reason; a catalog need not have a list."""
    if not (catalog.directory / FILE).exists():
        return
    try:
        rows = Table(compiled_toml.read(catalog.directory, FILE)).tables("base")
        for row in rows:
            yield from _problems(catalog, row)
    except DocumentError as error:
        yield f"{FILE}: {error}"


def _problems(catalog: Catalog, row: Table) -> Iterator[str]:
    repo = row.text("repo")
    row.integer_or("downloads", 0)
    model = row.text_or("model")
    entered = repo.partition("/")[2].lower().replace("_", "-")
    if model and "left_out" not in row:
        if model not in catalog.model_names():
            yield f"{FILE}: {row.at('model')}: `{model}` is no model of the catalog"
    elif model:
        yield f"{FILE}: {row.at('model')}: goes without `left_out`"
    else:
        row.text("left_out")
        row.text("source")
        if entered in catalog.model_names():
            yield f"{FILE}: {row.at('left_out')}: the catalog has `{entered}`"
    for key in row.unknown_keys():
        yield f"{FILE}: {key}: is not known here"
