"""Bounded reading of a GGUF header, from a local file or over HTTP ranges.

A header is input from a stranger: every count and length is checked against the bytes that are left
before anything is read or allocated, as llama.cpp does. Arrays of strings (the tokenizer) are walked
but not kept. Format: ggml-org/ggml `docs/gguf.md`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from sys import getsizeof
from typing import TYPE_CHECKING, Final

from lmpm import limits
from lmpm.errors import IntegrityError
from lmpm.fs import disk_errors, open_regular, printable
from lmpm.gguf import foreign
from lmpm.gguf.tensor_types import FILE_TYPES, TENSOR_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


ReadAt = Callable[[int, int], bytes]  # (offset, length) -> at most length bytes
Value = int | float | bool | str | tuple[int | float | bool, ...] | None

MAGIC: Final = b"GGUF"
SUPPORTED_VERSIONS: Final = (2, 3)
DEFAULT_ALIGNMENT: Final = 32  # bytes, when general.alignment is absent
KEPT_ARRAY_ITEMS: Final = 4096  # longer arrays (tokenizer scores, types) are counted, not kept
KEPT_STRING_BYTES: Final = 1 * limits.MIB  # longer ones (a whole tokenizer as JSON) are passed over
TEMPLATE: Final = "tokenizer.chat_template"

# GGUF metadata value types: number -> layout; 8 is a string, 9 an array.
_CODES: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_SCALARS: Final = {number: struct.Struct(f"<{code}") for number, code in _CODES.items()}
_UINT32: Final = 4
_STRING: Final = 8
_ARRAY: Final = 9
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_START: Final = struct.Struct("<IQQ")  # version, tensors, keys
_ARRAY_HEAD: Final = struct.Struct("<IQ")  # type, number of items
_TENSOR_ROW: Final = {
    count: struct.Struct(f"<{count}QIQ") for count in range(1, limits.MAX_DIMS + 1)
}  # shape, type, offset

# What CPython keeps beside strings: an entry of a dict with a number, a number in a tuple, a Tensor with its numbers.
_ENTRY_BYTES, _ITEM_BYTES, _TENSOR_BYTES = 120, 44, 260
_ENTRY_WORK, _TENSOR_WORK = 10, 10  # steps, each about as long as it takes to walk over one string of an array
_DAMAGED: Final = f"It is damaged or was made wrongly. {foreign.AGAIN}"


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
    cursor = _Cursor(read_at, min(size, limits.MAX_HEADER_BYTES), name)
    version, tensor_count, key_count = _read_start(cursor)
    keys = _read_keys(cursor, key_count, tables=tensors)
    table = tuple(cursor.tensor() for _ in range(tensor_count)) if tensors else ()
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


def _read_start(cursor: _Cursor) -> tuple[int, int, int]:
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


def _read_keys(cursor: _Cursor, count: int, *, tables: bool) -> _Keys:
    """The keys with what is kept of their values; without `tables` only those before the tokenizer's arrays."""
    keys = _Keys()
    for _ in range(count):
        key, kind = cursor.key(), cursor.kind()
        cursor.spend(kept=_ENTRY_BYTES, work=_ENTRY_WORK)
        if key in keys:
            raise cursor.fail(f"the key `{key[:80]}` stands twice")
        if key == "general.alignment" and kind != _UINT32:
            raise cursor.fail("general.alignment is not a 32-bit number")
        values: Value
        if kind == _ARRAY:
            is_table = key.startswith("tokenizer.")
            if is_table and not tables and f"{keys.metadata.get('general.architecture')}.block_count" in keys.metadata:
                keys.lengths[key] = cursor.array_head()[1]
                return keys
            keys.lengths[key], values = cursor.array()
        elif kind == _STRING:
            values = cursor.text(must_keep=key.startswith(TEMPLATE))
        else:
            values = cursor.scalar(kind)
        if values is not None:
            keys.metadata[key] = values
        elif kind != _ARRAY:
            keys.skipped.add(key)
    return keys


def _check_tensors(cursor: _Cursor, table: tuple[Tensor, ...], metadata: Mapping[str, Value], size: int) -> None:
    """Refuse what llama.cpp refuses (gguf.cpp, gguf_init_from_file): twins, overlaps and gaps, a file that is cut."""
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):  # no power of two
        found = f" but {alignment}" if isinstance(alignment, int) else ""
        raise cursor.fail(f"its general.alignment is no power of two{found}")
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


class _Cursor:
    """Reads forward through a window of the file and never past `end`, within one budget of memory and of work."""

    def __init__(self, read_at: ReadAt, end: int, name: str) -> None:
        self._read_at = read_at
        self._end = end
        self._name = name
        self._window = b""
        self._start = 0  # where the window lies in the file
        self._step = limits.HEADER_PREFIX_BYTES
        self.position = 0
        self.kept_bytes = 0
        self.work = 0

    def fail(self, why: str, *, hint: str = _DAMAGED) -> IntegrityError:
        return IntegrityError(f"`{printable(self._name)}` is not a usable GGUF file: {printable(why)}", hint=hint)

    def spend(self, *, kept: int = 0, work: int = 0) -> None:
        """Note what is about to be kept and done, before it is."""
        self.kept_bytes += kept
        self.work += work
        if self.kept_bytes > limits.MAX_HEADER_KEPT_BYTES:
            raise self.fail(f"its header holds more than {limits.MAX_HEADER_KEPT_BYTES // limits.MIB} MiB of values")
        if self.work > limits.MAX_HEADER_WORK:
            raise self.fail(f"its header holds more than {limits.MAX_HEADER_WORK:,} strings, keys and tensors")

    def peek(self, length: int, *, must: bool = False) -> bytes:
        """The next bytes, fewer at the end of the file unless they `must` be there."""
        length = length if must else min(length, self._end - self.position)
        at = self._ready(length) if length else 0
        self.position -= length
        return self._window[at : at + length]

    def _ready(self, length: int) -> int:
        """Where in the window the next `length` bytes are; moves behind them."""
        at = self.position - self._start
        if at + length > len(self._window) or length > self._end - self.position:
            self._require(length)
            wanted = max(length, min(self._step, self._end - self.position))
            self._window = self._read_at(self.position, wanted)
            self._start, at = self.position, 0
            self._step = min(self._step * 4, limits.HEADER_STEP_BYTES)
            if len(self._window) < length:
                raise self._cut(self.position + len(self._window))
        self.position += length
        return at

    def skip(self, length: int) -> None:
        """Move over `length` bytes without reading them."""
        self._require(length)
        self.position += length
        if not self._start <= self.position <= self._start + len(self._window):
            self._window, self._start = b"", self.position

    def _require(self, length: int) -> None:
        if length > self._end - self.position:
            raise self._cut(self._end)

    def _cut(self, end: int) -> IntegrityError:
        return self.fail(f"it ends after {end:,} bytes, inside its header")

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Numbers in a layout."""
        at = self._ready(layout.size)
        return layout.unpack_from(self._window, at)

    def kind(self) -> int:
        return self.unpack(_U32)[0]

    def key(self) -> str:
        """The name of a value or a tensor: it must be one."""
        (length,) = self.unpack(_U64)
        if length > limits.MAX_KEY_BYTES:
            raise self.fail(f"it claims a name of {length:,} bytes")
        at = self._ready(length)
        try:
            name = self._window[at : at + length].decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail("a name in it is not UTF-8") from None
        if not name:
            raise self.fail("a name in it is empty")
        self.spend(kept=getsizeof(name))
        return name

    def text(self, *, must_keep: bool) -> str | None:
        """A string; None for one that is too long to keep, which is an error where it `must_keep` it."""
        (length,) = self.unpack(_U64)
        if length > limits.MAX_STRING_BYTES or (must_keep and length > KEPT_STRING_BYTES):
            raise self.fail(f"it claims a string of {length:,} bytes")
        if length > KEPT_STRING_BYTES:
            self.skip(length)
            return None
        at = self._ready(length)
        found = self._window[at : at + length].decode("utf-8", "replace")
        self.spend(kept=getsizeof(found))
        return found

    def scalar(self, kind: int) -> Value:
        """A number."""
        if kind not in _SCALARS:
            raise self.fail(f"metadata of the unknown type {kind}")
        return self.unpack(_SCALARS[kind])[0]

    def array_head(self) -> tuple[int, int]:
        """Type and number of an array's items, as many as can be in the bytes that are left."""
        kind, length = self.unpack(_ARRAY_HEAD)
        if kind != _STRING and kind not in _SCALARS:  # nested arrays too: llama.cpp refuses them
            raise self.fail(f"an array of the unsupported type {kind}")
        width = _U64.size if kind == _STRING else _SCALARS[kind].size
        if length * width > self._end - self.position:
            raise self.fail(f"it claims an array of {length:,} items, more than are in it")
        return kind, length

    def array(self) -> tuple[int, tuple[int | float | bool, ...] | None]:
        """The length of an array, and its items where they are few numbers."""
        kind, length = self.array_head()
        if kind == _STRING:
            self._skip_strings(length)
            return length, None
        layout = _SCALARS[kind]
        if length > KEPT_ARRAY_ITEMS:
            self.skip(length * layout.size)
            return length, None
        self.spend(kept=_ITEM_BYTES * length, work=length)
        at = self._ready(length * layout.size)
        return length, struct.unpack_from(f"<{length}{layout.format[1]}", self._window, at)

    def _skip_strings(self, count: int) -> None:
        """Walk over the items of an array: hundreds of thousands in a tokenizer, so within the window."""
        self.spend(work=count)
        while count:
            (first,) = self.unpack(_U64)  # has a window read that is worth walking through
            window, at = self._window, self.position - self._start + first
            count -= 1
            while count and at + 8 <= len(window):
                at += 8 + _U64.unpack_from(window, at)[0]
                count -= 1
            self.skip(self._start + at - self.position)

    def tensor(self) -> Tensor:
        """One row of the tensor table."""
        name = self.key()
        (count,) = self.unpack(_U32)
        if not 1 <= count <= limits.MAX_DIMS:
            raise self.fail(f"tensor `{name[:80]}` has {count:,} dimensions")
        *shape, kind, offset = self.unpack(_TENSOR_ROW[count])
        if kind not in TENSOR_TYPES:
            raise self.fail(f"tensor `{name[:80]}` has the unknown type {kind}")
        type_name, block, block_bytes = TENSOR_TYPES[kind]
        elements = prod(shape)
        if elements <= 0 or elements > limits.MAX_FILE_BYTES or shape[0] % block:
            raise self.fail(f"tensor `{name[:80]}` has the impossible shape {tuple(shape)}")
        self.spend(kept=_TENSOR_BYTES, work=_TENSOR_WORK)
        return Tensor(name, tuple(shape), type_name, elements // block * block_bytes, offset)
