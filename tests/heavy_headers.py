"""Headers that cost a reader much more than they are worth: each below 70 MB, all sound or nearly so."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from tests.gguf_files import raw_gguf

MIB: Final = 2**20


def text(data: bytes) -> bytes:
    """A string as GGUF writes it."""
    return struct.pack("<Q", len(data)) + data


def key(name: bytes, kind: int, value: bytes) -> bytes:
    """A key with its value."""
    return text(name) + struct.pack("<I", kind) + value


def array(kind: int, count: int, items: bytes) -> bytes:
    """The value of a key that is an array."""
    return struct.pack("<IQ", kind, count) + items


def tensor(number: int) -> bytes:
    """A row of the tensor table, for 32 numbers of 4 bytes."""
    name = text(b"blk.%d.ffn_gate.%d.weight" % (number % 100, number))
    return name + struct.pack("<IQQIQ", 2, 32, 1, 0, number * 128)


def _arrays(kind: int, count: int, items: int, item: bytes) -> bytes:
    return raw_gguf([key(b"k%d" % number, 9, array(kind, items, item * items)) for number in range(count)])


# What each is, how it is made, and whether it is read in the end.
HEAVY: Final[Mapping[str, tuple[Callable[[], bytes], bool]]] = {
    "15,800 arrays of 4,096 int8": (lambda: _arrays(1, 15_800, 4096, b"\x7f"), False),
    "1,500 arrays of 4,096 uint64": (lambda: _arrays(10, 1500, 4096, b"\x7f" * 8), False),
    "60,000 arrays of 128 doubles": (lambda: _arrays(12, 60_000, 128, b"\x3f" * 8), False),
    "100,000 keys": (lambda: raw_gguf([key(b"k%d" % number, 0, b"\0") for number in range(99_990)]), True),
    "500 keys of 64 KiB": (lambda: raw_gguf([key(b"%d" % n + b"k" * 65_000, 0, b"\0") for n in range(500)]), True),
    "99,000 tensors": (lambda: raw_gguf([], [tensor(number) for number in range(99_000)], bytes(99_000 * 128)), True),
    "3 strings of 16 MiB": (lambda: raw_gguf([key(b"k%d" % n, 8, text(b"a" * 16 * MIB)) for n in range(3)]), True),
    "40 strings of 1 MiB in four bytes a letter": (
        lambda: raw_gguf([key(b"k%d" % n, 8, text(b"a" * (MIB - 4) + "\U0001f600".encode())) for n in range(40)]), False
    ),
    "6 million empty strings": (lambda: _arrays(8, 6, 999_000, bytes(8)), False),
}  # fmt: skip
