"""The headers of what the user named: of a file here, or of one on the Hub, read once and kept.

A header costs a few megabytes of a file of gigabytes. Its bytes are kept by the sha256 of the file they
belong to, so that they are fetched once, and can be given to llama.cpp to plan with.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm import atomic, gguf_header, reference
from lmpm.errors import NotFoundError, SpecError
from lmpm.install import require_choice
from lmpm.resolve import Wish
from lmpm.types import HubSource, ModelFile

if TYPE_CHECKING:
    from lmpm.gguf_header import Header
    from lmpm.resolve import Resolver
    from lmpm.types import Machine

SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


def headers_of(
    resolver: Resolver, ref: str, machine: Machine, home: Path
) -> tuple[tuple[Header, ...], tuple[ModelFile, ...]]:
    """Headers with tensor tables, and the files, of a local file, a task, a model or a repository.

    Raises the errors of resolving, SpecError for a file that is not there, IntegrityError for no GGUF.
    """
    named = reference.parse(ref)
    if isinstance(named, reference.FileReference):
        paths = _shards(named.path)
        files = tuple(ModelFile(path=str(path), size=path.stat().st_size) for path in paths)
        return tuple(gguf_header.read_file(path) for path in paths), files
    where = "here" if resolver.hub.offline else "hub"
    choice = resolver.resolve(ref, machine, Wish(), where=where).choice
    require_choice(choice)
    variant = choice.chosen.variant  # type: ignore[union-attr]
    files = tuple(file for file in variant.files if file.role == "model")
    return tuple(_header(resolver, variant.source, file, home) for file in files), files
