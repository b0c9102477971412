"""The graph that an architecture runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.graphs.decoder import decoder
from lmpm.estimate.memory.graphs.delta import delta
from lmpm.estimate.memory.graphs.encoder import encoder, gemma_encoder, pre_norm_encoder
from lmpm.estimate.memory.graphs.gemma3n import gemma3n
from lmpm.estimate.memory.graphs.gemma4 import gemma4
from lmpm.estimate.memory.graphs.hybrid import hybrid, mamba, nemotron_h, side_by_side
from lmpm.estimate.memory.graphs.latent import latent
from lmpm.estimate.memory.graphs.rwkv import rwkv7

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.estimate.memory.architectures import Kind
    from lmpm.estimate.memory.graphs.graph import Graph

BUILDERS: Final[Mapping[Kind, Callable[[Graph], None]]] = {
    "decoder": decoder,
    "delta": delta,
    "encoder": encoder,
    "gemma3n": gemma3n,
    "gemma4": gemma4,
    "gemma_encoder": gemma_encoder,
    "hybrid": hybrid,
    "latent": latent,
    "mamba": mamba,
    "nemotron_h": nemotron_h,
    "pre_norm_encoder": pre_norm_encoder,
    "rwkv7": rwkv7,
    "side_by_side": side_by_side,
}


def build(graph: Graph) -> None:
    """Build the graph of the model's architecture."""
    BUILDERS[graph.model.architecture.kind](graph)
