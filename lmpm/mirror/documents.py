"""The JSON of the Hub's API, as far as a lock and the files themselves say it.

Shapes as `huggingface_hub` 2.4, llama.cpp's `-hf` and Ollama read them: `siblings[].lfs.sha256` in a repository's page
and `lfs.oid` in a tree are the same fact, and both must be the ETag of the bytes, or clients keep two copies.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lmpm.mirror.contents import MirroredFile, MirroredRepository

LONG_AGO: Final = "1970-01-01T00:00:00.000Z"  # a lock has no dates, and clients demand some
MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE: Final = "application/vnd.ollama.image."
_USUAL_TAGS: Final = ("Q4_K_M", "Q8_0", "")  # what `latest` means for llama.cpp and the Hub


def page(repository: MirroredRepository, commit: str, names: Iterable[str] = (), *, blobs: bool) -> dict[str, Any]:
    """A repository at a commit; `names` are the fields of it that were asked for, none: all."""
    author, _, _ = repository.id.partition("/")
    files = repository.commits[commit]
    whole: dict[str, Any] = {
        "_id": repository.identity,
        "id": repository.id,
        "modelId": repository.id,
        "author": author,
        "sha": commit,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": ["gguf", f"license:{repository.license}"],
        "pipeline_tag": None,
        "library_name": "gguf",
        "createdAt": LONG_AGO,
        "lastModified": LONG_AGO,
        "cardData": {"license": repository.license},
        "siblings": [_sibling(file, blobs=blobs) for file in files.values()],
        "usedStorage": sum(file.file.size for file in files.values()),
        "gguf": _facts(files.values()),
    }
    wanted = {"_id", "id", *names} if names else whole.keys()
    return {name: value for name, value in whole.items() if name in wanted}


def tree(files: Mapping[str, MirroredFile], folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """The entries below a folder: those of its own level, or all."""
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    below = {path: file for path, file in files.items() if path.startswith(prefix)}
    folders = {path[:at] for path in below for at, letter in enumerate(path) if letter == "/" and at >= len(prefix)}
    entries = [entry(file) for file in below.values()]
    entries += [{"type": "directory", "oid": _folder_id(name, below), "size": 0, "path": name} for name in folders]
    depth = prefix.count("/")
    shown = [item for item in entries if recursive or item["path"].count("/") == depth]
    return sorted(shown, key=lambda item: (item["type"], item["path"]))


def entry(file: MirroredFile) -> dict[str, Any]:
    """A file in a tree."""
    lfs = {"oid": file.sha256, "size": file.file.size, "pointerSize": len(file.pointer)}
    return {"type": "file", "oid": file.blob_id, "size": file.file.size, "path": file.file.path, "lfs": lfs}


def refs(repository: MirroredRepository) -> dict[str, Any]:
    """The one branch; clients demand the other lists, empty as they are."""
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.main}
    return {"branches": [main], "converts": [], "tags": []}


def manifest(repository: MirroredRepository, tag: str, *, named: bool) -> dict[str, Any] | None:
    """What Ollama pulls for a quant: a model, and its vision encoder; None without a file of it.

    `named` adds the names of the files, as builds of llama.cpp before March 2026 read them.
    """
    files = repository.commits[repository.main].values()
    models = [file for file in files if file.file.role == "model"]
    encoders = [file for file in files if file.file.role == "mmproj"]
    model = _by_tag(models, tag)
    if model is None:
        return None
    settings = config(model)
    layers = [_layer(model, "model"), *(_layer(file, "projector") for file in encoders[:1])]
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "digest": f"sha256:{hashlib.sha256(settings).hexdigest()}",
            "mediaType": _CONFIG_TYPE,
            "size": len(settings),
        },
        "layers": layers,
    }
    if named:
        document["ggufFile"] = _named(model)
        document |= {"mmprojFile": _named(encoders[0])} if encoders else {}
    return document


def config(model: MirroredFile) -> bytes:
    """The settings layer of an image of Ollama's."""
    header = model.header
    family = header.architecture if header else "unknown"
    quant = header.quant() if header else None
    return json.dumps(
        {
            "model_format": "gguf",
            "model_family": family,
            "model_families": [family],
            "model_type": "unknown",
            "file_type": quant or "unknown",
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{model.sha256}"]},
        },
        sort_keys=True,
    ).encode()


def _by_tag(models: list[MirroredFile], tag: str) -> MirroredFile | None:
    """The file that a tag means: a quant in any case, or a whole name."""
    for quant in _USUAL_TAGS if tag == "latest" else (tag,):
        for model in models:
            if model.file.path == quant or re.search(rf"{re.escape(quant)}[.-]", model.file.path, re.IGNORECASE):
                return model
    return None


def _layer(file: MirroredFile, kind: str) -> dict[str, Any]:
    return {"digest": f"sha256:{file.sha256}", "mediaType": _LAYER_TYPE + kind, "size": file.file.size}


def _named(file: MirroredFile) -> dict[str, Any]:
    lfs = {"sha256": file.sha256, "size": file.file.size, "pointerSize": len(file.pointer)}
    return {"rfilename": file.file.path, "blobId": f"sha256:{file.sha256}", "size": file.file.size, "lfs": lfs}


def _sibling(file: MirroredFile, *, blobs: bool) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": file.file.path}
    if blobs:
        lfs = {"sha256": file.sha256, "size": file.file.size, "pointerSize": len(file.pointer)}
        sibling |= {"blobId": file.blob_id, "size": file.file.size, "lfs": lfs}
    return sibling


def _folder_id(name: str, files: Mapping[str, MirroredFile]) -> str:
    text = "\n".join(f"{path} {file.sha256}" for path, file in files.items() if path.startswith(f"{name}/"))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _facts(files: Iterable[MirroredFile]) -> dict[str, Any]:
    """What the Hub reads from the header of a repository's first model."""
    header = next((file.header for file in files if file.file.role == "model" and file.header), None)
    if header is None:
        return {}
    facts: dict[str, Any] = {
        "total": sum(tensor.elements for tensor in header.tensors),
        "architecture": header.architecture,
        "context_length": header.integer("context_length"),
    }
    return facts | {"chat_template": header.template} if header.template else facts
