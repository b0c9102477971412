"""What one decoded token reads: of the weights those that it goes through, and the cache as far as it is filled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.estimate.memory.constants import filled
from lmpm.estimate.memory.kv_cache import layer_cache, layer_state
from lmpm.estimate.memory.run_plan import resolve
from lmpm.estimate.memory.weights import BLOCK, EXPERTS, LOOKED_UP, is_loaded, is_tied

if TYPE_CHECKING:
    from lmpm.estimate.memory.hparams import HParams
    from lmpm.run_config import RunConfig


def bytes_per_token(model: HParams, settings: RunConfig) -> int:
    """Bytes that a token reads with the context half full: weights, keys and values; states are written, too."""
    weights = sum(tensor.nbytes * _share(model, name) for name, tensor in model.tensors.items())
    plan = resolve(replace(settings, context=filled(settings.context or model.context_length)), model)
    layers = range(model.all_layers)
    keys_values = sum(layer_cache(model, plan, layer) for layer in layers)
    states = sum(layer_state(model, plan, layer) for layer in layers)
    return int(weights) + keys_values + 2 * states


def parameters(model: HParams) -> int:
    """Parameters of the file."""
    return sum(tensor.elements for tensor in model.tensors.values())


def active_parameters(model: HParams) -> int:
    """Parameters that one token goes through; the tables that are looked up count as a whole."""
    active = 0.0
    for name, tensor in model.tensors.items():
        active += tensor.elements * (1.0 if name in LOOKED_UP else _share(model, name))
    return int(active)


def _share(model: HParams, name: str) -> float:
    """The part of a tensor that a token reads: of experts those used, of a table of rows only one."""
    if not is_loaded(model, name):
        return 0.0
    if name in LOOKED_UP:
        return 1.0 if name == "token_embd.weight" and is_tied(model) else 0.0
    if EXPERTS.search(name) and model.experts:
        found = BLOCK.match(name)
        return model.expert_count_used(int(found[1]) if found else 0) / model.experts
    return 1.0
