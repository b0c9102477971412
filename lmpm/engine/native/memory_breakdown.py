"""llama.cpp's own account of its memory by buffer type: a C++ map, read where it lies. Runs in the child only.

`llama_get_memory_breakdown` is what `llama-fit-params` itself asks. It has no C form; its result is a
`std::map` of pointers and numbers, whose layout has been the same in libstdc++ and libc++ for many years.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lmpm.types import DeviceMemory, MemoryParts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SYMBOL: Final = "_Z26llama_get_memory_breakdownPK13llama_context"  # Itanium C++ ABI
MAX_BUFFER_TYPES: Final = 64
VALUE_OFFSET: Final = 32  # of (key, model, context, compute) in a node


class Layout(NamedTuple):
    """Where a map keeps its root and its size, and a node its children; in bytes."""

    words: int
    root: int
    size: int
    left: int
    right: int


class PlannedBuffer(NamedTuple):
    """What one kind of buffer would hold, in bytes: `CPU`, `CPU_REPACK`, `CUDA0`."""

    name: str
    on_host: bool
    weights: int
    cache: int  # keys, values and states
    compute: int

    def parts(self, states: int) -> MemoryParts:
        """The same by part; `states` are those of recurrent layers, a part of the cache."""
        weights = {"repack" if self.name.endswith("REPACK") else "weights": self.weights}
        return MemoryParts(**weights, kv_cache=self.cache - states, recurrent=states, compute=self.compute)


LIBSTDCXX: Final = Layout(words=6, root=16, size=40, left=16, right=24)
LIBCXX: Final = Layout(words=3, root=8, size=16, left=0, right=8)


class NoBreakdownError(Exception):
    """Raised for a build that cannot be asked."""


def breakdown(library: Any, context: Any) -> tuple[PlannedBuffer, ...]:
    """What each buffer type holds. Raises NoBreakdownError."""
    if sys.platform == "win32" or not hasattr(library, SYMBOL):
        raise NoBreakdownError("this build of llama.cpp does not tell how it plans its memory")
    layout = LIBCXX if sys.platform == "darwin" else LIBSTDCXX

    class Map(ctypes.Structure):
        _fields_ = (("words", ctypes.c_size_t * layout.words),)

    ask = getattr(library, SYMBOL)
    ask.argtypes, ask.restype = [ctypes.c_void_p], Map
    name, is_host = library.ggml_backend_buft_name, library.ggml_backend_buft_is_host
    name.argtypes = is_host.argtypes = [ctypes.c_void_p]
    name.restype, is_host.restype = ctypes.c_char_p, ctypes.c_bool
    found = ask(context)
    count, root = found.words[layout.size // 8], found.words[layout.root // 8]
    if count > MAX_BUFFER_TYPES:
        raise NoBreakdownError("this build of llama.cpp keeps its memory plan in an unknown form")
    nodes = list(_nodes(root, layout, count))
    if len(nodes) != count:
        raise NoBreakdownError("this build of llama.cpp keeps its memory plan in an unknown form")
    buffers = []
    for node in nodes:
        key, weights, cache, compute = (ctypes.c_size_t * 4).from_address(node + VALUE_OFFSET)
        label = name(key).decode("utf-8", "replace")
        on_host = is_host(key) or label.startswith("CPU")  # repacked weights are no plain host memory
        buffers.append(PlannedBuffer(label, on_host, weights, cache, compute))
    return tuple(sorted(buffers, key=lambda item: (item.on_host, item.name)))


def _nodes(node: int, layout: Layout, most: int) -> Iterator[int]:
    """Addresses of the nodes below and with `node`, never more than `most` of them."""
    pending = [node] if node else []
    while pending and most > 0:
        most -= 1
        node = pending.pop()
        yield node
        children = (ctypes.c_size_t.from_address(node + side).value for side in (layout.left, layout.right))
        pending += [child for child in children if child]


def by_device(buffers: Sequence[PlannedBuffer], states: Mapping[str, int], output: int) -> tuple[DeviceMemory, ...]:
    """The buffers of each GPU, and those of the host together; `states` by the name of the buffer."""
    parts = [(item, item.parts(states.get(item.name, 0))) for item in buffers]
    here = [MemoryParts(output=output), *(held for item, held in parts if item.on_host)]
    gpus = (DeviceMemory(item.name, held, is_host=False) for item, held in parts if not item.on_host)
    return (*gpus, DeviceMemory("CPU", MemoryParts(*map(sum, zip(*here, strict=True)))))
