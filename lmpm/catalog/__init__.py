"""The catalog: which models do which task, how well, and in which files they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.catalog.catalog import Catalog as Catalog
    from lmpm.catalog.checks.coverage import BUDGETS as BUDGETS, GB as GB
    from lmpm.catalog.location import directory as directory
    from lmpm.catalog.reader import check as check, load as load
    from lmpm.catalog.schema import (
        CatalogModel as CatalogModel,
        EmbeddingCase as EmbeddingCase,
        FimCase as FimCase,
        JsonCase as JsonCase,
        LabelCase as LabelCase,
        Metric as Metric,
        Publisher as Publisher,
        Quant as Quant,
        RankCase as RankCase,
        Score as Score,
        SmokeCase as SmokeCase,
        SmokeTest as SmokeTest,
        SpeedKind as SpeedKind,
        SqlCase as SqlCase,
        Task as Task,
        TextCase as TextCase,
        ToolCase as ToolCase,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "catalog": "Catalog",
            "checks.coverage": "BUDGETS GB",
            "location": "directory",
            "reader": "check load",
            "schema": (
                "CatalogModel EmbeddingCase FimCase JsonCase LabelCase Metric Publisher Quant "
                "RankCase Score SmokeCase SmokeTest SpeedKind SqlCase Task TextCase ToolCase"
            ),
        },
    )
