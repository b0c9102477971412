"""A child process for one question: a job as JSON on stdin, one answer as JSON on a private stream."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from lmpm.engine import sandbox
from lmpm.engine.confinement import Confinement, confine
from lmpm.engine.native.library import Library
from lmpm.engine.native.memory_breakdown import SYMBOL
from lmpm.engine.native.planning import plan
from lmpm.engine.protocol import Job


def main() -> None:
    """Answer the job on stdin and end at once: no destructor of a library has a say."""
    answers = sandbox.private_output()
    values = json.loads(sys.stdin.buffer.readline())
    sandbox.die_with_parent(values.pop("parent"))
    confined = confine(Confinement(driver=values.pop("driver")))
    sandbox.watch_parent()
    job = Job.decode(values)
    sandbox.limit_memory(
        job.memory_bytes, _size(job.path), lambda: _tell(answers, error={"kind": "memory", "message": ""})
    )
    try:
        _tell(answers, result=_work(job, answers, confined))
    except MemoryError:
        _tell(answers, error={"kind": "memory", "message": ""})
    except Exception as error:  # noqa: BLE001 - every failure is an answer
        _tell(answers, error={"kind": getattr(error, "kind", "other"), "message": f"{error}" or type(error).__name__})
    os._exit(0)


def _work(job: Job, answers: BinaryIO, confined: tuple[str, ...]) -> dict[str, Any]:
    _tell(answers, stage="import")
    if job.library.endswith(".pyd"):  # exports nothing but its Python module
        from lmpm.engine.adapters.xllamacpp_worker import describe

        return describe()
    library = load_library(job.library)
    if job.kind == "plan":
        _tell(answers, stage="load")
        return plan(library, job.path, job.plan).encode()
    return {
        "build": library.build,
        "system_info": library.system_info,
        "devices": [{name: getattr(device, name) for name in device.__slots__} for device in library.devices],
        "plans": sys.platform != "win32" and hasattr(library.handle, SYMBOL),
        "vision": hasattr(library.handle, "mtmd_init_from_file"),
        "confined": confined,
    }


class LibraryError(Exception):
    """Raised for a library that does not load, or lacks what is asked of it."""

    kind = "import"


def load_library(path: str) -> Library:
    """The library at a path. Raises LibraryError, and UnknownLayoutError for one that cannot be asked."""
    try:
        return Library(path)
    except (OSError, RuntimeError, AttributeError) as error:
        raise LibraryError(str(error)) from error


def _tell(answers: BinaryIO, **event: object) -> None:
    answers.write(json.dumps(event).encode() + b"\n")
    answers.flush()


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size if path else 0
    except OSError:
        return 0


if __name__ == "__main__":
    main()
