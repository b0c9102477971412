"""How a model is run, as far as memory depends on it, and the two usual ways to run one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.constants import CONTEXT_STEP, padded
from lmpm.run_config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.estimate.memory.hparams import HParams

LMPM: Final = RunConfig(context=0)
LLAMA_SERVER: Final = RunConfig(context=0, sequences=4, unified=True, outputs=4)
PRESETS: Final = {"lmpm": LMPM, "llama-server": LLAMA_SERVER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Settings resolved for a model; llama-context.cpp, the constructor and sched_reserve."""

    settings: RunConfig
    context: int  # cells of all sequences
    cells: int  # of one stream
    streams: int
    window_cells: int
    batch: int
    ubatch: int
    tokens: int  # of the graph that memory is reserved for
    outputs: int
    flash_attention: bool
    turned_values: bool  # the cache keeps values by element, as attention without a flash kernel wants them
    key_type: str
    value_type: str

    @property
    def sequences(self) -> int:
        """Sequences at once."""
        return self.settings.sequences


def resolve(settings: RunConfig, model: HParams, backends: Sequence[Backend] = ()) -> Plan:
    """The plan for a model on the backends that its layers run on."""
    wanted = settings.context or model.context_length or CONTEXT_STEP
    batch = min(wanted, settings.batch) if model.is_causal and model.architecture.keeps != "nothing" else settings.batch
    ubatch = min(batch, settings.ubatch)
    context = padded(wanted)
    cells = context if settings.unified else padded(context // settings.sequences)
    if not settings.unified:
        context = cells * settings.sequences
    outputs_max = batch if settings.embeddings or not settings.outputs else max(settings.outputs, settings.sequences)
    tokens = min(context, ubatch)
    seen = model.window * (settings.sequences if settings.unified else 1) + ubatch
    return Plan(
        settings=settings,
        context=context,
        cells=cells,
        streams=1 if settings.unified else settings.sequences,
        window_cells=cells if settings.swa_full else padded(min(cells, seen)),
        batch=batch,
        ubatch=ubatch,
        # a graph serves all sequences alike
        tokens=-(-tokens // settings.sequences) * settings.sequences,
        outputs=min(tokens, outputs_max),
        flash_attention=_uses_flash_attention(settings, model, backends),
        turned_values=settings.flash_attention == "off",
        key_type=settings.kv_type.upper(),
        value_type=(settings.value_type or settings.kv_type).upper(),
    )


def _uses_flash_attention(settings: RunConfig, model: HParams, backends: Sequence[Backend]) -> bool:
    """Whether it is asked for, or every backend has a kernel for every layer."""
    if not settings.is_flash_optional:
        return settings.flash_attention != "off"
    return all(_has_flash_kernel(item, model) for item in backends)


def _has_flash_kernel(backend: Backend, model: HParams) -> bool:
    """Whether every attention layer has one; llama-context.cpp, resolve_fused_ops."""
    layers = [layer for layer in range(model.layers) if model.heads(layer) and model.kv_heads(layer)]
    return all(
        backend.flash_attention(
            model.key_length(layer), model.value_length(layer), model.heads(layer) // model.kv_heads(layer)
        )
        for layer in layers
    )


def refusal(settings: RunConfig, model: HParams) -> str | None:
    """Why llama.cpp does not run a model at these settings, None when it does.

    Follows llama-context.cpp, llama_init_from_model.
    """
    if not any(model.has_cache(layer) for layer in range(model.layers)):
        return None
    key_type, value_type = settings.kv_type.upper(), (settings.value_type or settings.kv_type).upper()
    if settings.quantizes_values and settings.flash_attention == "off":
        return f"values of type {value_type.lower()} need flash attention"
    if model.is_latent and key_type != value_type:
        return "keys and values of a compressed cache have one type"
    if settings.flash_attention == "off":
        return None
    from lmpm.estimate.memory.ggml.tensor import TYPES  # settings are read by all, types of tensors by few

    for layer in range(model.layers):
        for kind, length in ((key_type, model.key_length(layer)), (value_type, model.value_length(layer))):
            if length % TYPES[kind][0]:
                return f"heads of {length} elements cannot be cut into the blocks of {kind.lower()}"
    return None
