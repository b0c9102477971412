"""What llama.cpp refuses in a header before it looks at a single weight, so that nobody downloads it in vain.

Follows llama.cpp `llama-model.cpp` (load_hparams) and `llama-model-loader.cpp` (get_key), where a key of another type
than expected is an error, and `llama_get_list_splits`, where a shard of another name is one.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from lmpm.errors import IntegrityError
from lmpm.fs import printable
from lmpm.gguf import foreign
from lmpm.gguf.shards import parse_shard
from lmpm.gguf.tensor_types import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.gguf.header import Header

# Below the architecture's prefix: what every model must have, and what may be one number or one for each layer.
_REQUIRED: Final = ("block_count", "context_length", "embedding_length")
_BY_LAYER: Final = ("attention.head_count", "attention.head_count_kv", "feed_forward_length")
# `general.type` of files that are no model of their own.
_BESIDE: Final = {
    "adapter": "a LoRA adapter", "imatrix": "the data of an importance matrix", "controlvector": "a control vector",
}  # fmt: skip
_ITSELF: Final = "Name the file of the model itself; what belongs to it comes along"
_PUT_ON: Final = "Name the model that it is for, and put it on that: `lmpm install MODEL --adapter FILE`"
_ENCODERS: Final = frozenset({"clip"})  # the architecture of every mmproj file
# Tensors whose first dimension is the width of the model, whatever its architecture.
_WIDTH: Final = (".attn_norm.weight", ".ffn_norm.weight", ".output_norm.weight", ".token_embd.weight")
_PLAIN: Final = (*_REQUIRED, "attention.key_length", "attention.value_length", "expert_count", "rope.dimension_count")


def require_loadable(headers: Sequence[Header], paths: Sequence[str]) -> None:
    """Refuse a model that llama.cpp would refuse.

    `paths` are those of its files in load order, `headers` as many of theirs as were read. Raises IntegrityError.
    """
    if why := refusal(headers[0]):
        hint = _ITSELF if _beside(headers[0]) else f"It was made wrongly. {foreign.AGAIN}"
        hint = _PUT_ON if headers[0].text("general.type") == "adapter" else hint
        raise IntegrityError(f"llama.cpp does not load `{PurePath(paths[0]).name}`: {why}", hint=hint)
    for header, path in zip(headers, paths, strict=False):
        if why := split_refusal(header, path, files=len(paths)):
            raise IntegrityError(
                f"llama.cpp does not load `{PurePath(path).name}`: {why}",
                hint="Bring all shards into one folder under their first names, or join them: "
                "`llama-gguf-split --merge`",
            )
    if len(headers) == len(paths) > 1 and (why := set_refusal(headers)):
        raise IntegrityError(
            f"The shards of `{PurePath(paths[0]).name}` are not of one model: {why}",
            hint="Bring all of them from the same place again",
        )


def set_refusal(headers: Sequence[Header]) -> str | None:
    """Why shards that are all there make no model, None where nothing speaks against it.

    Every tensor stands once, there are as many as the first shard counts, and those along the width of the model are
    as wide as it says.
    """
    first = headers[0]
    tensors = [(number, tensor) for number, header in enumerate(headers, start=1) for tensor in header.tensors]
    if not all(header.tensors for header in headers[1:]):
        return None  # not read
    width = first.integer("embedding_length")
    seen: dict[str, int] = {}
    for number, tensor in tensors:
        if tensor.name in seen:
            return f"`{printable(tensor.name)}` is in shard {seen[tensor.name]} and in shard {number}"
        seen[tensor.name] = number
        if f".{tensor.name}".endswith(_WIDTH) and tensor.shape and tensor.shape[0] != width:
            return f"`{printable(tensor.name)}` of shard {number} is {tensor.shape[0]} wide, the model {width}"
    expected = first.metadata.get("split.tensors.count", len(seen))
    return None if expected == len(seen) else f"they hold {len(seen)} tensors, the first one counts {expected}"


def refusal(header: Header) -> str | None:
    """Why llama.cpp does not load a model with these keys, None where nothing speaks against it."""
    if what := _beside(header):
        return f"it is {what}, not a model"
    if not header.architecture and header.metadata.get("split.no", 0) == 0:
        return "it names no architecture"
    if header.architecture not in ARCHITECTURES or header.metadata.get("split.no", 0) != 0:
        return None  # what an unknown one needs nobody knows; the keys of a split model are in its first shard
    return _of_types(header) or _of_heads(header) or _of_weights(header)


def _beside(header: Header) -> str | None:
    """What a file is that belongs to a model and is none itself."""
    if header.architecture in _ENCODERS:
        return "an encoder of pictures or sound"
    return _BESIDE.get(header.text("general.type"))


def split_refusal(header: Header, path: str, *, files: int) -> str | None:
    """Why llama.cpp does not take a file as what its name says: one of the shards of a model, or all of it.

    It finds the other shards by the name of the first. `files` counts those that are known.
    """
    count, number = header.metadata.get("split.count", 0), header.metadata.get("split.no", 0)
    if not isinstance(count, int) or not isinstance(number, int):
        return "`split.count` is not a whole number"
    shard = parse_shard(PurePath(path).name)
    if count <= 1:
        return (
            f"its name says shard {shard.number} of {shard.count}, its header a whole model"
            if shard and files > 1
            else None
        )
    if shard is None:
        return (
            f"it is one of {count} shards and was renamed: llama.cpp finds the others by its name, "
            f"which ends in `-{number + 1:05}-of-{count:05}.gguf`"
        )
    if (shard.number - 1, shard.count) != (number, count):
        return f"its name says shard {shard.number} of {shard.count}, its header {number + 1} of {count}"
    return f"{count - files} of its {count} shards are not there" if files < count else None


def _of_types(header: Header) -> str | None:
    """A key that is missing or is not a whole number."""
    prefix = header.architecture
    for key in _REQUIRED:
        if header.has_all_keys and f"{prefix}.{key}" not in header.metadata:
            return f"`{prefix}.{key}` is missing"
    for key in _PLAIN:
        value = header.metadata.get(f"{prefix}.{key}", 0)
        if not isinstance(value, int) or isinstance(value, bool):
            return f"`{prefix}.{key}` is {_kind(value)}, not a whole number"
    for key in _BY_LAYER:
        if f"{prefix}.{key}" in header.metadata and not header.integers(key):
            return f"`{prefix}.{key}` is {_kind(header.metadata[f'{prefix}.{key}'])}, not a whole number"
    layers = header.integer("block_count", 1)
    return None if layers > 0 else f"`{prefix}.block_count` is {layers}"


def _of_weights(header: Header) -> str | None:
    """A vocabulary alone, as converters write it for tests. The first of several shards may have no tensors."""
    is_alone = header.metadata.get("split.count", 0) in (0, 1)
    return "it holds a vocabulary and no weights" if is_alone and not header.tensor_count else None


def _of_heads(header: Header) -> str | None:
    """Heads that divide neither the width of the model nor into groups of one key each."""
    heads, groups = header.integers("attention.head_count"), header.integers("attention.head_count_kv")
    wide = header.integer("embedding_length")
    first = next((number for number in heads if number > 0), 0)
    if first and not header.integer("attention.key_length") and wide % first:
        return f"its width {wide:,} is not a multiple of its {first} heads"
    for query, shared in zip(heads, groups if len(groups) == len(heads) else groups * len(heads), strict=False):
        if shared > 0 and query % shared:
            return f"its {query} heads are not a multiple of its {shared} heads of keys and values"
    return None


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "a text"
    return "a truth value" if isinstance(value, bool) else "a list" if isinstance(value, tuple) else "a fraction"
