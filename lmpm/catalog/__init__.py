"""The catalog: which models do which task, how well, and in which files they come."""

from lmpm.catalog.catalog import Catalog
from lmpm.catalog.location import directory
from lmpm.catalog.reader import check, load
from lmpm.catalog.schema import (
    CatalogModel,
    EmbeddingCase,
    Publisher,
    Quant,
    SmokeTest,
    SqlCase,
    Task,
    TextCase,
)

__all__ = [
    "Catalog",
    "CatalogModel",
    "EmbeddingCase",
    "Publisher",
    "Quant",
    "SmokeTest",
    "SqlCase",
    "Task",
    "TextCase",
    "check",
    "directory",
    "load",
]
