"""Python that a model wrote, run where it can do no harm: in a child process without network, programs and files."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

from lmpm.engine.process import run_child
from lmpm.engine.protocol import EngineLimits
from lmpm.errors import EngineError
from lmpm.limits import MIB

CHILD: Final = (sys.executable, "-P", "-m", "lmpm.engine.code_child")
CODE_TIME_S: Final = 5.0
CODE_MEMORY_BYTES: Final = 512 * MIB


@dataclass(frozen=True, slots=True)
class CodeRun:
    """Whether code ran to its end, and else why not."""

    passed: bool
    detail: str


def run_code(source: str, *, time_s: float = CODE_TIME_S, memory_bytes: int = CODE_MEMORY_BYTES) -> CodeRun:
    """Run Python to its end. Raises EngineError where this system cannot confine it: then it is not run at all."""
    job = {"source": source, "memory_bytes": memory_bytes}
    outcome = run_child(job, EngineLimits(time_s=time_s, output_bytes=MIB), command=CHILD)
    if outcome.timed_out:
        return CodeRun(False, f"stopped after {time_s:g} s")
    if outcome.error is not None and outcome.error.get("kind") == "unconfined":
        raise EngineError(
            "Code is not run here: this system cannot keep it from the network and from files",
            hint="It takes Linux with Landlock and seccomp, for instance in a container",
            kind="unconfined",
        )
    if outcome.error is not None:
        return CodeRun(False, str(outcome.error.get("message", ""))[:200])
    if outcome.result is None:
        return CodeRun(False, f"it ended the process ({outcome.returncode})")
    return CodeRun(True, "ran to its end")
