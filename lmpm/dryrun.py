"""The exact memory of a model before it is downloaded: its header, a hole of the right size, llama.cpp's own plan.

A GGUF file starts with everything that decides how memory is laid out. The header is fetched into a file as
long as the real one, the rest of which is a hole and takes no space; llama.cpp then plans without weights.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmpm import engine, gguf_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.engine import DryRun, EngineLimits, LoadPlan
    from lmpm.gguf_header import Header, ReadAt
    from lmpm.memory import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a model that is somewhere else: its name, its size, and how to read pieces of it."""

    name: str
    size: int
    read_at: ReadAt


def load_plan(settings: Settings) -> LoadPlan:
    """The engine's plan for the settings that memory is estimated at."""
    return engine.LoadPlan(
        context=settings.context,
        batch=settings.batch,
        ubatch=settings.ubatch,
        sequences=settings.sequences,
        unified=settings.unified,
        outputs=settings.outputs,
        kv_type=settings.kv_type,
        value_type=settings.value_type,
        flash_attention=settings.flash_attention,
        swa_full=settings.swa_full,
        gpu_layers=settings.gpu_layers,
        cpu_expert_layers=settings.expert_layers_on_cpu,
        repack=settings.repack != "none",
        embeddings=settings.embeddings,
    )


def dry_run(parts: Sequence[Part], plan: LoadPlan, limits: EngineLimits | None = None) -> DryRun:
    """How this machine's llama.cpp would spend memory on files that are not here; parts in load order.

    Raises IntegrityError when a header is none, EngineError when llama.cpp cannot plan with it.
    """
    with tempfile.TemporaryDirectory(prefix="lmpm-plan-") as folder:
        files = [sparse_copy(part, Path(folder)) for part in parts]
        if limits is None:
            return engine.dry_run(files[0], plan=plan)
        return engine.dry_run(files[0], plan=plan, limits=limits)


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
