"""A bundle: what a lock pins as one directory or tar, for machines without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.bundle.contents import (
        BundlePlan as BundlePlan,
        LeftOut as LeftOut,
        Packed as Packed,
        plan as plan,
    )
    from lmpm.bundle.importer import Imported as Imported, check_bundle as check_bundle, import_bundle as import_bundle
    from lmpm.bundle.writer import Bundle as Bundle, write as write
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "contents": "BundlePlan LeftOut Packed plan",
            "importer": "Imported check_bundle import_bundle",
            "writer": "Bundle write",
        },
    )
