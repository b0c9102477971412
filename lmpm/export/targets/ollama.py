"""Ollama: the locked bytes as a blob of its store, and a manifest that names them.

`ollama create` sends a GGUF through llama-quantize, so that other bytes than the locked ones may lie there afterwards
(since its commit 9db4bdbad). So the blob is linked, the small layers are written beside it, and the manifest comes
last: Ollama reads it when it is asked for the model. Places and media types: ollama/ollama, manifest/ and server/.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import ExportError, SpecError
from lmpm.export.record import Export, Link, Text
from lmpm.gguf import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lmpm.export.record import Job
    from lmpm.gguf import Header

NAME: Final = "ollama"
SUMMARY: Final = "A model in Ollama's store that is the locked file itself: `ollama run NAME`"
OPTIONS: Final[Mapping[str, str]] = {"as": "the name and tag in Ollama, such as sql:latest"}

_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_LAYER: Final = "application/vnd.ollama.image."
_NAME: Final = re.compile(
    r"(?:([A-Za-z0-9_-]{1,80})/)?([A-Za-z0-9_][A-Za-z0-9_.-]{0,79})(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,79}))?"
)
MAX_MANIFESTS: Final = 10_000
# What `ollama create` sets by the architecture of a GGUF: renderer and parser, and a stop (its server/create.go).
BUILT_IN: Final[Mapping[str, str]] = {
    "gemma4": "gemma4",
    "laguna": "laguna",
    "nemotron_h": "nemotron-3-nano",
    "nemotron_h_moe": "nemotron-3-nano",
    "nemotron_h_omni": "nemotron-3-nano",
}
STOPS: Final[Mapping[str, tuple[str, ...]]] = {"gemma4": ("<turn|>",)}


def plan(job: Job) -> Export:
    """The blobs and the manifest. Raises ExportError for a model in shards, of which Ollama loads only one."""
    models = [pair for pair in job.files if pair[0].role == "model"]
    if len(models) > 1:
        raise ExportError(
            f"Ollama loads one file, `{job.name}` is locked as {len(models)} shards",
            hint="Serve it with `lmpm export llama.cpp`, or pin a variant of one file with `lmpm install --quant`",
        )
    namespace, model, tag = _name(job.options.get("as") or job.name)
    links = [Link(f"blobs/sha256-{file.sha256}", path, file.size, file.sha256 or "") for file, path in job.files]
    layers = [
        {"mediaType": _LAYER + ("projector" if file.role == "mmproj" else "model"),
         "digest": f"sha256:{file.sha256}", "size": file.size}
        for file, _ in job.files
    ]  # fmt: skip
    header = read_file(models[0][1])
    small = list(_small(job, header.architecture))
    texts = [Text("", data) for data in (_config(job, header), *(data for _, data in small))]
    config = texts[0]
    layers += [_described(_LAYER + kind, text) for (kind, _), text in zip(small, texts[1:], strict=True)]
    manifest = {
        "schemaVersion": 2, "mediaType": _MANIFEST, "config": _described(_CONFIG, config), "layers": layers,
    }  # fmt: skip
    path = f"manifests/registry.ollama.ai/{namespace}/{model}/{tag}"
    shown = model if namespace == "library" else f"{namespace}/{model}"
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.places["ollama"],
        links=tuple(links),
        texts=(
            *(Text(f"blobs/sha256-{text.sha256}", text.data) for text in texts),
            Text(path, json.dumps(manifest, separators=(",", ":")).encode()),
        ),
        notes=(f"ollama run {shown}" + ("" if tag == "latest" else f":{tag}"),),
    )


def used(place: Path, own: str) -> set[str]:
    """Paths of blobs that other manifests than `own` name."""
    found: set[str] = set()
    for number, path in enumerate((place / "manifests").glob("*/*/*/*")):
        if number >= MAX_MANIFESTS:
            break
        if path.relative_to(place).as_posix() == own:
            continue
        try:
            document = json.loads(path.read_bytes())
            parts = [document.get("config") or {}, *(document.get("layers") or ())]
            found |= {f"blobs/{part['digest'].replace(':', '-')}" for part in parts if "digest" in part}
        except (OSError, ValueError, TypeError, AttributeError):
            continue
    return found


def _name(asked: str) -> tuple[str, str, str]:
    found = _NAME.fullmatch(asked)
    if not found:
        raise SpecError(
            f"`{asked}` is not a name that Ollama takes: letters, digits, `_`, `.` and `-`, with a tag after `:`",
            hint="Give it another one with `--option as=NAME`",
        )
    return found[1] or "library", found[2], found[3] or "latest"


def _config(job: Job, header: Header) -> bytes:
    """The settings layer. `renderer` and `parser` are those that `ollama create` sets for these architectures."""
    family = header.architecture or "unknown"
    elements = sum(tensor.elements for tensor in header.tensors)
    settings: dict[str, Any] = {
        "model_format": "gguf",
        "model_family": family,
        "model_families": [family],
        "model_type": f"{elements / 1e9:.1f}B" if elements >= 1e9 else f"{elements / 1e6:.2f}M",
        "file_type": job.subject.quant or header.quant() or "unknown",
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{file.sha256}" for file, _ in job.files]},
    }
    if family in BUILT_IN and not job.subject.recipe.raw:
        settings |= {"renderer": BUILT_IN[family], "parser": BUILT_IN[family]}
    return json.dumps(settings, sort_keys=True).encode()


def _small(job: Job, family: str) -> Iterator[tuple[str, bytes]]:
    """The layers that are texts. There is no template but for a model without one: the file's own is used."""
    recipe = job.subject.recipe
    if recipe.writes:
        if recipe.raw:
            yield "template", b"{{ .Prompt }}"
        elif recipe.system and "{" not in recipe.system:
            yield "system", recipe.system.encode()
    if job.subject.license:
        yield "license", job.subject.license.encode()
    yield "params", json.dumps(_params(job, family), sort_keys=True).encode()


def _params(job: Job, family: str) -> dict[str, Any]:
    recipe = job.subject.recipe
    found: dict[str, Any] = {"num_ctx": job.config.context}
    if not recipe.writes:
        return found
    found |= {"temperature": recipe.sampling.temperature, "num_predict": recipe.longest}
    steps = {"top_p": recipe.sampling.top_p, "top_k": recipe.sampling.top_k, "min_p": recipe.sampling.min_p}
    found |= {name: value for name, value in steps.items() if value is not None}
    stops = recipe.stop or (() if recipe.raw else STOPS.get(family, ()))
    return found | ({"stop": list(stops)} if stops else {})


def _described(kind: str, text: Text) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(text.data).hexdigest()}", "size": len(text.data)}
