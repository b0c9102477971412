"""The exact memory of a model before it is downloaded: its header, a hole of the right size, llama.cpp's own plan.

A GGUF file starts with everything that decides how memory is laid out. The header is fetched into a file as
long as the real one, the rest of which is a hole and takes no space; llama.cpp then plans without weights.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmpm.engine.engines import default_engine
from lmpm.fs import JsonCache
from lmpm.gguf import header as gguf_header
from lmpm.types import MemoryPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.engine.interface import Engine
    from lmpm.gguf import Header, Part, ReadAt
    from lmpm.run_config import RunConfig


@dataclass(frozen=True, slots=True)
class MemoryPlanner:
    """The engine of this machine, asked how it would spend memory; what it said is kept in `folder`.

    `installation` and `machine` tell one engine and one computer from another.
    """

    folder: Path
    installation: str
    machine: str
    engine: Engine

    def ask(self, parts: Sequence[Part], settings: RunConfig) -> MemoryPlan:
        """Its plan for files in load order. Raises IntegrityError for a header that is none, and EngineError."""
        key = self._key(parts, settings)
        if key is not None and (known := _decoded(self._notes.get(key))) is not None:
            return known
        found = dry_run(parts, settings, self.engine)
        if key is not None:
            self._notes.put(found.encode(), key)
        return found

    def _key(self, parts: Sequence[Part], settings: RunConfig) -> str | None:
        """What the plan for these bytes and settings is kept under; None for files whose bytes are not known."""
        if not all(part.sha256 for part in parts):
            return None
        # the sha256 is only what somebody says of a file that is not here: all that is planned with goes into the key
        files = [[part.sha256, hashlib.sha256(_header(part)).hexdigest()] for part in parts]
        return json.dumps([self.installation, self.machine, files, asdict(settings)])

    @property
    def _notes(self) -> JsonCache:
        return JsonCache(self.folder)


def _header(part: Part) -> bytes:
    """The bytes that a plan is made with. Raises IntegrityError for a header that is none."""
    found = gguf_header.read_header(part.read_at, size=part.size, name=part.name)
    return part.read_at(0, found.size)


def _decoded(kept: Any) -> MemoryPlan | None:
    try:
        return MemoryPlan.decode(kept)
    except (ValueError, TypeError, KeyError):
        return None


def dry_run(parts: Sequence[Part], settings: RunConfig, engine: Engine | None = None) -> MemoryPlan:
    """How an engine (None: the default one) would spend memory on files that are not here; parts in load order.

    Raises IntegrityError when a header is none, EngineError when llama.cpp cannot plan with it.
    """
    with tempfile.TemporaryDirectory(prefix="lmpm-plan-") as folder:
        files = [sparse_copy(part, Path(folder)) for part in parts]
        return (engine or default_engine()).plan(files[0], settings)


def sparse_copy(part: Part, folder: Path) -> Path:
    """Write the header of a file, and a hole instead of the rest."""
    path = folder / Path(part.name).name
    with path.open("wb") as file:
        file.truncate(part.size)
        with _recorded(part.read_at, file.fileno()) as (read_at, read):
            header = gguf_header.read_header(read_at, size=part.size, name=part.name)
            for start, length in _gaps(read, header):
                read_at(start, length)
    return path


@contextlib.contextmanager
def _recorded(read_at: ReadAt, descriptor: int) -> Iterator[tuple[ReadAt, list[tuple[int, int]]]]:
    """A reader that writes what it reads into a file, and the pieces that it has read."""
    read: list[tuple[int, int]] = []
    with open(descriptor, "wb", closefd=False) as file:

        def record(offset: int, length: int) -> bytes:
            data = read_at(offset, length)
            file.seek(offset)
            file.write(data)
            read.append((offset, len(data)))
            return data

        yield record, read


def _gaps(read: Sequence[tuple[int, int]], header: Header) -> Iterator[tuple[int, int]]:
    """What of a header was skipped: long tables of numbers."""
    end = 0
    for start, length in sorted(read):
        if start > end:
            yield end, start - end
        end = max(end, start + length)
    if end < header.size:
        yield end, header.size - end
