"""llama.cpp in any build, always in a child process with limits: probed, proved, chosen, planned with, and asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.engine import asking as asking
    from lmpm.engine.asking import (
        Answer as Answer,
        AnswerStream as AnswerStream,
        Options as Options,
        TextKind as TextKind,
        Usage as Usage,
    )
    from lmpm.engine.code import CodeRun as CodeRun, run_code as run_code
    from lmpm.engine.engines import (
        Engines as Engines,
        Found as Found,
        default_engine as default_engine,
        gpu_hint as gpu_hint,
        require_engine as require_engine,
    )
    from lmpm.engine.http.settings import csv_row as csv_row
    from lmpm.engine.interface import Engine as Engine
    from lmpm.engine.local import LocalEngine as LocalEngine, usual_repacking as usual_repacking
    from lmpm.engine.measure import Measured as Measured
    from lmpm.engine.planner import MemoryPlanner as MemoryPlanner
    from lmpm.engine.protocol import (
        Device as Device,
        EngineInfo as EngineInfo,
        EngineLimits as EngineLimits,
        EngineName as EngineName,
        Files as Files,
        Generation as Generation,
        Sampling as Sampling,
        Service as Service,
        SessionMemory as SessionMemory,
    )
    from lmpm.engine.remote import RemoteSession as RemoteSession
    from lmpm.engine.session import Session as Session
    from lmpm.engine.versions import version as version
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "code": "CodeRun run_code",
            "asking": "asking Answer AnswerStream Options TextKind Usage",
            "engines": "Engines Found default_engine gpu_hint require_engine",
            "local": "LocalEngine usual_repacking",
            "measure": "Measured",
            "planner": "MemoryPlanner",
            "http.settings": "csv_row",
            "interface": "Engine",
            "protocol": "Device EngineInfo EngineLimits EngineName Files Generation Sampling Service SessionMemory",
            "remote": "RemoteSession",
            "session": "Session",
            "versions": "version",
        },
    )
