"""LoRA adapters as GGUF: what a file says of itself, and whether it belongs to a base.

llama.cpp looks at the architecture, the names and the shapes only. An adapter of another base of the same shape loads
and gives rubbish, so the base is known by its hash: lmpm writes it into the file (`lmpm.base.sha256`).
Source of the rest: llama.cpp `src/llama-adapter.cpp`, `llama_adapter_lora_init_impl`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import IntegrityError
from lmpm.fs import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmpm.gguf.header import Header, Tensor

SUFFIXES: Final = (".lora_a", ".lora_b")
INVOCATION: Final = "adapter.alora.invocation_tokens"  # of one that is switched on by tokens of the prompt
EMBEDDING: Final = "token_embd.weight"  # whose pair is the other way round: A is looked up by token
MOST_BASES: Final = 16  # that are read of a file's lineage


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterBase:
    """Which base an adapter was trained on. `sha256` is that of the GGUF file, `repo` and `commit` of its origin."""

    sha256: str
    repo: str = ""
    commit: str = ""


def is_adapter(header: Header) -> bool:
    """Whether a file is an adapter, no model."""
    return header.text("general.type") == "adapter"


def base_of(header: Header) -> AdapterBase | None:
    """The base that an adapter names; None where it names none."""
    sha256 = header.text("lmpm.base.sha256")
    return (
        AdapterBase(sha256=sha256, repo=header.text("lmpm.base.repo"), commit=header.text("lmpm.base.commit"))
        if sha256
        else None
    )


def require_adapter_for(
    adapter: Header, bases: Sequence[Header], sha256: str, *, name: str, accepted: str | None = None
) -> None:
    """Raise IntegrityError unless an adapter belongs to a base: its files in load order, the hash of the first.

    `accepted` is the hash of the base that a lock names for it, for a file that names none itself.
    """
    if why := adapter_refusal(adapter, bases):
        raise IntegrityError(f"`{printable(name)}` cannot be put on this model: {why}", kind="adapter")
    require_base(adapter, sha256, name=name, accepted=accepted)


def require_base(adapter: Header, sha256: str, *, name: str, accepted: str | None = None) -> None:
    """Raise IntegrityError unless the base that an adapter names, or a lock names for it, has this hash."""
    named = base_of(adapter)
    known = {item for item in (named.sha256 if named else "", accepted or "") if item}
    if not known:
        raise IntegrityError(
            f"`{printable(name)}` does not say which base it was trained on, and nothing here does",
            hint="Convert it from peft with `lmpm convert`, which names the base",
            kind="adapter-base",
        )
    if known != {sha256}:
        raise IntegrityError(
            f"`{printable(name)}` was trained on another base",
            details=(*(f"trained on  sha256:{item}" for item in sorted(known)), f"this model  sha256:{sha256}"),
            hint="An adapter changes the very weights that it was trained on; on others it gives rubbish",
            kind="adapter-base",
        )


def foreign_base(adapter: Header | str, bases: Sequence[Header], known_as: Iterable[str]) -> str:
    """The base that an adapter names, itself or in its lineage, where the model goes by no such name; else empty.

    `known_as` are names of the model beside those in its own header. One name within the other counts as the same:
    `SmolLM2 135M` and `SmolLM2-135M-GGUF`.
    """
    wanted = [adapter] if isinstance(adapter, str) else list(_lineage(adapter))
    header = bases[0]
    keys = ("general.name", "general.repo_url", "general.source.repo_url", "general.source.huggingface.repository")
    own = {_letters(item) for item in (*known_as, *map(header.text, keys), *_lineage(header))} - {""}
    names = {_letters(item) for item in wanted} - {""}
    if not own or not names or any(one in other or other in one for one in names for other in own):
        return ""
    return wanted[0]


def _lineage(header: Header) -> Iterator[str]:
    """The names of what a model or an adapter was made of; the keys are those of gguf-py's `constants.py`."""
    count = header.metadata.get("general.base_model.count")
    for number in range(min(count, MOST_BASES) if isinstance(count, int) else 0):
        for key in ("repo_url", "name"):
            if said := header.text(f"general.base_model.{number}.{key}"):
                yield said


def _letters(name: str) -> str:
    """The end of a path or URL, in the one spelling in which names are compared."""
    last = name.rstrip("/").rpartition("/")[2].lower()
    return "".join(char for char in re.sub(r"[-_.]?gguf$", "", last) if char.isalnum())


def adapter_refusal(adapter: Header, bases: Sequence[Header]) -> str:
    """Why llama.cpp would not take an adapter, or take it and fail; empty where it would."""
    if not is_adapter(adapter):
        return "it is not an adapter"
    if adapter.text("adapter.type") != "lora":
        return f"it is an adapter of the type `{printable(adapter.text('adapter.type'))[:40]}`, expected `lora`"
    of_base = bases[0].architecture
    if adapter.architecture != of_base:
        return f"it is for {printable(adapter.architecture)[:40]}, the model is {printable(of_base)[:40]}"
    if not isinstance(adapter.metadata.get("adapter.lora.alpha"), float):
        return "it states no alpha"
    if INVOCATION in adapter.metadata or INVOCATION in adapter.array_lengths:
        return "it is switched on by words of the prompt (aLoRA), which not every engine does"
    return _against_tensors(adapter, bases)


def _against_tensors(adapter: Header, bases: Sequence[Header]) -> str:
    weights = {tensor.name: tensor for base in bases for tensor in base.tensors}
    parts: dict[str, dict[str, Tensor]] = {}
    for tensor in adapter.tensors:
        suffix = next((suffix for suffix in SUFFIXES if tensor.name.endswith(suffix)), None)
        if suffix is None:
            return f"it holds `{printable(tensor.name)[:60]}`, which is not of a LoRA"
        parts.setdefault(tensor.name.removesuffix(suffix), {})[suffix] = tensor
    if not parts:
        return "it holds no tensors"
    for name, pair in parts.items():
        if len(pair) < len(SUFFIXES):
            return f"it has half of a pair for `{printable(name)[:60]}`"
        if name not in weights:
            return f"the model has no `{printable(name)[:60]}`"
        a, b, whole = pair[".lora_a"].shape, pair[".lora_b"].shape, weights[name].shape
        if not _go_together(name, a, b, whole):
            return f"`{printable(name)[:60]}` is {_size(whole)}, its pair is {_size(a)} and {_size(b)}"
    return ""


def _go_together(name: str, a: tuple[int, ...], b: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether a pair makes a change of a weight; shapes as GGUF has them, the length of a row first."""
    if not len(a) == len(b) == len(whole) == 2:
        return False
    if name == EMBEDDING:
        return (b[1], a[1]) == whole and a[0] == b[0]
    return (a[0], b[1]) == whole and a[1] == b[0]


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
