"""The graph that an architecture runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.memory.decoder import decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.memory.architectures import Kind
    from lmpm.memory.graph import Graph

BUILDERS: Final[Mapping[Kind, Callable[[Graph], None]]] = {"decoder": decoder}


def build(graph: Graph) -> None:
    """Build the graph of the model's architecture."""
    BUILDERS[graph.model.architecture.kind](graph)
