"""llama.cpp, always in a child process with limits: load a file, generate, embed, and report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.engine.client import (
        dry_run as dry_run,
        embed as embed,
        execute as execute,
        generate as generate,
        probe as probe,
    )
    from lmpm.engine.installed import version as version
    from lmpm.engine.local import LocalEngine as LocalEngine, usual_repacking as usual_repacking
    from lmpm.engine.protocol import (
        EngineInfo as EngineInfo,
        EngineLimits as EngineLimits,
        EngineReport as EngineReport,
        Generation as Generation,
        Job as Job,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "client": "dry_run embed execute generate probe",
            "installed": "version",
            "local": "LocalEngine usual_repacking",
            "protocol": "EngineInfo EngineLimits EngineReport Generation Job",
        },
    )
