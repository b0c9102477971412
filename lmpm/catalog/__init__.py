"""The catalog: which models do which task, how well, and in which files they come."""

from lmpm.catalog.catalog import Catalog
from lmpm.catalog.reader import check, load
from lmpm.catalog.schema import (
    CatalogModel,
    EmbeddingCase,
    FimCase,
    JsonCase,
    LabelCase,
    Publisher,
    Quant,
    RankCase,
    SmokeTest,
    SqlCase,
    Task,
    TextCase,
    ToolCase,
)
from lmpm.location import directory

__all__ = [
    "Catalog",
    "CatalogModel",
    "EmbeddingCase",
    "FimCase",
    "JsonCase",
    "LabelCase",
    "Publisher",
    "Quant",
    "RankCase",
    "SmokeTest",
    "SqlCase",
    "Task",
    "TextCase",
    "ToolCase",
    "check",
    "directory",
    "load",
]
