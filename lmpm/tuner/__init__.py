"""A small model of one's own: from examples to a pinned GGUF that passed its gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.tuner.base import USUAL as USUAL
    from lmpm.tuner.conversion.quantize import QUANTS as QUANTS
    from lmpm.tuner.converting import Converted as Converted, convert as convert
    from lmpm.tuner.costs import Costs as Costs
    from lmpm.tuner.inspection import Inspection as Inspection
    from lmpm.tuner.parity import Parity as Parity
    from lmpm.tuner.settings import Settings as Settings, Shape as Shape
    from lmpm.tuner.training.loop import Progress as Progress, Watcher as Watcher
    from lmpm.tuner.tune import (
        Data as Data,
        Outcome as Outcome,
        Plan as Plan,
        Reporter as Reporter,
        Request as Request,
        apply as apply,
        check as check,
        plan as plan,
    )
    from lmpm.tuner.work import Trained as Trained
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "base": "USUAL",
            "converting": "Converted convert",
            "conversion.quantize": "QUANTS",
            "costs": "Costs",
            "inspection": "Inspection",
            "parity": "Parity",
            "settings": "Settings Shape",
            "training.loop": "Progress Watcher",
            "tune": "Data Outcome Plan Reporter Request apply check plan",
            "work": "Trained",
        },
    )
