"""A graph in the making, whatever it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.gguf import header


class Builder:
    """`nodes` in the order of computation, and the `leafs` that they start from."""

    def __init__(self, weights: Mapping[str, header.Tensor]) -> None:
        self.nodes: list[Tensor] = []
        self.leafs: list[Tensor] = []
        self._entries = weights
        self._weights: dict[str, Tensor] = {}
        self._inputs: dict[str, Tensor] = {}

    def settle(self, weight: Tensor) -> None:
        """Say where a weight lies: in the first backend, unless a graph knows better."""
        weight.home = 0

    def expand(self, result: Tensor) -> Tensor:
        """Put a tensor and all that it needs at the end of the order; ggml.c, ggml_visit_parents_graph."""
        if not result.seen:
            result.seen = True
            for source in result.sources:
                self.expand(source)
            (self.nodes if result.op else self.leafs).append(result)
        return result

    def input(self, name: str, kind: str, *ne: int) -> Tensor:
        """A tensor that is filled before the graph runs: the same one for the same name."""
        if name not in self._inputs:
            made = Tensor(kind, ne)
            made.name = name
            made.is_input = True
            self._inputs[name] = made
        return self._inputs[name]

    def fixed(self, name: str, kind: str, *ne: int, home: int | None = None) -> Tensor:
        """A tensor that has its bytes elsewhere."""
        if name not in self._weights:
            made = Tensor(kind, ne)
            made.name = name
            made.fixed = True
            self.settle(made)
            made.home = made.home if home is None else home
            self._weights[name] = made
        return self._weights[name]

    def weight(self, name: str) -> Tensor | None:
        """A weight of the file, None when it has none of that name."""
        entry = self._entries.get(name)
        return self.fixed(name, entry.type, *entry.shape) if entry else None

    def need(self, name: str) -> Tensor:
        """A weight that the architecture cannot do without. Raises KeyError."""
        found = self.weight(name)
        if found is None:
            raise KeyError(name)
        return found
