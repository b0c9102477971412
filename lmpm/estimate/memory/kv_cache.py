"""Bytes of the caches, layer by layer: keys and values, and the states of recurrent layers.

Follows `llama-kv-cache.cpp`, `llama-kv-cache-iswa.cpp` and `llama-memory-recurrent.cpp` (the constructors).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml.backend import CPU
from lmpm.estimate.memory.ggml.tensor import Tensor
from lmpm.estimate.memory.graphs.attention import value_width
from lmpm.limits import MIB

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.estimate.memory.hparams import HParams
    from lmpm.estimate.memory.run_plan import Plan
    from lmpm.run_config import Service

CELL_BYTES: Final = 24  # of a state: position and sequences of a cell, its place in a picture; state_write_meta


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


def history(model: HParams, plan: Plan, service: Service) -> int:
    """The most bytes that a server keeps of earlier prompts: those that it was told, and checkpoints of each slot.

    A checkpoint is what of a sequence cannot be cut: the cells that the window layers still see, and the states of
    recurrent layers; server-context.cpp, create_checkpoint, and the `state_write` of each kind of memory.
    """
    kept = service.history_bytes // MIB * MIB  # the server counts in whole MiB
    if not service.checkpoints or plan.settings.embeddings:
        return kept
    seen = min(model.window, plan.window_cells)
    part = replace(plan, window_cells=seen, streams=1, settings=replace(plan.settings, sequences=1))
    layers = range(model.layers)
    checkpoint = sum(layer_state(model, part, layer) for layer in layers)
    if not plan.settings.swa_full:
        checkpoint += sum(layer_cache(model, part, layer) for layer in layers if model.is_window(layer))
        checkpoint += CELL_BYTES * seen
    return kept + checkpoint * service.checkpoints * plan.sequences
