"""Ways out to other tools: each gets the locked bytes, and settings that say the same as the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.export.carry_out import Drift as Drift, drifts_of as drifts_of
    from lmpm.export.exporting import exporter as exporter, exporters as exporters, plan_export as plan_export
    from lmpm.export.keeping import (
        check_export as check_export,
        find_exports as find_exports,
        undo_export as undo_export,
        write_export as write_export,
    )
    from lmpm.export.record import Export as Export, Exporter as Exporter, Link as Link, Text as Text
    from lmpm.export.serving import serve_folder as serve_folder
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "carry_out": "Drift drifts_of",
            "exporting": "exporter exporters plan_export",
            "keeping": "check_export find_exports undo_export write_export",
            "record": "Export Exporter Link Text",
            "serving": "serve_folder",
        },
    )
