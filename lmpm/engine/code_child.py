"""The child process in which code is run: it gives up its rights first, and runs nothing where it cannot."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from lmpm.engine import sandbox
from lmpm.engine.confinement import Confinement, confine

if TYPE_CHECKING:
    from typing import BinaryIO


def main() -> None:
    """Run the source on stdin and say how it ended."""
    answers = sandbox.private_output()
    job = json.loads(sys.stdin.buffer.readline())
    sandbox.die_with_parent(job["parent"])
    sandbox.watch_parent()
    sandbox.limit_memory(job["memory_bytes"], 0, lambda: _say(answers, error={"kind": "memory", "message": "memory"}))
    held = confine(Confinement())
    if "seccomp" not in held or not any(name.startswith("Landlock") for name in held):
        _say(answers, error={"kind": "unconfined", "message": ""})
    else:
        _say(answers, **_run(job["source"]))
    os._exit(0)


def _run(source: str) -> dict[str, object]:
    try:
        exec(compile(source, "<answer>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what this process is for
    except BaseException as error:  # noqa: BLE001 - `sys.exit` before the end is a failure, too
        return {"error": {"kind": "code", "message": f"{type(error).__name__}: {error}".rstrip(": ")}}
    return {"result": {}}


def _say(answers: BinaryIO, **event: object) -> None:
    answers.write(json.dumps(event).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
