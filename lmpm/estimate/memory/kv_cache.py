"""Bytes of the caches, layer by layer: keys and values, and the states of recurrent layers.

Follows `llama-kv-cache.cpp`, `llama-kv-cache-iswa.cpp` and `llama-memory-recurrent.cpp` (the constructors).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml.backend import CPU
from lmpm.estimate.memory.ggml.tensor import Tensor
from lmpm.estimate.memory.graphs.attention import value_width

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.estimate.memory.hparams import HParams
    from lmpm.estimate.memory.run_plan import Plan


def layer_cache(model: HParams, plan: Plan, layer: int, backend: Backend = CPU) -> int:
    """Bytes of the keys and values of one layer, for all sequences."""
    if not model.has_cache(layer):
        return 0
    cells = plan.window_cells if model.is_window(layer) else plan.cells
    heads = model.kv_heads(layer)
    size = backend.padded(Tensor(plan.key_type, (model.key_length(layer) * heads, cells, plan.streams)))
    if not model.is_latent:
        width = value_width(model, layer, turned=plan.turned_values)
        size += backend.padded(Tensor(plan.value_type, (width, cells, plan.streams)))
    return size


def layer_state(model: HParams, plan: Plan, layer: int, backend: Backend = CPU) -> int:
    """Bytes of the state of one recurrent layer, for all sequences; f32 whatever the cache's type."""
    if not model.is_recurrent(layer):
        return 0
    return sum(backend.padded(Tensor("F32", (size, plan.sequences))) for size in model.state_sizes)
