"""Which file a server on this machine has loaded, by what it says itself: so that its row can say `the same bytes`."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lmpm.errors import LmpmError
from lmpm.fs import hash_one, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.benchmark.target import Target

WAIT_S: Final = 3.0
MAX_BYTES: Final = 4 * 2**20
_BLOB: Final = re.compile(r"^FROM .*sha256-([0-9a-f]{64})\s*$", re.MULTILINE)


def served_digest(target: Target, size: int) -> str:
    """The sha256 of the model's file; empty where the server is elsewhere or does not say which it is.

    A file that has not `size` bytes is another one, and is not read.

    llama-server names it in `/props` (llama.cpp, tools/server/README.md), llama_cpp.server as the id of a model unless
    it has an alias, Ollama by its sha256 in the Modelfile of `/api/show` (ollama, docs/api.md).
    """
    if urlsplit(target.base_url).hostname not in rules.LOOPBACK:
        return ""
    root = target.base_url.removesuffix("/v1")
    shown = _ask(target, f"{root}/api/show", {"model": target.model})
    if found := _BLOB.search(str(shown.get("modelfile"))):
        return found[1]
    for place in _named(_ask(target, f"{root}/props"), _ask(target, f"{target.base_url}/models")):
        path = Path(place)
        try:
            if path.is_absolute() and path.is_file() and path.stat().st_size == size:
                return hash_one(path).sha256
        except (OSError, ValueError, LmpmError):
            continue
    return ""


def _named(props: dict[str, Any], models: dict[str, Any]) -> Iterator[str]:
    yield str(props.get("model_path") or "")
    listed = models.get("data")
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], dict):
        yield str(listed[0].get("id") or "")


def _ask(target: Target, url: str, body: object = None) -> dict[str, Any]:
    """What a server says at a URL; nothing where it says none."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {target.key}"} if target.key else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310 http of this machine
            found = json.loads(answer.read(MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
