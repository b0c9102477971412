"""Which backend computes what, and what is copied between them.

Follows ggml `ggml-backend.cpp` (ggml_backend_sched_split_graph): a graph's nodes get a backend, are cut into
splits, and each split starts with copies of what it needs from elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml.allocator import Buffer, allocate
from lmpm.estimate.memory.ggml.tensor import VIEWS, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.estimate.memory.ggml.builder import Builder

NOBODY: Final = -1  # no backend yet
COPIES: Final = 4  # of each input, so that several GPUs work at once; ggml-backend.cpp, GGML_SCHED_MAX_COPIES


def compute_buffers(graph: Builder, backends: Sequence[Backend], *, pipeline: bool = False) -> list[int]:
    """Bytes of the compute buffer in each backend; the CPU is the last of them."""
    buffers = [Buffer(item.padded) for item in backends]
    leafs, nodes = graph.leafs, graph.nodes
    if len(backends) == 1:
        for item in (*leafs, *nodes):
            item.backend = 0
    else:
        assign(graph, backends)
        leafs, nodes = _split(leafs, nodes, len(backends) - 1, COPIES if pipeline else 1)
    allocate(leafs, nodes, buffers)
    return [buffer.peak for buffer in buffers]


def assign(graph: Builder, backends: Sequence[Backend]) -> None:
    """Give every tensor of a graph a backend: by its weights first, then by its neighbours."""
    leafs, nodes = graph.leafs, graph.nodes
    cpu = len(backends) - 1
    for item in (*leafs, *nodes):
        item.backend = _by_weights(item, backends)
    work = [node for node in nodes if node.op not in VIEWS]
    for skipped in (cpu, NOBODY):  # the GPUs first, down and up; then the rest
        _spread(work, backends, skipped)
        _spread(reversed(work), backends, skipped)
    for node in work:
        if node.backend == NOBODY:  # what its neighbours cannot do
            node.backend = _with_most_inputs(node, backends)
    for node in nodes:
        if node.backend == NOBODY and node.root is not None:
            node.backend = node.root.backend
        for source in node.sources:
            if source.backend == NOBODY:
                source.backend = node.backend if source.root is None else source.root.backend
        if node.backend == NOBODY:
            node.backend = 0


def _by_weights(item: Tensor, backends: Sequence[Backend]) -> int:
    cpu = len(backends) - 1
    owner = item if item.fixed else item.root if item.root is not None and item.root.fixed else None
    if owner is not None:
        return cpu if owner.home is None else owner.home
    if item.is_input:
        return cpu
    if item.op in ("rope", "flash_attn"):  # their small weights say nothing
        return NOBODY
    for source in item.sources:
        if source.fixed and not source.name.startswith("cache."):
            if source.home == cpu and source.is_plain:
                return next((number for number, gpu in enumerate(backends[:-1]) if gpu.offloads(item)), cpu)
            return cpu if source.home is None else source.home
    return NOBODY


def _spread(nodes: Iterable[Tensor], backends: Sequence[Backend], skipped: int) -> None:
    """Give nodes without a backend that of the one before, if it can do them."""
    current = NOBODY
    for node in nodes:
        if node.backend != NOBODY:
            current = NOBODY if node.backend == skipped else node.backend
        elif current != NOBODY and backends[current].supports(node):
            node.backend = current


def _with_most_inputs(node: Tensor, backends: Sequence[Backend]) -> int:
    """The backend that can do an operation and holds the most of what it needs."""
    able = [number for number, backend in enumerate(backends) if backend.supports(node)]
    return max(able, key=lambda number: sum(_lies_in(source) == number for source in node.sources))


def _split(
    leafs: Sequence[Tensor], nodes: Sequence[Tensor], cpu: int, copies: int
) -> tuple[list[Tensor], list[Tensor]]:
    """The leafs and nodes in the order of allocation, with copies of what crosses from one backend to another."""
    made: dict[tuple[int, int], Tensor] = {}  # (tensor, backend) -> its copy
    ordered: list[Tensor] = []
    first: list[Tensor] = []  # copies that several GPUs need at once
    for split in _splits(nodes, made, cpu):
        for source in split.inputs:
            keeper = Tensor(source.type, source.ne, None, (source,), root=source, nb=source.nb)
            keeper.backend = source.backend
            copy = made[id(source), split.backend]
            ordered += [keeper, copy]
            first += _kept(copy, copies)
        ordered += split.nodes
    inputs = [item for leaf in leafs if leaf.is_input and copies > 1 for item in _kept(leaf, copies)]
    return [*inputs, *first, *leafs], ordered


def _kept(item: Tensor, copies: int) -> list[Tensor]:
    """The copies of an input that stay, so that the next batch can be written while this one is computed."""
    if copies == 1:
        return []
    item.is_output = True
    kept = [item]
    for _ in range(copies - 1):
        twin = Tensor(item.type, item.ne, nb=item.nb)
        twin.backend, twin.is_input, twin.is_output = item.backend, True, True
        kept.append(twin)
    return kept


class _Split:
    """Nodes of one backend in a row, and what they need from elsewhere."""

    def __init__(self, backend: int) -> None:
        self.backend = backend
        self.nodes: list[Tensor] = []
        self.inputs: list[Tensor] = []


def _splits(nodes: Sequence[Tensor], made: dict[tuple[int, int], Tensor], cpu: int) -> list[_Split]:
    start = next((node.backend for node in nodes if node.op not in VIEWS), cpu)
    splits = [_Split(start)]
    for node in nodes:
        if node.op in VIEWS:
            splits[-1].nodes.append(node)
            continue
        if node.backend != splits[-1].backend or (splits[-1].inputs and _needs_weight(node)):
            splits.append(_Split(node.backend))
        split = splits[-1]
        split.nodes.append(node)
        for source in node.sources:
            if _lies_in(source) != split.backend and (id(source), split.backend) not in made:
                made[id(source), split.backend] = _copy(source, split.backend)
                split.inputs.append(source)
        node.sources = tuple(
            source if _lies_in(source) == split.backend else made[id(source), split.backend] for source in node.sources
        )
    return splits


def _needs_weight(node: Tensor) -> bool:
    """A weight from elsewhere starts a new split, so that the space of the last one is used again."""
    return any(
        source.fixed and not source.name.startswith("cache.") and _lies_in(source) != node.backend
        for source in node.sources
    )


def _lies_in(item: Tensor) -> int:
    if item.root is not None and item.root.fixed:
        return item.root.backend
    return item.backend


def _copy(source: Tensor, backend: int) -> Tensor:
    """A tensor of the same layout in another backend."""
    made = Tensor(source.type, source.ne, nb=source.nb)
    made.backend = backend
    return made
