"""LiteRT-LM: the twin as a `.litertlm`, `.task` or `.tflite` file, which is what phones and `litert-lm` run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.export.record import Export
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "litert"
SUMMARY: Final = "The LiteRT-LM (TensorFlow Lite) twin of the same base model, pinned in the lock"
OPTIONS: Final[Mapping[str, str]] = {
    "twin": "ORG/REPO[@COMMIT] whose card names the same base model",
    "file": "which of its files, where it has several",
}


def plan(job: Job) -> Export:
    """The file under its own name, in a directory of its own."""
    if job.twin is None:
        raise ValueError("LiteRT needs a twin")
    twin = job.twin.twin
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-litert",
        links=job.twin_links(),
        notes=(
            f"twin {twin.source}, {human(twin.size)}, {twin.license}: its answers are not those of the GGUF file",
            "what it runs on, and its context, are fixed in the file: its name and the card of its repository say them",
        ),
    )
