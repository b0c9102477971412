"""Whether a model does its task: the smoke test and what it showed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.proof.history import History as History
    from lmpm.proof.result import MemoryCheck as MemoryCheck, SmokeResult as SmokeResult
    from lmpm.proof.smoke import run_smoke as run_smoke
    from lmpm.proof.tested import Tested as Tested
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "history": "History",
            "result": "MemoryCheck SmokeResult",
            "smoke": "run_smoke",
            "tested": "Tested",
        },
    )
