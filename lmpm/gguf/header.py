"""Bounded reading of a GGUF header, from a local file or over HTTP ranges.

A header is input from a stranger: every count and length is checked against the bytes that are left
before anything is read or allocated, as llama.cpp does. Arrays of strings (the tokenizer) are walked
but not kept. Format: ggml-org/ggml `docs/gguf.md`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm import limits
from lmpm.errors import IntegrityError
from lmpm.fs import disk_errors, open_regular, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


ReadAt = Callable[[int, int], bytes]  # (offset, length) -> at most length bytes
Value = int | float | bool | str | tuple[int | float | bool, ...] | None

MAGIC: Final = b"GGUF"
SUPPORTED_VERSIONS: Final = (2, 3)
DEFAULT_ALIGNMENT: Final = 32  # bytes, when general.alignment is absent
KEPT_ARRAY_ITEMS: Final = 4096  # longer arrays (tokenizer scores, types) are counted, not kept
MAX_STRINGS: Final = 4_000_000  # in all arrays: tokens and merges of the largest tokenizers are 700,000

# GGUF metadata value types: number -> struct format; 8 is a string, 9 an array.
_SCALARS: Final[Mapping[int, str]] = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_UINT32: Final = 4
_STRING: Final = 8
_ARRAY: Final = 9
_LENGTH: Final = struct.Struct("<Q")

# ggml tensor types: number -> (name, elements per block, bytes per block); ggml `ggml-common.h`.
TENSOR_TYPES: Final[Mapping[int, tuple[str, int, int]]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
    28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip


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
        count = 1
        for dim in self.shape:
            count *= dim
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The metadata of one GGUF file.

    `metadata` holds scalars, strings and short arrays of numbers; of other arrays only the length is
    known, in `array_lengths`. `tensors` is empty when only the keys were read. `size` counts the bytes
    of the header (0 when it was not read to its end).
    """

    version: int
    tensor_count: int
    metadata: Mapping[str, Value]
    array_lengths: Mapping[str, int]
    tensors: tuple[Tensor, ...] = ()
    size: int = 0

    @property
    def architecture(self) -> str:
        """The value of `general.architecture`, or an empty string."""
        value = self.metadata.get("general.architecture")
        return value if isinstance(value, str) else ""

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
    magic = cursor.take(4)
    if magic != MAGIC:
        raise cursor.fail(f"it starts with `{magic.decode('latin-1')}` instead of `{MAGIC.decode()}`")
    version = int(cursor.number("<I"))
    if version not in SUPPORTED_VERSIONS:
        kind = "big-endian" if version and version & 0xFFFF == 0 else f"version {version}"
        raise cursor.fail(f"{kind} files are not supported")
    tensor_count, key_count = int(cursor.number("<Q")), int(cursor.number("<Q"))
    if tensor_count > limits.MAX_TENSORS or key_count > limits.MAX_KEYS:
        raise cursor.fail(f"it claims {tensor_count} tensors and {key_count} keys")

    metadata: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    for _ in range(key_count):
        key = cursor.key()
        kind_number = int(cursor.number("<I"))
        if key in metadata or key in lengths:
            raise cursor.fail(f"the key `{key[:80]}` stands twice")
        if key == "general.alignment" and kind_number != _UINT32:
            raise cursor.fail("general.alignment is not a 32-bit number")
        at_tokenizer = key.startswith("tokenizer.") and kind_number == _ARRAY
        if at_tokenizer and not tensors and f"{metadata.get('general.architecture')}.block_count" in metadata:
            _, lengths[key] = cursor.array_head()
            return Header(version=version, tensor_count=tensor_count, metadata=metadata, array_lengths=lengths)
        if kind_number == _ARRAY:
            length, values = cursor.array()
            lengths[key] = length
            if values is not None:
                metadata[key] = values
        else:
            metadata[key] = cursor.value(kind_number)
    if not tensors:
        return Header(version=version, tensor_count=tensor_count, metadata=metadata, array_lengths=lengths)
    table = tuple(cursor.tensor() for _ in range(tensor_count))
    _check_tensors(cursor, table, metadata, size)
    return Header(
        version=version,
        tensor_count=tensor_count,
        metadata=metadata,
        array_lengths=lengths,
        tensors=table,
        size=cursor.position,
    )


def _check_tensors(cursor: _Cursor, table: tuple[Tensor, ...], metadata: Mapping[str, Value], size: int) -> None:
    """Refuse duplicate names and data beyond the end of the file."""
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):  # no power of two
        found = f" but {alignment}" if isinstance(alignment, int) else ""
        raise cursor.fail(f"its general.alignment is no power of two{found}")
    if len({tensor.name for tensor in table}) != len(table):
        raise cursor.fail("two tensors have one name")
    data_start = -(-cursor.position // alignment) * alignment
    for tensor in table:
        if tensor.offset % alignment or data_start + tensor.offset + tensor.nbytes > size:
            raise cursor.fail(f"tensor `{tensor.name[:80]}` lies beyond the end of the file")


class _Cursor:
    """Reads forward through a window of the file and never past `end`."""

    def __init__(self, read_at: ReadAt, end: int, name: str) -> None:
        self._read_at = read_at
        self._end = end
        self._name = name
        self._window = b""
        self._start = 0  # where the window lies in the file
        self._step = limits.HEADER_PREFIX_BYTES
        self._strings = 0  # in arrays, so far
        self.position = 0

    def fail(self, why: str) -> IntegrityError:
        return IntegrityError(f"`{printable(self._name)}` is not a usable GGUF file: {printable(why)}")

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        self._require(length)
        at = self.position - self._start
        if at + length > len(self._window):
            wanted = max(length, min(self._step, self._end - self.position))
            self._window = self._read_at(self.position, wanted)
            self._start, at = self.position, 0
            self._step = min(self._step * 4, limits.HEADER_STEP_BYTES)
            if len(self._window) < length:
                raise self.fail(f"it ends after {self.position + len(self._window)} bytes, inside its header")
        self.position += length
        return self._window[at : at + length]

    def skip(self, length: int) -> None:
        """Move over `length` bytes without reading them."""
        self._require(length)
        self.position += length
        if not self._start <= self.position <= self._start + len(self._window):
            self._window, self._start = b"", self.position

    def _require(self, length: int) -> None:
        if length > self._end - self.position:
            raise self.fail(f"it ends after {self._end} bytes, inside its header")

    def number(self, fmt: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(fmt, self.take(struct.calcsize(fmt)))[0]
        return value

    def string(self, most: int) -> bytes:
        """A length-prefixed string."""
        length = int(self.number("<Q"))
        if length > most:
            raise self.fail(f"it claims a string of {length} bytes")
        return self.take(length)

    def key(self) -> str:
        """The name of a value or a tensor: it must be one."""
        try:
            name = self.string(limits.MAX_KEY_BYTES).decode("utf-8")
        except UnicodeDecodeError:
            raise self.fail("a name in it is not UTF-8") from None
        if not name:
            raise self.fail("a name in it is empty")
        return name

    def value(self, kind: int) -> Value:
        """A scalar or a string."""
        if kind == _STRING:
            return self.string(limits.MAX_STRING_BYTES).decode("utf-8", "replace")
        if kind not in _SCALARS:
            raise self.fail(f"metadata of the unknown type {kind}")
        return self.number(_SCALARS[kind])

    def array_head(self) -> tuple[int, int]:
        """Type and number of an array's items, as many as can be in the bytes that are left."""
        kind, length = int(self.number("<I")), int(self.number("<Q"))
        if kind != _STRING and kind not in _SCALARS:  # nested arrays too: llama.cpp refuses them
            raise self.fail(f"an array of the unsupported type {kind}")
        width = _LENGTH.size if kind == _STRING else struct.calcsize(_SCALARS[kind])
        if length * width > self._end - self.position:
            raise self.fail(f"it claims an array of {length} items, more than are in it")
        return kind, length

    def array(self) -> tuple[int, tuple[int | float | bool, ...] | None]:
        """The length of an array, and its items where they are few numbers."""
        kind, length = self.array_head()
        if kind == _STRING:
            self._skip_strings(length)
            return length, None
        fmt = _SCALARS[kind]
        if length > KEPT_ARRAY_ITEMS:
            self.skip(length * struct.calcsize(fmt))
            return length, None
        return length, struct.unpack(f"<{length}{fmt[1]}", self.take(length * struct.calcsize(fmt)))

    def _skip_strings(self, count: int) -> None:
        """Walk over the items of an array: hundreds of thousands in a tokenizer, so within the window."""
        self._strings += count
        if self._strings > MAX_STRINGS:
            raise self.fail(f"more than {MAX_STRINGS:,} strings in arrays")
        while count:
            first = int(self.number("<Q"))  # has a window read that is worth walking through
            window, at = self._window, self.position - self._start + first
            count -= 1
            while count and at + 8 <= len(window):
                at += 8 + _LENGTH.unpack_from(window, at)[0]
                count -= 1
            self.skip(self._start + at - self.position)

    def tensor(self) -> Tensor:
        """One row of the tensor table."""
        name = self.key()
        count = int(self.number("<I"))
        if not 1 <= count <= limits.MAX_DIMS:
            raise self.fail(f"tensor `{name[:80]}` has {count} dimensions")
        shape = tuple(int(self.number("<Q")) for _ in range(count))
        kind, offset = int(self.number("<I")), int(self.number("<Q"))
        if kind not in TENSOR_TYPES:
            raise self.fail(f"tensor `{name[:80]}` has the unknown type {kind}")
        type_name, block, block_bytes = TENSOR_TYPES[kind]
        elements = 1
        for dim in shape:
            elements *= dim
        if elements <= 0 or elements > limits.MAX_FILE_BYTES or shape[0] % block:
            raise self.fail(f"tensor `{name[:80]}` has the impossible shape {shape}")
        return Tensor(name, shape, type_name, elements // block * block_bytes, offset)
