"""llama.cpp itself: a command line, and a preset for the router of `llama-server`.

Flags and keys as llama-server documents them (tools/server/README.md); `--models-preset` reads INI whose keys are long
flags without dashes. The model is named by its path in the store, never by `hf`, which would look it up anew.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from lmpm.engine import csv_row
from lmpm.errors import SpecError
from lmpm.export.record import Export, Link, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "llama.cpp"
SUMMARY: Final = "A `llama-server` command line; with `--to FILE.ini` a preset for its router"
OPTIONS: Final[Mapping[str, str]] = {"slots": "answers at once, each with the whole context; 1"}


def plan(job: Job) -> Export:
    """The command line on stdout, and where a place is named, the preset there."""
    flags = settings(job)
    words = ["llama-server", *(word for key, value in flags.items() for word in _words(key, value))]
    notes = []
    if job.subject.recipe.stop:
        notes.append(f"stop strings go with each request: {json.dumps(list(job.subject.recipe.stop))}")
    refers = tuple(_stored(link) for link in (*job.links(), *_adapters(job)))
    shown = shlex.join(words)
    if job.place is None:
        return Export(target=NAME, name=job.name, place=job.current, refers=refers, shown=shown, notes=tuple(notes))
    if job.place.is_dir():
        raise SpecError(f"`{job.place}` is a directory, expected a file", hint="As in `--to preset.ini`")
    text = Text(job.place.name, preset({job.name: flags}).encode())
    return Export(
        target=NAME, name=job.name, place=job.place.parent, texts=(text,), refers=refers, shown=shown,
        notes=tuple(notes),
    )  # fmt: skip


def settings(job: Job) -> dict[str, str]:
    """How llama-server is told to run the model as it was planned: long flags, empty for those without a value."""
    config, recipe, files = job.config, job.subject.recipe, job.subject.files
    flags = {"model": str(files.model)}
    if files.mmproj:
        flags["mmproj"] = str(files.mmproj)
    if files.adapters:
        flags["lora"] = csv_row(list(map(str, files.adapters)))
    flags["alias"] = job.name
    flags["ctx-size"] = str(config.context)
    flags["parallel"] = str(config.sequences)
    if config.gpu_layers is not None:
        flags["n-gpu-layers"] = str(config.gpu_layers)
    if config.expert_layers_on_cpu:
        flags["n-cpu-moe"] = str(config.expert_layers_on_cpu)
    if recipe.kind == "embed":
        flags["embeddings"] = ""
    if recipe.kind == "rerank":
        flags["reranking"] = ""
    if config.pooling:
        flags["pooling"] = config.pooling
    if recipe.writes:
        flags |= _sampling(job)
    return flags


def _adapters(job: Job) -> list[Link]:
    """The files of the adapters, which the text names by path."""
    rung = job.subject.rung
    pinned = rung.candidate.adapters if rung else ()
    return [
        Link(item.file.path, path, item.size, item.file.sha256 or "")
        for item, path in zip(pinned, job.subject.files.adapters, strict=True)
    ]


def _sampling(job: Job) -> dict[str, str]:
    recipe = job.subject.recipe
    found = {"temp": f"{recipe.sampling.temperature:g}"}
    if recipe.sampling.is_greedy:
        found["top-k"] = "1"
    elif recipe.sampling.top_k is not None:
        found["top-k"] = str(recipe.sampling.top_k)
    if recipe.sampling.top_p is not None:
        found["top-p"] = f"{recipe.sampling.top_p:g}"
    if recipe.sampling.min_p is not None:
        found["min-p"] = f"{recipe.sampling.min_p:g}"
    if recipe.mode:
        found["chat-template-kwargs"] = json.dumps({"enable_thinking": recipe.mode == "thinking"})
    return found


def preset(models: Mapping[str, Mapping[str, str]]) -> str:
    """A preset for `llama-server --models-preset`, a section a model."""
    lines = ["version = 1"]
    for name, flags in models.items():
        lines += ["", f"[{name}]", *(f"{key} = {value or 'true'}" for key, value in flags.items() if key != "alias")]
    return "\n".join(lines) + "\n"


def _words(key: str, value: str) -> list[str]:
    return [f"--{key}", value] if value else [f"--{key}"]


def _stored(link: Link) -> Link:
    """A file as the store knows it: the folder of its repository, and its digest."""
    resolved = link.origin.parents
    folder = next((parent.name for parent in resolved if parent.name.startswith("models--")), "")
    return Link(folder, link.origin, link.size, link.sha256)
