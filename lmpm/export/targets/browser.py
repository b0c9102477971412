"""A static folder that runs this very GGUF in a browser: a page, wllama (llama.cpp in WebAssembly), and the file.

wllama: github.com/ngxson/wllama. The page hashes the file before it is loaded, and its Content Security Policy lets it
talk to nobody but its own origin, and to a `bridge` where one is named. It has to come over HTTP: browsers do not load
modules from `file:`.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lmpm.errors import ExportError, SpecError
from lmpm.export import wllama
from lmpm.export.record import Export, Link, Text
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job
    from lmpm.types import ModelFile

NAME: Final = "browser"
SUMMARY: Final = "A static folder: a page that runs this very file in the browser, with nothing from elsewhere"
OPTIONS: Final[Mapping[str, str]] = {
    "bridge": "base URL of an OpenAI-compatible server that answers until the model is there",
    "bridge-model": "its model; the name of this one unless said",
    "wllama": "npm package of wllama as a file, instead of npm's registry",
    "threads": "with COOP and COEP headers; 1 unless said",
    "gpu": "yes: WebGPU where the browser has it",
}
MAX_MODEL_BYTES: Final = 2 * 2**30  # what wllama advises; its memory ends at 4 GiB, with the KV cache in it
PAGE: Final = Path(__file__).parents[1] / "page"
NAMES: Final = ("sha256.js", "page.js", "style.css")
LABELS: Final = {"prompt": "Your message", "schema": "Schema (CREATE TABLE …)", "question": "Question", "text": "Text"}


def plan(job: Job) -> Export:
    """The folder. Raises ExportError for a model that is too large, is in pieces, or does not write."""
    file, path = weights(job)
    bridge = _bridge(job)
    index = (PAGE / "index.html").read_text("utf-8")
    index = index.replace("{{csp}}", _policy(bridge)).replace("{{title}}", html.escape(job.subject.title))
    settings = json.dumps(_settings(job, file.size, file.sha256 or "", bridge), indent=1, ensure_ascii=False)
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-browser",
        links=(Link("model.gguf", path, file.size, file.sha256 or ""),),
        texts=(
            *(Text(name, data) for name, data in sorted(job.assets.items())),
            *(Text(name, (PAGE / name).read_bytes()) for name in NAMES),
            Text("model.json", settings.encode()),
            Text("index.html", index.encode()),
        ),
        notes=("serve it with `--serve`, or with anything that serves files; it does not open as file:",),
    )


def weights(job: Job) -> tuple[ModelFile, Path]:
    """The one file that a browser can run. Raises ExportError."""
    found = [(file, path) for file, path in job.files if file.role == "model"]
    if job.subject.recipe.kind not in ("chat", "complete"):
        raise ExportError(f"The page asks and answers in words, `{job.name}` does not", hint="Serve it: `lmpm serve`")
    if len(found) > 1:
        raise ExportError(f"`{job.name}` is locked in {len(found)} pieces, and the page loads one file")
    file, path = found[0]
    if file.size > MAX_MODEL_BYTES:
        raise ExportError(
            f"`{job.name}` has {human(file.size)}, a browser holds {human(MAX_MODEL_BYTES)}",
            hint="Pin a smaller variant with `lmpm install --max-size 2GB`, or serve it: `lmpm serve`",
        )
    return file, path


def assets(job_options: Mapping[str, str], current: Path, home: Path, http: Any) -> dict[str, bytes]:
    """The files of wllama. Raises IntegrityError, MissingFilesError, NetworkError."""
    package = job_options.get("wllama")
    if package and not (current / package).is_file():
        raise SpecError(f"`{package}` is not a file")
    return wllama.load(home, http, current / package if package else None)


def _bridge(job: Job) -> str:
    bridge = (job.options.get("bridge") or "").rstrip("/")
    if not bridge:
        return ""
    parts = urlsplit(bridge)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or set(bridge) & set("'\"; \n")
    ):
        raise SpecError(f"`{bridge}` is not the base URL of a server, such as http://127.0.0.1:8420/v1")
    return bridge


def _policy(bridge: str) -> str:
    """Nobody but the page's own origin, and the bridge."""
    parts = urlsplit(bridge)
    beyond = f" {parts.scheme}://{parts.netloc}" if bridge else ""
    return (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; "
        f"connect-src 'self' blob: data:{beyond}; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _settings(job: Job, size: int, sha256: str, bridge: str) -> dict[str, Any]:
    """What the page reads: the file by its hash, and the recipe."""
    recipe, sampling = job.subject.recipe, job.subject.recipe.sampling
    steps = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
    }
    steps |= {"top_k": 1} if sampling.is_greedy else {}
    threads = job.options.get("threads") or "1"
    if not threads.isdecimal() or not 1 <= int(threads) <= 64:
        raise SpecError(f"`threads={threads}` is not a number from 1 to 64")
    return {
        "name": job.name,
        "title": f"{job.subject.title} {job.subject.quant}".strip(),
        "license": job.subject.license,
        "path": "model.gguf",
        "size": size,
        "sha256": sha256,
        "context": job.config.context,
        "threads": int(threads),
        "gpu": job.options.get("gpu") == "yes",
        "inputs": [
            {
                "name": it.name,
                "label": LABELS.get(it.name, it.name.capitalize()),
                "main": it.main,
                "required": it.required,
            }
            for it in recipe.inputs
            if not it.is_image
        ],
        "system": recipe.system,
        "user": recipe.user,
        "system_role": recipe.system_role,
        "raw": recipe.raw,
        "conversation": recipe.kind == "chat" and not recipe.raw and len(recipe.inputs) == 1,
        "stop": list(recipe.stop),
        "max_tokens": recipe.longest,
        "thinking": recipe.mode == "thinking" if recipe.mode else None,
        "sampling": {name: value for name, value in steps.items() if value is not None},
        "bridge": bridge,
        "bridge_model": job.options.get("bridge-model") or job.name,
    }
