"""What the hub serves by hand: the catalog's repositories with small stand-ins behind the real file names."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.catalog.schema.smoke import EmbeddingCase
from tests.gguf_files import CHAT_TEMPLATE, write_bert, write_llama, write_projector
from tests.loopback.content import Bytes, Content, File, Overlay
from tests.loopback.server import LoopbackHub

Kind = Literal["text", "text-to-sql", "embedding", "mmproj"]

_NAME: Final = "stand-in".ljust(96, ".")  # as long as the names that are written over it
_SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


def add_demo_repositories(hub: LoopbackHub) -> int:
    """Fill a hub and return how many repositories it then has."""
    for repo_id, files, facts in _from_catalog() or _by_hand():
        hub.add_repo(repo_id, files, **facts)
    return len(hub.state.repositories)


def stand_in(path: str, kind: Kind = "text") -> Content:
    """A small model that llama.cpp runs, made to differ from every other by its name."""
    shard = _SHARD.search(path)
    number, shards = (int(shard[1]), int(shard[2])) if shard else (1, 1)
    return _named(_templates(kind, shards)[number - 1], path)


@cache
def _templates(kind: Kind, shards: int) -> list[Content]:
    starter = _starter()
    if kind == "text-to-sql" and shards == 1 and starter is not None:
        return [File(starter)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stand-in.gguf")
        if kind == "embedding":
            files = [write_bert(path, name=_NAME, meanings=_meanings())]
        elif kind == "mmproj":
            files = [write_projector(path, name=_NAME)]
        else:
            files = write_llama(path, name=_NAME, shards=shards, chat_template=CHAT_TEMPLATE, context=4096)
        return [Bytes(file.read_bytes()) for file in files]


def _named(template: Content, path: str) -> Content:
    """Write over `general.name`, in its length; shards after the first have none."""
    head = template.read(0, min(template.size, 1 << 16))
    key = b"general.name" + (8).to_bytes(4, "little")  # 8 = a string follows
    at = head.find(key) + len(key)
    if at < len(key):
        return template
    length = int.from_bytes(head[at : at + 8], "little")
    digest = hashlib.sha256(path.encode()).hexdigest()[:12]
    name = f"{digest} stands in for {path}".encode("ascii", "replace")[:length].ljust(length, b".")
    return Overlay(template, at + 8, name)


@cache
def _catalog() -> Catalog:
    return catalog.load(catalog.directory())


def _starter() -> Path | None:
    """The model shipped with the project: with it as the stand-in, text-to-sql smoke tests pass."""
    return next((catalog.directory() / "starter").glob("text-to-sql*.gguf"), None)


def _meanings() -> list[list[str]]:
    """Groups of words with which the embedding smoke tests of the catalog pass."""
    groups: list[list[str]] = []
    taken: set[str] = set()
    for task in _catalog().tasks:
        for case in task.smoke.cases:
            if isinstance(case, EmbeddingCase):
                for text in (case.far, f"{case.anchor} {case.near}"):
                    words = sorted(set(re.findall(r"[a-z]{4,}", text.lower())) - taken)
                    taken.update(words)
                    groups.append(words)
    # words that a model is told beside a text say nothing of its meaning
    embeddings = [model.embedding for model in _catalog().models if model.embedding is not None]
    told = {prefix for item in embeddings for prefix in (item.query_prefix, item.document_prefix)}
    return [*groups, sorted(set(re.findall(r"[a-z]{4,}", " ".join(told).lower())) - taken)]


def _from_catalog() -> list[tuple[str, dict[str, Content], dict[str, Any]]]:
    """Every repository of the catalog; several models may share one."""
    repositories: dict[str, tuple[str, dict[str, Content], dict[str, Any]]] = {}
    models = _catalog().models
    for rank, model in enumerate(models):
        answers_sql = any(score.task == "text-to-sql" for score in model.scores)
        kind: Kind = "text-to-sql" if answers_sql else "text"
        kind = "embedding" if model.embedding is not None else kind
        for repo in model.repos:
            facts = {
                "downloads": 1000 * (len(models) - rank),
                "gated": "auto" if repo.gated else False,
                "pipeline_tag": "feature-extraction" if kind == "embedding" else "text-generation",
                "card_data": {
                    "license": model.license,
                    "base_model": [model.base_model or f"{model.publisher}/{model.title}"],
                },
                "gguf": {
                    "total": model.parameters,
                    "architecture": model.architecture,
                    "context_length": model.context_length,
                },
            }
            _, files, _ = repositories.setdefault(repo.id, (repo.id, {"README.md": Bytes(b"")}, facts))
            for file in repo.files:
                for path in _all_shards(file.path):
                    files[path] = stand_in(path, "mmproj" if file.role == "mmproj" else kind)
    return list(repositories.values())


def _by_hand() -> Iterator[tuple[str, dict[str, Content], dict[str, Any]]]:
    """A few repositories for a checkout without a catalog."""
    quants = ("Q4_K_M", "Q5_K_M", "Q8_0")
    for author, model, kind in (
        ("Qwen", "Qwen2.5-Coder-7B-Instruct", "text"),
        ("Qwen", "Qwen2.5-Coder-0.5B-Instruct", "text"),
        ("nomic-ai", "nomic-embed-text-v1.5", "embedding"),
    ):
        paths = [f"{model}-{quant}.gguf" for quant in quants]
        files = _stand_ins(paths, "embedding" if kind == "embedding" else "text")
        card = {"license": "apache-2.0", "base_model": [f"{author}/{model}"]}
        yield f"{author}/{model}-GGUF", files, {"card_data": card, "downloads": 1000}


def _stand_ins(paths: Iterable[str], kind: Kind) -> dict[str, Content]:
    return {path: stand_in(path, kind) for path in paths}


def _all_shards(path: str) -> list[str]:
    """All parts of a split model, if the path is one of them."""
    shard = _SHARD.search(path)
    if shard is None:
        return [path]
    head, count = path[: shard.start()], int(shard[2])
    return [f"{head}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]
