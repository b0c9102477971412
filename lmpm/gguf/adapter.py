"""LoRA adapters as GGUF: what a file says of itself, and whether it belongs to a base.

llama.cpp looks at the architecture, the names and the shapes only. An adapter of another base of the same shape loads
and gives rubbish, so the base is known by its hash: lmpm writes it into the file (`lmpm.base.sha256`).
Source of the rest: llama.cpp `src/llama-adapter.cpp`, `llama_adapter_lora_init_impl`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import IntegrityError
from lmpm.fs import printable

if TYPE_CHECKING:
    from lmpm.gguf.header import Header, Tensor

SUFFIXES: Final = (".lora_a", ".lora_b")


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


def require_adapter_for(adapter: Header, base: Header, sha256: str, *, name: str, accepted: str | None = None) -> None:
    """Raise IntegrityError unless an adapter belongs to a base, whose file has the given hash.

    `accepted` is the hash of the base that a lock names for it, for a file that names none itself.
    """
    if why := refusal(adapter, base):
        raise IntegrityError(f"`{printable(name)}` cannot be put on this model: {why}", kind="adapter")
    named = base_of(adapter)
    known = {item for item in (named.sha256 if named else "", accepted or "") if item}
    if not known:
        raise IntegrityError(
            f"`{printable(name)}` does not say which base it was trained on, and nothing here does",
            hint="Convert it from peft with `lmpm tune`, or name the hash of its base in the lock",
            kind="adapter-base",
        )
    if known != {sha256}:
        raise IntegrityError(
            f"`{printable(name)}` was trained on another base",
            details=(*(f"trained on  sha256:{item}" for item in sorted(known)), f"this model  sha256:{sha256}"),
            hint="An adapter changes the very weights that it was trained on; on others it gives rubbish",
            kind="adapter-base",
        )


def refusal(adapter: Header, base: Header) -> str:
    """Why llama.cpp would not take an adapter, or take it and fail; empty where it would."""
    if not is_adapter(adapter):
        return "it is not an adapter"
    if adapter.text("adapter.type") != "lora":
        return f"it is an adapter of the type `{printable(adapter.text('adapter.type'))[:40]}`, expected `lora`"
    if adapter.architecture != base.architecture:
        return f"it is for {printable(adapter.architecture)[:40]}, the model is {printable(base.architecture)[:40]}"
    if not isinstance(adapter.metadata.get("adapter.lora.alpha"), float):
        return "it states no alpha"
    return _against_tensors(adapter, base)


def _against_tensors(adapter: Header, base: Header) -> str:
    weights = {tensor.name: tensor for tensor in base.tensors}
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
        if len(a) != 2 or len(b) != 2 or len(whole) != 2 or a[0] != whole[0] or b[1] != whole[1] or a[1] != b[0]:
            return f"`{printable(name)[:60]}` is {_size(whole)}, its pair is {_size(a)} and {_size(b)}"
    return ""


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
