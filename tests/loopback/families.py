"""Families of models as they really stand on the Hub: hundreds of repositories with headers that can be read."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.catalog.files import RecordFiles
from lmpm.gguf import model_name, quant
from tests.loopback.content import Content, listed
from tests.loopback.server import LoopbackHub

DATA: Final = Path(__file__).parents[1] / "data" / "hub_repositories.tsv"
GIB: Final = 2**30
DEFAULT_PARAMETERS: Final = 7_000_000_000
_UINT32, _STRING, _ARRAY = 4, 8, 9
_BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of an architecture's header; the defaults are those of Qwen2.5-7B."""

    architecture: str = "qwen2"
    layers: int = 28
    wide: int = 3584
    forward: int = 18944
    heads: int = 28
    kv_heads: int = 4
    vocabulary: int = 152064
    context: int = 131072


QWEN_7B: Final = Shape()
LLAMA_8B: Final = Shape("llama", 32, 4096, 14336, 32, 8, 128256, 131072)
SHAPES: Final = {7: QWEN_7B, 8: LLAMA_8B}


@dataclass(frozen=True, slots=True)
class Listed:
    """One real repository: what was listed of it."""

    id: str
    bases: tuple[str, ...]
    license: str
    downloads: int
    likes: int
    created: str
    modified: str
    files: dict[str, int] = field(default_factory=dict)  # bytes, 0 where not known


@cache
def listings() -> tuple[Listed, ...]:
    """Every repository of the extract."""
    lines = DATA.read_text(encoding="utf-8").splitlines()
    return tuple(_parse(line) for line in lines if not line.startswith("#"))


def _parse(line: str) -> Listed:
    repo, bases, license_, downloads, likes, created, modified, groups = line.split("\t")
    files: dict[str, int] = {}
    for group in groups.split("|"):
        template, _, labels = group.rpartition("=")
        for item in labels.split(" "):
            label, _, size = item.partition(":")
            files[template.replace("{}", label)] = round(float(size) * GIB) if size else 0
    return Listed(
        repo, tuple(filter(None, bases.split(";"))), license_, int(downloads), int(likes), created, modified, files
    )


def add_listed(hub: LoopbackHub, item: Listed, **facts: Any) -> None:
    """Serve a listed repository: its files have the header of a model of its size, and no weights."""
    parameters = model_name.parse_model_name(item.id).parameters or DEFAULT_PARAMETERS
    known = _catalog().model(model_name.parse_model_name(item.bases[0] if item.bases else item.id).text)
    shape = facts.pop("shape", None) or Shape(architecture=known.architecture if known else "llama", vocabulary=0)
    files = dict(_files(item.id, item.files, parameters, shape))
    card: dict[str, Any] = {"base_model": list(item.bases)} if item.bases else {}
    if item.license:
        card["license"] = item.license
    settings: dict[str, Any] = {
        "downloads": item.downloads,
        "likes": item.likes,
        "created_at": f"{item.created}T00:00:00.000Z" if item.created else None,
        "last_modified": f"{item.modified}T00:00:00.000Z" if item.modified else None,
        "card_data": card,
        "gguf": {"total": parameters, "architecture": "", "context_length": 32768, "chat_template": "{{ messages }}"},
    }
    hub.add_repo(item.id, files, **(settings | facts))


@cache
def _catalog() -> catalog.Catalog:
    return catalog.load(catalog.directory())


def _files(repo: str, files: dict[str, int], parameters: int, shape: Shape) -> Iterator[tuple[str, Content]]:
    head = header(shape, name=repo)
    for path, size in files.items():
        bits = quant.bits_per_weight(quant.from_filename(path) or "Q4_K_M") or 4.5
        known = size or int(parameters * bits / _BITS)
        yield path, listed(max(known, len(head)), f"{repo}/{path}", head)


def header(shape: Shape, *, name: str = "", file_type: int | None = None) -> bytes:
    """The beginning of a real file: keys, then a tokenizer whose table goes on beyond what is read."""
    prefix = shape.architecture
    keys = [
        _key("general.architecture", _STRING, _text(prefix)),
        _key("general.name", _STRING, _text(name)),
        _number(f"{prefix}.block_count", shape.layers),
        _number(f"{prefix}.context_length", shape.context),
        _number(f"{prefix}.embedding_length", shape.wide),
        _number(f"{prefix}.feed_forward_length", shape.forward),
        _number(f"{prefix}.attention.head_count", shape.heads),
        _number(f"{prefix}.attention.head_count_kv", shape.kv_heads),
    ]
    if file_type is not None:
        keys.append(_number("general.file_type", file_type))
    tokens = struct.pack("<IQ", _STRING, shape.vocabulary)
    keys.append(_key("tokenizer.ggml.tokens", _ARRAY, tokens))
    return b"GGUF" + struct.pack("<IQQ", 3, 300, len(keys)) + b"".join(keys)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _key(name: str, kind: int, value: bytes) -> bytes:
    return _text(name) + struct.pack("<I", kind) + value


def _number(name: str, value: int) -> bytes:
    return _key(name, _UINT32, struct.pack("<I", value))


# -- 663 matches for one name ----------------------------------------------------

FAMILY: Final = "DeepSeek-R1-Distill-Qwen-7B"
ORIGINAL: Final = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
_DONE_TO_IT: Final = (
    "abliterated", "uncensored", "heretic", "GRPO", "SFT", "DPO", "merge", "slerp", "roleplay", "finetuned", "math-sft",
    "lora", "test", "medical", "law", "Claude-distill", "RL", "ties", "code-ft", "v2-abliterated", "story", "Japanese",
)  # fmt: skip


def add_story(hub: LoopbackHub, matches: int = 663) -> int:
    """Every real repository of the family, and as many derived ones as make `matches`; returns how many are plain."""
    hub.add_repo(
        ORIGINAL,
        {"config.json": b"{}"},
        card_data={"license": "mit"},
        created_at="2025-01-20T00:00:00.000Z",
        last_modified="2025-02-24T00:00:00.000Z",
        safetensors={"parameters": {"BF16": 7_615_616_512}, "total": 7_615_616_512},
    )
    words = FAMILY.lower().split("-")
    real = [item for item in listings() if all(word in item.id.lower() for word in words)]
    plain = 0
    for item in real:
        add_listed(hub, item, shape=QWEN_7B)
        plain += item.bases == (ORIGINAL,)
    for number in range(matches - len(real)):
        kind = _DONE_TO_IT[number % len(_DONE_TO_IT)]
        name = f"{FAMILY}-{kind}-{number // len(_DONE_TO_IT)}"
        account = ("mradermacher", "RichardErkhov", f"someone{number}", f"lab-{number}")[number % 4]
        add_listed(
            hub,
            Listed(
                f"{account}/{name}-GGUF", (f"someone{number}/{name}",), "mit", 3000 // (number + 1), number % 7,
                "2025-03-01", "2025-03-01", {f"{name}.Q4_K_M.gguf": 0, f"{name}.Q8_0.gguf": 0},
            ),
        )  # fmt: skip
    return plain


# Models that the catalog of tests has, whatever the real one will have: the others have to be searched for.
CATALOGUED = (
    "gemma-4-31b-it",
    "bge-m3",
    "granite-4.0-h-tiny",
    "granite-4.0-micro",
    "llama-3.1-8b-instruct",
    "qwen2.5-coder-7b-instruct",
)


def small_catalog(folder: Path) -> Catalog:
    """The real catalog with few models, whose files are copied to a folder of their own."""
    folder.mkdir(exist_ok=True)
    whole = catalog.load(catalog.directory())
    for name in CATALOGUED:
        shutil.copy(whole.directory / "models" / f"{name}.toml", folder)
    return replace(whole, model_files=RecordFiles(folder, whole.model))
