"""The transcripts of README.md: what the program prints at 100 columns, and nothing else.

`python -m tests.transcripts` writes them anew. The test compares all but figures, which differ between two runs.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
README: Final = ROOT / "README.md"
WIDTH: Final = 100
MACHINE: Final = "CPU, 8 cores, 16GB"  # so that every machine prints the same
_BLOCK: Final = re.compile(r"(?<=^```console\n).*?(?=^```)", re.DOTALL | re.MULTILINE)


def transcripts(text: str) -> list[str]:
    """The transcripts of a page, in their order."""
    return _BLOCK.findall(text)


def play(text: str, place: Path) -> list[str]:
    """What the commands of a page print, run one after the other in a new project."""
    project = place / "project"
    project.mkdir()
    kept = {"PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT"}
    environment = {name: value for name, value in os.environ.items() if name in kept} | {
        "HOME": str(place), "HF_HOME": str(place / "hf"), "LMPM_HOME": str(place / "state"),
        "LMPM_HARDWARE": MACHINE, "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    printed = ["".join(map(_run(project, environment), _commands(block))) for block in transcripts(text)]
    return [block.replace(str(place / "state"), "~/.local/state/lmpm") for block in printed]  # where it usually is


def _commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def _run(project: Path, environment: dict[str, str]) -> Callable[[str], str]:
    def run(command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=project, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", check=False,
        )  # fmt: skip
        return f"$ {command}\n{done.stdout}"

    return run


def without_figures(text: str) -> str:
    """The text with each number replaced, and with it what the width of a number moves."""
    text = re.sub(r"under (?=\d)", "", text)  # a machine that is faster than this says so
    return " ".join(re.sub(r"\d[\d.,]*(?:-\d[\d.,]*)?", "#", text).split())


def main() -> None:
    """Write what the program prints now into README.md."""
    text = README.read_text("utf-8")
    with tempfile.TemporaryDirectory() as place:
        printed = iter(play(text, Path(place)))
    README.write_text(_BLOCK.sub(lambda _: next(printed), text), "utf-8")


if __name__ == "__main__":
    main()
