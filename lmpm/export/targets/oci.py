"""An OCI image layout as a directory, for registries and Kubernetes image volumes: a ModelPack of the CNCF.

Layers are `raw`, so that the digest of a layer is the sha256 of the file, the one that the lock has. Specifications:
github.com/opencontainers/image-spec image-layout.md, github.com/modelpack/model-spec docs/spec.md and config.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from lmpm.export.record import Export, Link, Text
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "oci"
SUMMARY: Final = "An OCI image layout (CNCF ModelPack); push it with `oras cp --from-oci-layout` or `skopeo copy`"
OPTIONS: Final[Mapping[str, str]] = {"tag": "of the image in the layout, latest unless said"}

_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_ARTIFACT: Final = "application/vnd.cncf.model.manifest.v1+json"
_CONFIG: Final = "application/vnd.cncf.model.config.v1+json"
_WEIGHT: Final = "application/vnd.cncf.model.weight.v1.raw"
_PATH: Final = "org.cncf.model.filepath"
_TAG: Final = "org.opencontainers.image.ref.name"


def plan(job: Job) -> Export:
    """The layout in a directory of its own; `index.json` comes last."""
    links = tuple(Link(f"blobs/sha256/{file.sha256}", path, file.size, file.sha256 or "") for file, path in job.files)
    config = Text("", json.dumps(_config(job), sort_keys=True).encode())
    manifest = Text("", json.dumps(_manifest(job, config), sort_keys=True).encode())
    tag = job.option("tag", "latest", r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", "a tag of an image")
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [_described(_MANIFEST, manifest) | {"artifactType": _ARTIFACT, "annotations": {_TAG: tag}}],
    }
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-oci",
        links=links,
        texts=(
            Text(f"blobs/sha256/{config.sha256}", config.data),
            Text(f"blobs/sha256/{manifest.sha256}", manifest.data),
            Text("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
            Text("index.json", json.dumps(index, sort_keys=True).encode()),
        ),
        notes=(f"manifest sha256:{manifest.sha256}",),
    )


def _config(job: Job) -> dict[str, Any]:
    subject = job.subject
    descriptor: dict[str, Any] = {"name": subject.title}
    if subject.license and subject.license != "unknown":
        descriptor["licenses"] = [subject.license]
    source = subject.rung.candidate.source if subject.rung else None
    if isinstance(source, HubSource):
        descriptor |= {"sourceURL": f"https://huggingface.co/{source.repo}", "revision": source.revision}
    settings = {"format": "gguf", "quantization": subject.quant}
    if subject.rung and subject.rung.candidate.architecture:
        settings["architecture"] = "transformer"
    return {
        "descriptor": descriptor,
        "config": {name: value for name, value in settings.items() if value},
        "modelfs": {"type": "layers", "diffIds": [f"sha256:{file.sha256}" for file, _ in job.files]},
    }


def _manifest(job: Job, config: Text) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "artifactType": _ARTIFACT,
        "config": _described(_CONFIG, config),
        "layers": [
            {
                "mediaType": _WEIGHT,
                "digest": f"sha256:{file.sha256}",
                "size": file.size,
                "annotations": {_PATH: file.path.rpartition("/")[2]},
            }
            for file, _ in job.files
        ],
    }


def _described(kind: str, text: Text) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{text.sha256}", "size": len(text.data)}
