"""vLLM: settings for `vllm serve --config`, for the safetensors twin at its commit; vLLM does not run this GGUF file.

The twin lies in the Hugging Face cache, where vLLM looks for it. Keys are long options without dashes (vLLM,
docs/configuration/serve_args.md). Programs of the repository are not among the pinned files and are not run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import SpecError
from lmpm.export.record import HOST, Export, Text
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "vllm"
SUMMARY: Final = "Settings for `vllm serve --config`, and the safetensors twin at its commit, pinned in the lock"
OPTIONS: Final[Mapping[str, str]] = {
    "twin": "ORG/REPO[@COMMIT] with safetensors of the same base model; the base model itself unless said",
    "host": "127.0.0.1 unless said",
    "port": "8000 unless said",
}


def plan(job: Job) -> Export:
    """The settings; the twin is named by repository and commit, and kept in the store."""
    if job.twin is None:
        raise ValueError("vLLM needs a twin")
    twin = job.twin.twin
    settings = _settings(job)
    note = f"# {twin.source.repo} at this commit, {human(twin.size)}: the twin of a GGUF file, not the same bits\n"
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.items()]
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-vllm",
        texts=(Text("vllm.yaml", "".join((note, *lines)).encode()),),
        refers=job.twin_refers(),
        notes=(
            f"twin {twin.source}, {human(twin.size)}, {twin.license}: its answers are not those of the GGUF file",
            "HF_HUB_OFFLINE=1 vllm serve --config vllm.yaml",
        ),
    )


def _settings(job: Job) -> dict[str, Any]:
    if job.twin is None:
        raise ValueError("vLLM needs a twin")
    source, recipe = job.twin.twin.source, job.subject.recipe
    port = job.options.get("port") or "8000"
    if not (port.isascii() and port.isdecimal()) or not 1 <= int(port) <= 65535:
        raise SpecError(f"`port={port}` is not a number from 1 to 65535")
    found: dict[str, Any] = {
        "model": source.repo,
        "revision": source.revision,
        "tokenizer-revision": source.revision,
        "load-format": "safetensors",
        "served-model-name": job.name,
        "host": job.option("host", "127.0.0.1", HOST, "a host name or an address"),
        "port": int(port),
        "max-model-len": job.config.context,
    }
    if recipe.writes:
        sampling = recipe.sampling
        steps = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k,
                 "min_p": sampling.min_p}  # fmt: skip
        told = {key: value for key, value in steps.items() if value is not None}
        found["override-generation-config"] = json.dumps(told)
    if recipe.mode:
        found["default-chat-template-kwargs"] = json.dumps({"enable_thinking": recipe.mode == "thinking"})
    return found
