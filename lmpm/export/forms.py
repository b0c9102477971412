"""Forms that a model has beside GGUF: which files of a repository are one, and how what came is looked into."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import ExportError, IntegrityError, SpecError
from lmpm.export.safetensors import read_weights
from lmpm.fs import disk_errors, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lmpm.hub import Entry
    from lmpm.project import Form

MAX_CONFIG_BYTES: Final = 64 * 2**20  # tokenizer.json and indices have a few megabytes
CONFIGS: Final = (".json", ".txt", ".model", ".jinja", ".tiktoken")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a form.

    `tag` is what the Hub lists its repositories under, `publishers` those whose conversions are taken without being
    named, `target` what runs it.
    """

    form: Form
    title: str
    tag: str
    publishers: tuple[str, ...] = ()


# Of each target that needs another form than GGUF.
KINDS: Final[Mapping[str, Kind]] = {
    "vllm": Kind("safetensors", "safetensors", "safetensors"),
    "litert": Kind("litert", "LiteRT", "litert-lm", ("litert-community", "google")),
    "webllm": Kind("mlc", "MLC", "mlc-llm", ("mlc-ai",)),
}


def select(kind: Kind, repo: str, entries: Sequence[Entry], wanted: str = "") -> tuple[Entry, ...]:
    """The files of a repository that make a model of this form; `wanted` names one of several.

    No program is among them, nor weights that are unpickled. Raises ExportError where it is not there.
    """
    top = [entry for entry in entries if "/" not in entry.path]
    configs = [entry for entry in top if entry.path.endswith(CONFIGS)]
    names = {entry.path for entry in configs}
    if kind.form == "litert":
        return (_one_of(repo, entries, wanted),)
    if kind.form == "mlc":
        weights = [entry for entry in top if entry.path.startswith("params_shard_") and entry.path.endswith(".bin")]
        complete = "mlc-chat-config.json" in names and bool(names & {"tensor-cache.json", "ndarray-cache.json"})
    else:
        weights = [
            entry for entry in top if entry.path.endswith(".safetensors") and not entry.path.startswith("consolidated")
        ]
        complete = "config.json" in names
    if not weights or not complete or any(entry.sha256 is None for entry in weights):
        raise ExportError(f"`{repo}` holds no {kind.title} model")
    return (*weights, *configs)


def _one_of(repo: str, entries: Sequence[Entry], wanted: str) -> Entry:
    """The file for LiteRT: the one that is named, or the only one."""
    found = [entry for entry in entries if entry.path.endswith((".litertlm", ".task", ".tflite")) and entry.sha256]
    if wanted:
        named = next((entry for entry in found if entry.path == wanted), None)
        if named is None:
            raise SpecError(f"`{wanted}` is not a file for LiteRT of `{repo}`", details=[entry.path for entry in found])
        return named
    if not found:
        raise ExportError(f"`{repo}` holds no file for LiteRT")
    if len(found) > 1:
        raise ExportError(
            f"`{repo}` holds {len(found)} files for LiteRT, and they differ in what they run on",
            details=[entry.path for entry in found],
            hint="Name one with `--option file=PATH`",
        )
    return found[0]


def vocabulary(kind: Kind, files: Mapping[str, Path]) -> int | None:
    """Tokens that a form's settings say it knows; None where they do not. Raises IntegrityError, DiskError."""
    name = {"safetensors": "config.json", "mlc": "mlc-chat-config.json"}.get(kind.form)
    if name is None or name not in files:
        return None
    settings = _json(files[name])
    inner = settings.get("text_config")
    found = settings.get("vocab_size") or (inner.get("vocab_size") if isinstance(inner, dict) else None)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def check(kind: Kind, files: Mapping[str, Path]) -> None:
    """Look into what came: hashes say that it is what was pinned, not that it is a model. Raises IntegrityError."""
    if kind.form == "safetensors":
        held: set[str] = set()
        for name, path in files.items():
            if name.endswith(".safetensors"):
                held |= read_weights(path).names
        index = files.get("model.safetensors.index.json")
        asked = _json(index).get("weight_map") if index else None
        if isinstance(asked, dict) and (lacking := set(asked) - held):
            raise IntegrityError(f"The files lack {len(lacking)} tensors of the index, such as `{min(lacking)[:80]}`")
    elif kind.form == "litert":
        ((name, path),) = files.items()
        _check_magic(name, path)


def _check_magic(name: str, path: Path) -> None:
    """How each begins: LiteRT-LM's container, a zip, a flatbuffer with the id TFL3."""
    with disk_errors(path, "read"), path.open("rb") as file:
        head = file.read(8)
    right = {
        ".litertlm": head == b"LITERTLM",
        ".task": head[:4] == b"PK\x03\x04" or head[4:8] == b"TFL3",
        ".tflite": head[4:8] == b"TFL3",
    }
    if not right[PurePosixPath(name).suffix]:
        raise IntegrityError(f"`{printable(name)}` does not begin as a {PurePosixPath(name).suffix} file does")


def _json(path: Path) -> dict[str, Any]:
    """An object of JSON of bounded size. Raises IntegrityError, DiskError."""
    with disk_errors(path, "read"), path.open("rb") as file:
        data = file.read(MAX_CONFIG_BYTES + 1)
    try:
        found = json.loads(data) if len(data) <= MAX_CONFIG_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise IntegrityError(f"`{printable(path.name)}` is not an object of JSON")
    return found
