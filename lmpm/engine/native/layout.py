"""Where the fields of llama.cpp's two parameter structs lie in a given build, recognised by their defaults.

The structs grow and shift from build to build, and a field written at an old place fails in silence: with the
definitions of 0.5 on 0.6, `swa_full` stays on and a cache of 21 MiB takes 36. So each library is asked for its
defaults, and is used only if they are, byte by byte, those of a known layout.
"""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS: Final = 64  # of the buffer that defaults are written to; twice what any known build needs
Buffer: Final = ctypes.c_uint64 * WORDS


class UnknownLayoutError(Exception):
    """Raised for a build whose parameters are in no known form."""

    kind = "layout"


@dataclass(frozen=True, slots=True)
class Layout:
    """One form of a struct: its size in bytes, its fields as (format of `struct`, offset), its defaults.

    `defaults` maps offsets to what stands there in hexadecimal digits; all other bytes are zero, but for
    `padding`, which is undefined.
    """

    size: int
    fields: Mapping[str, tuple[str, int]]
    defaults: Mapping[int, str]
    padding: frozenset[int]

    def is_of(self, raw: bytes) -> bool:
        """Whether the defaults of a library are those of this form."""
        expected = bytearray(self.size)
        for offset, digits in self.defaults.items():
            value = bytes.fromhex(digits)
            expected[offset : offset + len(value)] = value
        return all(raw[at] == expected[at] for at in range(self.size) if at not in self.padding)


# llama.h, llama_model_params; the same from 0.5.0 to 0.6.0.
MODEL_LAYOUTS: Final = (
    Layout(
        size=80,
        fields={
            "tensor_buft_overrides": ("Q", 8), "n_gpu_layers": ("i", 16), "split_mode": ("i", 20),
            "load_mode": ("i", 24), "main_gpu": ("i", 32), "use_extra_bufts": ("?", 74), "no_alloc": ("?", 76),
        },
        defaults={16: "ffffffff 01000000 ffffffff 01000000", 74: "01"},
        padding=frozenset((36, 37, 38, 39, 78, 79)),
    ),
)  # fmt: skip

_CONTEXT_FIELDS: Final = {
    "n_ctx": ("I", 0), "n_batch": ("I", 4), "n_ubatch": ("I", 8), "n_seq_max": ("I", 12), "n_outputs_max": ("I", 20),
    "n_threads": ("i", 28), "n_threads_batch": ("i", 32), "pooling_type": ("i", 44), "flash_attn_type": ("i", 52),
    "type_k": ("i", 104), "type_v": ("i", 108),
}  # fmt: skip
_CONTEXT_DEFAULTS: Final = {
    0: "00020000 00080000 00020000 01000000", 24: "01000000 04000000 04000000",
    40: "ffffffff ffffffff ffffffff ffffffff",
    64: "000080bf 000080bf 000080bf 000080bf", 84: "000080bf", 104: "01000000 01000000",
}  # fmt: skip


def _context_layout(flags: int) -> Layout:
    """The form of llama_context_params whose booleans begin at `flags`."""
    return Layout(
        size=flags + 32,
        fields={
            **_CONTEXT_FIELDS,
            "embeddings": ("?", flags),
            "no_perf": ("?", flags + 2),
            "swa_full": ("?", flags + 4),
            "kv_unified": ("?", flags + 5),
        },
        defaults={**_CONTEXT_DEFAULTS, flags: "000101010100"},
        padding=frozenset((flags + 6, flags + 7)),
    )


# llama.h, llama_context_params; the booleans begin at 128 in 0.5.0 and at 136 in 0.6.0.
CONTEXT_LAYOUTS: Final = (_context_layout(128), _context_layout(136))


class Parameters:
    """A struct of parameters, by the names of its fields."""

    def __init__(self, layout: Layout, raw: bytes | bytearray) -> None:
        self.layout = layout
        self._raw = bytearray(raw[: layout.size])

    def copy(self) -> Parameters:
        """The same values, to be changed apart."""
        return Parameters(self.layout, self._raw)

    def set(self, **values: int) -> None:
        """Write fields by name."""
        for name, value in values.items():
            kind, offset = self.layout.fields[name]
            struct.pack_into(kind, self._raw, offset, value)

    def get(self, name: str) -> Any:
        """Read a field by name."""
        kind, offset = self.layout.fields[name]
        return struct.unpack_from(kind, self._raw, offset)[0]

    def by_value(self) -> Any:
        """The struct as an argument that C takes by value."""
        return value_type(self.layout.size).from_buffer_copy(self._raw)


@cache
def value_type(size: int) -> type[ctypes.Structure]:
    """A struct of `size` bytes, aligned as one with pointers is."""
    return type("Parameters", (ctypes.Structure,), {"_fields_": (("words", ctypes.c_uint64 * (size // 8)),)})


def defaults(function: Any, layouts: tuple[Layout, ...], name: str) -> Parameters:
    """What `llama_*_default_params` gives, in the form that it is recognised by. Raises UnknownLayoutError.

    It returns its struct through a pointer that the caller provides: a buffer larger than the struct takes it,
    whatever its size.
    """
    function.restype = value_type(WORDS * 8)
    raw = bytes(function())
    found = [layout for layout in layouts if layout.is_of(raw)]
    if len(found) != 1:
        raise UnknownLayoutError(
            f"this build of llama.cpp cannot be asked: its `{name}` has a form that lmpm does not know"
        )
    return Parameters(found[0], raw)
