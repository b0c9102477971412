"""LM Studio: the files as hard links in its folder of models, where it finds them by itself.

Its layout is `publisher/model/file.gguf` with the vision encoder beside (lmstudio.ai/docs/app/basics/import-model).
`lms import` would move the file out of the store by default, so it is never called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lmpm.export.record import Export
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "lm-studio"
SUMMARY: Final = "The files in LM Studio's folder of models"
OPTIONS: Final[Mapping[str, str]] = {}
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]+")


def plan(job: Job) -> Export:
    """Links under the repository's name, or under `lmpm/NAME` for what is not of the Hub."""
    source = job.subject.rung.candidate.source if job.subject.rung else None
    folder = source.repo if isinstance(source, HubSource) else f"lmpm/{_ODD.sub('-', job.name)}"
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.places["lm-studio"],
        links=job.links(f"{folder}/"),
        notes=(f"in LM Studio it is called {folder.rpartition('/')[2]}; its context there is set by LM Studio",),
    )
