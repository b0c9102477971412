"""How ggml places the tensors of a graph in as few bytes as it finds: best fit, reuse, operands overwritten.

Follows ggml `ggml-alloc.c`: ggml_gallocr_alloc_graph_impl and ggml_dyn_tallocr. It is evaluated on the
graph's own tensors, so that a compute buffer comes out to the byte, fragmentation included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml.tensor import IN_PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.estimate.memory.ggml.tensor import Tensor

ENDLESS: Final = 1 << 62  # the last free block


class Buffer:
    """The free blocks of one buffer, in order; the last one has no end. `peak` is what must be allocated."""

    def __init__(self, padded: Callable[[Tensor], int]) -> None:
        self.padded = padded  # the bytes that a tensor takes here
        self.peak = 0
        self._free: list[list[int]] = [[0, ENDLESS]]  # offset, size

    def take(self, size: int) -> int:
        """The offset of a new block: the smallest hole that holds it, else the end."""
        best, best_size = -1, ENDLESS
        for number, (_, free) in enumerate(self._free[:-1]):
            if size <= free <= best_size:
                best, best_size = number, free
        if best < 0:
            best = len(self._free) - 1
        block = self._free[best]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if block[1] == 0:
            del self._free[best]
        self.peak = max(self.peak, offset + size)
        return offset

    def give(self, offset: int, size: int) -> None:
        """Free a block and join it with free neighbours."""
        free = self._free
        for number, block in enumerate(free):
            if block[0] + block[1] == offset:
                block[1] += size
                if number + 1 < len(free) and block[0] + block[1] == free[number + 1][0]:
                    block[1] += free.pop(number + 1)[1]
                return
            if offset + size == block[0]:
                block[0] = offset
                block[1] += size
                if number and free[number - 1][0] + free[number - 1][1] == offset:
                    free[number - 1][1] += free.pop(number)[1]
                return
        at = next((number for number, block in enumerate(free) if block[0] > offset), len(free))
        free.insert(at, [offset, size])


def allocate(leafs: Sequence[Tensor], nodes: Sequence[Tensor], buffers: Sequence[Buffer]) -> None:
    """Run the allocator over a graph in its order; every tensor's `backend` says in which buffer."""
    for leaf in leafs:
        _place(leaf, leaf.backend, buffers)
    for node in nodes:
        if node.root is not None and node.op is not None:
            node.root.views += 1
        if node.is_input:
            _place(node, node.backend, buffers)
        for source in node.sources:
            source.children += 1
            if source.is_input:
                _place(source, node.backend, buffers)
    for node in nodes:
        for source in node.sources:
            _place(source, node.backend, buffers)
        _place(node, node.backend, buffers)
        for source in node.sources:
            source.children -= 1
            if source.children == 0 and source.views == 0:
                _release(source, buffers)


def _place(tensor: Tensor, where: int, buffers: Sequence[Buffer]) -> None:
    if tensor.fixed or tensor.owned or tensor.root is not None:
        return
    tensor.owned = True
    if tensor.op in IN_PLACE:
        for parent in tensor.sources:
            if _can_overwrite(parent, tensor):
                _overwrite(parent, tensor, buffers[parent.storage])
                return
    tensor.storage = where
    tensor.address = buffers[where].take(buffers[where].padded(tensor))


def _overwrite(parent: Tensor, tensor: Tensor, buffer: Buffer) -> None:
    """Give the bytes of `parent` to `tensor`, and free what the parent's operation had as scratch."""
    tensor.storage, tensor.address = parent.storage, parent.address
    parent.owned = False
    extra = buffer.padded(parent) - buffer.padded(tensor)
    if extra > 0:
        buffer.give(tensor.address + buffer.padded(tensor), extra)


def _can_overwrite(parent: Tensor, tensor: Tensor) -> bool:
    """An operand that nobody else reads, of the same layout. Views are never overwritten: they own nothing."""
    return (
        parent.owned
        and not parent.is_output
        and parent.children == 1
        and parent.views == 0
        and parent.type == tensor.type
        and parent.ne == tensor.ne
        and parent.nb == tensor.nb
    )


def _release(tensor: Tensor, buffers: Sequence[Buffer]) -> None:
    if tensor.root is not None:
        root = tensor.root
        root.views -= 1
        if root.views == 0 and root.children == 0 and root.owned:
            _free(root, buffers)
    elif tensor.owned:
        _free(tensor, buffers)


def _free(tensor: Tensor, buffers: Sequence[Buffer]) -> None:
    if not tensor.is_output:
        buffer = buffers[tensor.storage]
        buffer.give(tensor.address, buffer.padded(tensor))
        tensor.owned = False
