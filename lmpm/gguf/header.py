"""Bounded reading of a GGUF header, from a local file or over HTTP ranges.

Arrays of strings (the tokenizer) are walked but not kept. Format: ggml-org/ggml `docs/gguf.md`.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Final

from lmpm import limits
from lmpm.fs import disk_errors, open_regular
from lmpm.gguf import foreign
from lmpm.gguf.cursor import ARRAY, STRING, Cursor
from lmpm.gguf.tensor_types import FILE_TYPES, TENSOR_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmpm.gguf.cursor import ReadAt, Value

MAGIC: Final = b"GGUF"
SUPPORTED_VERSIONS: Final = (2, 3)
DEFAULT_ALIGNMENT: Final = 32  # bytes, when general.alignment is absent
TEMPLATE: Final = "tokenizer.chat_template"

_UINT32: Final = 4  # of the types of values
_START: Final = struct.Struct("<IQQ")  # version, tensors, keys
# Of a tensor with so many dimensions: its shape, type and offset.
_ROW: Final = {count: struct.Struct(f"<{count}QIQ") for count in range(1, limits.MAX_DIMS + 1)}
# What CPython keeps beside strings: an entry of a dict with a number, a Tensor with its numbers.
_ENTRY_BYTES, _TENSOR_BYTES = 120, 260
_ENTRY_WORK, _TENSOR_WORK = 10, 10  # steps, each about as long as it takes to walk over one string of an array


@dataclass(frozen=True, slots=True)
class Tensor:
    """One row of the tensor table. `nbytes` follows from type and shape."""

    name: str
    shape: tuple[int, ...]
    type: str
    nbytes: int
    offset: int

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The metadata of one GGUF file.

    `metadata` holds scalars, strings and short arrays of numbers; of other arrays only the length is
    known, in `array_lengths`. `tensors` is empty when only the keys were read, of which those behind the tokenizer
    may be lacking, as `has_all_keys` says. `size` counts the bytes of the header (0 when it was not read to its end).
    """

    version: int
    tensor_count: int
    metadata: Mapping[str, Value]
    array_lengths: Mapping[str, int]
    tensors: tuple[Tensor, ...] = ()
    size: int = 0
    has_all_keys: bool = True

    @property
    def architecture(self) -> str:
        """The value of `general.architecture`, or an empty string."""
        return self.text("general.architecture")

    @property
    def template(self) -> str | None:
        """The chat template; None without one, or where the tokenizer was not read."""
        return self.text(TEMPLATE) or None

    def text(self, key: str) -> str:
        """A string by its whole key, empty where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def quant(self) -> str | None:
        """The quant that the header states, else the type of most weights; None where neither was read."""
        return self.stated_quant() or self.main_type()

    def stated_quant(self) -> str | None:
        """The quant that `general.file_type` states."""
        kind = self.metadata.get("general.file_type")
        return FILE_TYPES.get(kind) if isinstance(kind, int) else None

    def main_type(self) -> str | None:
        """The tensor type of most weights, embedding tables left out; None when the tensors were not read."""
        counts: dict[str, int] = {}
        for tensor in self.tensors:
            if len(tensor.shape) > 1 and "embd" not in tensor.name and not tensor.name.startswith("output"):
                counts[tensor.type] = counts.get(tensor.type, 0) + tensor.elements
        return max(counts, key=lambda name: counts[name], default=None)

    def integer(self, key: str, default: int = 0) -> int:
        """A whole number below the architecture's prefix: `integer("block_count")`."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def integers(self, key: str) -> tuple[int, ...]:
        """A number or an array of numbers below the architecture's prefix, as a tuple."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        items = value if isinstance(value, tuple) else (value,)
        numbers = tuple(item for item in items if isinstance(item, int) and not isinstance(item, bool))
        return numbers if len(numbers) == len(items) else ()


def read_file(path: Path, *, tensors: bool = True) -> Header:
    """Read the header of a local file.

    Raises IntegrityError when it is not a complete GGUF, DiskError when it cannot be read.
    """
    with disk_errors(path, "read"), open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)

        def read_at(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return read_header(read_at, size=size, name=path.name, tensors=tensors)


def read_header(read_at: ReadAt, *, size: int, name: str, tensors: bool = True) -> Header:
    """Read a header through `read_at`, which is asked for growing pieces from the front.

    With `tensors=False` reading stops where the tokenizer's tables begin, once the architecture's keys
    are known: real files need only the first `limits.HEADER_PREFIX_BYTES` then.
    Raises IntegrityError with the reason when the bytes are no GGUF or contradict themselves.
    """
    cursor = Cursor(read_at, min(size, limits.MAX_HEADER_BYTES), name)
    version, tensor_count, key_count = _read_start(cursor)
    keys = _read_keys(cursor, key_count, tables=tensors)
    table = tuple(_tensor(cursor) for _ in range(tensor_count)) if tensors else ()
    if tensors:
        _check_tensors(cursor, table, keys.metadata, size)
    return Header(
        version=version,
        tensor_count=tensor_count,
        metadata=keys.metadata,
        array_lengths=keys.lengths,
        tensors=table,
        size=cursor.position if tensors else 0,
        has_all_keys=len(keys) == key_count,
    )


def _read_start(cursor: Cursor) -> tuple[int, int, int]:
    """Version, number of tensors and number of keys."""
    start = cursor.peek(foreign.START_BYTES)
    if not start.startswith(MAGIC):
        if found := foreign.recognise(start):
            raise cursor.fail(f"it is {found.what}", hint=found.hint)
        cursor.peek(len(MAGIC), must=True)
        raise cursor.fail(f"it starts with `{start[:4].decode('latin-1')}` instead of `{MAGIC.decode()}`")
    cursor.skip(len(MAGIC))
    version, tensor_count, key_count = cursor.unpack(_START)
    if version not in SUPPORTED_VERSIONS:
        kind = "big-endian" if version and version & 0xFFFF == 0 else f"version {version}"
        raise cursor.fail(f"{kind} files are not supported")
    for count, most, what in ((tensor_count, limits.MAX_TENSORS, "tensors"), (key_count, limits.MAX_KEYS, "keys")):
        if count > most:
            raise cursor.fail(f"it claims {count:,} {what}, and no real file has more than {most:,}")
    return version, tensor_count, key_count


@dataclass(slots=True)
class _Keys:
    """What was read of the keys so far."""

    metadata: dict[str, Value] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)  # keys whose values are too long to keep

    def __len__(self) -> int:
        return len(self.metadata.keys() | self.lengths.keys() | self.skipped)

    def __contains__(self, key: str) -> bool:
        return key in self.metadata or key in self.lengths or key in self.skipped


def _read_keys(cursor: Cursor, count: int, *, tables: bool) -> _Keys:
    """The keys with what is kept of their values; without `tables` only those before the tokenizer's arrays."""
    keys = _Keys()
    for _ in range(count):
        key, kind = cursor.key(), cursor.u32()
        cursor.spend(kept=_ENTRY_BYTES, work=_ENTRY_WORK)
        if key in keys:
            raise cursor.fail(f"the key `{key[:80]}` stands twice")
        if key == "general.alignment" and kind != _UINT32:
            raise cursor.fail("general.alignment is not a 32-bit number")
        values: Value
        if kind == ARRAY:
            is_table = key.startswith("tokenizer.")
            if is_table and not tables and f"{keys.metadata.get('general.architecture')}.block_count" in keys.metadata:
                keys.lengths[key] = cursor.array_head()[1]
                return keys
            keys.lengths[key], values = cursor.array()
        elif kind == STRING:
            values = cursor.text(must_keep=key.startswith(TEMPLATE))
        else:
            values = cursor.scalar(kind)
        if values is not None:
            keys.metadata[key] = values
        elif kind != ARRAY:
            keys.skipped.add(key)
    return keys


def _check_tensors(cursor: Cursor, table: tuple[Tensor, ...], metadata: Mapping[str, Value], size: int) -> None:
    """Refuse what llama.cpp refuses (gguf.cpp, gguf_init_from_file): twins, overlaps and gaps, a file that is cut."""
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):  # no power of two
        found = f" but {alignment}" if isinstance(alignment, int) else ""
        raise cursor.fail(f"its general.alignment is not a power of two{found}")
    if len({tensor.name for tensor in table}) != len(table):
        raise cursor.fail("two tensors have one name")
    expected = 0
    for tensor in table:
        if tensor.offset != expected:
            verb = "overlaps the one before it" if tensor.offset < expected else "leaves a gap before it"
            raise cursor.fail(
                f"tensor `{tensor.name[:80]}` {verb}: it lies at {tensor.offset:,} instead of {expected:,}"
            )
        expected += -(-tensor.nbytes // alignment) * alignment
    end = expected - (-table[-1].nbytes % alignment) if table else 0
    lacking = -(-cursor.position // alignment) * alignment + end - size
    if table and lacking > 0:
        raise cursor.fail(
            f"it is cut off: it has {size:,} bytes, {lacking:,} fewer than its header says", hint=foreign.AGAIN
        )


def _tensor(cursor: Cursor) -> Tensor:
    """One row of the tensor table."""
    name = cursor.key()
    count = cursor.u32()
    if not 1 <= count <= limits.MAX_DIMS:
        raise cursor.fail(f"tensor `{name[:80]}` has {count:,} dimensions")
    *shape, kind, offset = cursor.unpack(_ROW[count])
    if kind not in TENSOR_TYPES:
        raise cursor.fail(f"tensor `{name[:80]}` has the unknown type {kind}")
    type_name, block, block_bytes = TENSOR_TYPES[kind]
    elements = prod(shape)
    if elements <= 0 or elements > limits.MAX_FILE_BYTES or shape[0] % block:
        raise cursor.fail(f"tensor `{name[:80]}` has the impossible shape {tuple(shape)}")
    cursor.spend(kept=_TENSOR_BYTES, work=_TENSOR_WORK)
    return Tensor(name, tuple(shape), type_name, elements // block * block_bytes, offset)
