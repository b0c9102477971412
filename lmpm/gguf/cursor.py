"""Reading forward through the header of a GGUF file, within one budget of memory and of work.

A header is input from a stranger: every count and length is checked against the bytes that are left before anything
is read or allocated, and what is kept and done is counted before it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from sys import getsizeof
from typing import Final

from lmpm import limits
from lmpm.errors import IntegrityError
from lmpm.fs import printable
from lmpm.gguf import foreign

ReadAt = Callable[[int, int], bytes]  # (offset, length) -> at most length bytes
Value = int | float | bool | str | tuple[int | float | bool, ...] | None

KEPT_ARRAY_ITEMS: Final = 4096  # longer arrays (tokenizer scores, types) are counted, not kept
KEPT_STRING_BYTES: Final = 1 * limits.MIB  # longer ones (a whole tokenizer as JSON) are passed over

# GGUF metadata value types: number -> layout; 8 is a string, 9 an array.
_CODES: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_SCALARS: Final = {number: struct.Struct(f"<{code}") for number, code in _CODES.items()}
STRING: Final = 8
ARRAY: Final = 9
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_HEAD: Final = struct.Struct("<IQ")  # of an array: type, number of items
_ITEM_BYTES: Final = 44  # that CPython keeps for a number in a tuple
_DAMAGED: Final = f"It is damaged or was made wrongly. {foreign.AGAIN}"


class Cursor:
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
        """The error that says what is wrong with the file, and what to do."""
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

    def u32(self) -> int:
        """A number of 32 bits: a type, a count."""
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
        kind, length = self.unpack(_HEAD)
        if kind != STRING and kind not in _SCALARS:  # nested arrays too: llama.cpp refuses them
            raise self.fail(f"an array of the unsupported type {kind}")
        width = _U64.size if kind == STRING else _SCALARS[kind].size
        if length * width > self._end - self.position:
            raise self.fail(f"it claims an array of {length:,} items, more than are in it")
        return kind, length

    def array(self) -> tuple[int, tuple[int | float | bool, ...] | None]:
        """The length of an array, and its items where they are few numbers."""
        kind, length = self.array_head()
        if kind == STRING:
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
