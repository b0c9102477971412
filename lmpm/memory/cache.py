"""Bytes of the caches, layer by layer: keys and values, and the states of recurrent layers.

Follows `llama-kv-cache.cpp`, `llama-kv-cache-iswa.cpp` and `llama-memory-recurrent.cpp` (the constructors).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.memory.ggml.tensor import row_size
from lmpm.memory.graphs.attention import value_width

if TYPE_CHECKING:
    from lmpm.memory.model import Model
    from lmpm.memory.settings import Plan

STATE_BYTES: Final = 4  # of an element: states are f32 whatever the cache's type


def layer_cache(model: Model, plan: Plan, layer: int) -> int:
    """Bytes of the keys and values of one layer, for all sequences."""
    if not model.has_cache(layer):
        return 0
    cells = plan.window_cells if model.is_window(layer) else plan.cells
    heads = model.kv_heads(layer)
    size = row_size(plan.key_type, model.key_length(layer) * heads)
    if not model.is_latent:
        size += row_size(plan.value_type, value_width(model, layer, turned=plan.turned_values))
    return size * cells * plan.streams


def layer_state(model: Model, plan: Plan, layer: int) -> int:
    """Bytes of the state of one recurrent layer, for all sequences."""
    if not model.is_recurrent(layer):
        return 0
    return sum(model.state_sizes) * STATE_BYTES * plan.sequences
