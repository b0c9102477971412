"""The catalog: which models do which task, how well, and in which files they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.catalog import rating as rating, refresh as refresh
    from lmpm.catalog.catalog import Catalog as Catalog
    from lmpm.catalog.checks.coverage import BUDGETS as BUDGETS, GB as GB
    from lmpm.catalog.location import directory as directory
    from lmpm.catalog.rating import Rating as Rating
    from lmpm.catalog.reader import check as check, load as load
    from lmpm.catalog.recipes import recipe_for as recipe_for
    from lmpm.catalog.schema.kinds import SmokeKind as SmokeKind
    from lmpm.catalog.schema.model import CatalogModel as CatalogModel, Score as Score
    from lmpm.catalog.schema.smoke import (
        EmbeddingCase as EmbeddingCase,
        FimCase as FimCase,
        JsonCase as JsonCase,
        LabelCase as LabelCase,
        RankCase as RankCase,
        SmokeCase as SmokeCase,
        SmokeTest as SmokeTest,
        SqlCase as SqlCase,
        TextCase as TextCase,
        ToolCase as ToolCase,
    )
    from lmpm.catalog.schema.tables import Publisher as Publisher, Quant as Quant
    from lmpm.catalog.schema.task import (
        Metric as Metric,
        RankingTime as RankingTime,
        Task as Task,
        TaskTime as TaskTime,
        VectorTime as VectorTime,
        WritingTime as WritingTime,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "catalog": "Catalog",
            "checks.coverage": "BUDGETS GB",
            "location": "directory",
            "rating": "Rating rating",
            "reader": "check load",
            "recipes": "recipe_for",
            "refresh": "refresh",
            "schema.kinds": "SmokeKind",
            "schema.model": "CatalogModel Score",
            "schema.smoke": (
                "EmbeddingCase FimCase JsonCase LabelCase RankCase SmokeCase SmokeTest SqlCase TextCase ToolCase"
            ),
            "schema.tables": "Publisher Quant",
            "schema.task": "Metric RankingTime Task TaskTime VectorTime WritingTime",
        },
    )
