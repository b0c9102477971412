"""The `/v2` routes, by which Ollama and older builds of llama.cpp pull."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tests.loopback.content import Bytes, Content
from tests.loopback.files import serve
from tests.loopback.message import Answer, Request, error, json_answer
from tests.loopback.repository import RepoFile, Repository

_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_MODEL: Final = "application/vnd.ollama.image.model"
_PROJECTOR: Final = "application/vnd.ollama.image.projector"


def manifest(request: Request, repository: Repository, tag: str) -> Answer:
    """The files of one quant, as a container image would list its layers."""
    models, projectors = _files(repository)
    model = _by_tag(models, tag)
    if model is None:
        message = 'The specified tag is not a valid quantization scheme. Please use another tag or "latest"'
        return json_answer({"error": message}, status=400)
    config = _config(model)
    layers = [_layer(model, _MODEL)] + [_layer(file, _PROJECTOR) for file in projectors[:1]]
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"digest": f"sha256:{config.sha256}", "mediaType": _CONFIG, "size": config.size},
        "layers": layers,
    }
    if request.headers.get("user-agent", "").startswith("llama-cpp"):
        document["ggufFile"] = _named(model)
        if projectors:
            document["mmprojFile"] = _named(projectors[0])
    return json_answer(document, headers={"Content-Type": _MANIFEST})


def blob(request: Request, repository: Repository, digest: str) -> Answer:
    """The bytes by digest. Ollama insists on a Location even where it is the address that it asked."""
    models, projectors = _files(repository)
    contents: list[Content] = [file.content for file in models + projectors]
    contents += [_config(file) for file in models]
    for content in contents:
        if f"sha256:{content.sha256}" == digest:
            etag = f'"{content.sha256}"'
            headers = {"ETag": etag, "Docker-Content-Digest": digest, "Location": request.path}
            return serve(request, content, headers)
    return error(404, "blob unknown", "EntryNotFound")


def _files(repository: Repository) -> tuple[list[RepoFile], list[RepoFile]]:
    """Models and projectors of `main`."""
    ggufs = [file for path, file in repository.files.items() if path.endswith(".gguf")]
    projectors = [file for file in ggufs if "mmproj" in file.path.lower()]
    return [file for file in ggufs if file not in projectors], projectors


def _by_tag(models: list[RepoFile], tag: str) -> RepoFile | None:
    wanted = ("Q4_K_M", "Q8_0", "") if tag == "latest" else (tag,)
    for quant in wanted:
        for model in models:
            if model.path == quant or re.search(rf"{re.escape(quant)}[.-]", model.path, re.IGNORECASE):
                return model
    return None


def _layer(file: RepoFile, media_type: str) -> dict[str, Any]:
    return {"digest": f"sha256:{file.content.sha256}", "mediaType": media_type, "size": file.size}


def _named(file: RepoFile) -> dict[str, Any]:
    sha256 = file.content.sha256
    lfs = {"sha256": sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return {"rfilename": file.path, "blobId": f"sha256:{sha256}", "size": file.size, "lfs": lfs}


def _config(model: RepoFile) -> Content:
    layers = {"type": "layers", "diff_ids": [f"sha256:{model.content.sha256}"]}
    document = {
        "model_format": "gguf", "model_family": "llama", "model_families": ["llama"], "model_type": "unknown",
        "file_type": "unknown", "architecture": "amd64", "os": "linux", "rootfs": layers,
    }  # fmt: skip
    return Bytes(json.dumps(document).encode())
