"""WebLLM: the MLC twin as a static folder, with an AppConfig whose integrity holds what WebLLM can check.

WebLLM checks the settings, the tokenizer and the compiled library by SRI (`ModelIntegrity` of @mlc-ai/web-llm 0.2.86),
not the weights: these are hashed when they are put there, and by `--check`. The library of an architecture is published
on a branch, which pins nothing, so it is given as a file and lies in the folder.
"""

from __future__ import annotations

import base64
import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lmpm.errors import ExportError, SpecError
from lmpm.export.record import Export, Text
from lmpm.fs import disk_errors
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "webllm"
SUMMARY: Final = "The MLC twin for WebLLM (WebGPU), pinned in the lock; `browser` runs the GGUF file itself"
OPTIONS: Final[Mapping[str, str]] = {
    "lib": "FILE.wasm, the library that MLC compiled for this architecture; needed",
    "twin": "ORG/REPO[@COMMIT] whose card names the same base model",
    "url": "where the folder will be served; http://127.0.0.1:8000 unless said",
}
MAX_LIB_BYTES: Final = 128 * 2**20
URL: Final = "http://127.0.0.1:8000"
TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model")


def plan(job: Job) -> Export:
    """The folder. Raises ExportError without a library, SpecError for what is not one."""
    if job.twin is None:
        raise ValueError("WebLLM needs a twin")
    twin = job.twin.twin
    folder, lib = f"model/resolve/{twin.source.revision}/", _library(job)
    config = {"model_list": [_record(job, folder, lib)], "cacheBackend": "opfs"}
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-webllm",
        links=job.twin_links(folder),
        texts=(lib, Text("app-config.json", json.dumps(config, indent=1).encode())),
        notes=(
            f"twin {twin.source}, {human(twin.size)}, {twin.license}: its answers are not those of the GGUF file",
            "WebLLM checks the library, settings and tokenizer; the weights are checked here: `lmpm export --check`",
            f"serve the folder at {_url(job)}; then CreateMLCEngine({json.dumps(job.name)}, {{appConfig}})",
        ),
    )


def _library(job: Job) -> Text:
    given = job.options.get("lib")
    if not given:
        raise ExportError(
            "WebLLM needs the library that MLC compiled for this architecture, and it is published on a branch",
            hint="Download it and name it with `--option lib=FILE.wasm`; `lmpm export browser` runs this very file",
        )
    path = job.current / given
    if not path.is_file():
        raise SpecError(f"`{given}` is not a file")
    with disk_errors(path, "read"), path.open("rb") as file:
        data = file.read(MAX_LIB_BYTES + 1)
    if data[:4] != b"\0asm" or len(data) > MAX_LIB_BYTES:
        raise SpecError(f"`{given}` is not a WebAssembly file of at most {human(MAX_LIB_BYTES)}")
    return Text("lib.wasm", data)


def _record(job: Job, folder: str, lib: Text) -> dict[str, Any]:
    """A ModelRecord of WebLLM's AppConfig."""
    hashes = {PurePosixPath(link.path).name: link.sha256 for link in job.twin_links(folder)}
    return {
        "model": f"{_url(job)}/{folder}",
        "model_id": job.name,
        "model_lib": f"{_url(job)}/{lib.path}",
        "overrides": {"context_window_size": job.config.context},
        "integrity": {
            "config": _integrity(hashes["mlc-chat-config.json"]),
            "model_lib": _integrity(lib.sha256),
            "tokenizer": {name: _integrity(hashes[name]) for name in TOKENIZERS if name in hashes},
            "onFailure": "error",
        },
    }


def _integrity(sha256: str) -> str:
    """A hash as browsers write it (w3.org/TR/SRI)."""
    return "sha256-" + base64.b64encode(bytes.fromhex(sha256)).decode()


def _url(job: Job) -> str:
    url = (job.options.get("url") or URL).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise SpecError(f"`url={url}` is not a URL, as in https://example.org/models")
    return url
