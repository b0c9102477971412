"""What other tools would say of the same model, from what is publicly known of their formulas.

They are re-expressed here in their own simplifications: a full cache in every layer, no compressed caches, no
states. Each counts what must fit beside the weights, so that all can be compared with llama.cpp's total.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml.tensor import row_size
from lmpm.limits import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.estimate.memory.hparams import HParams
    from lmpm.run_config import RunConfig

    Estimate = Callable[[HParams, RunConfig], int]

WINDOWED: Final = frozenset({"llama4", "gemma2", "gemma3", "cohere2"})  # where gguf-parser-go knows of windows
OUTPUT_ROWS: Final = 512
NOMINAL_BYTES: Final = {"Q4_K": 0.58, "Q4_0": 0.56, "Q8_0": 1.06, "F16": 2.0}  # of a parameter, as quants are named


def file_size(model: HParams) -> int:
    """Bytes of the tensors."""
    return sum(tensor.nbytes for tensor in model.tensors.values())


def plain_cache(model: HParams, settings: RunConfig, kind: str | None = None) -> int:
    """Keys and values in every layer, for the whole context."""
    kind = (kind or settings.kv_type).upper()
    cells = settings.context
    per_cell = 0
    for layer in range(model.all_layers):
        heads = model.kv_heads(layer) or max(model.kv_heads(item) for item in range(model.all_layers))
        per_cell += row_size(kind, model.key_length(layer) * heads) + row_size(kind, model.value_length(layer) * heads)
    return per_cell * cells


def times_1_2(model: HParams, _: RunConfig) -> int:
    """The file's size and a fifth."""
    return file_size(model) * 6 // 5


def plain(model: HParams, settings: RunConfig) -> int:
    """The file, a plain cache, and half a GiB."""
    return file_size(model) + plain_cache(model, settings) + GIB // 2


def llmfit(model: HParams, settings: RunConfig) -> int:
    """Parameters times the quant's nominal bytes, a full f16 cache, and half a GB."""
    kinds = [tensor.type for tensor in model.tensors.values() if len(tensor.shape) > 1]
    quant = max(set(kinds), key=kinds.count)
    parameters = sum(tensor.elements for tensor in model.tensors.values())
    return int(parameters * NOMINAL_BYTES.get(quant, 1.0)) + plain_cache(model, settings, "f16") + 500_000_000


def ollama_2025(model: HParams, settings: RunConfig) -> int:
    """Its estimator of 2025, with the graph of the llama family: it grows with heads times context."""
    heads, wide, batch, context = model.heads(), model.wide, min(512, settings.context), settings.context
    graph = max(
        4 * batch * (1 + 4 * wide + context * (1 + heads)),
        4 * batch * (wide + model.vocabulary),
    )
    return file_size(model) + plain_cache(model, settings) + graph


def gguf_parser(model: HParams, settings: RunConfig) -> int:
    """gguf-parser-go: windows in four architectures only, the logical batch, an f32 mask, 512 rows of output."""
    batch = min(settings.batch, settings.context)
    cache = plain_cache(model, settings)
    if model.header.architecture in WINDOWED and model.window:
        windows = sum(model.is_window(layer) for layer in range(model.all_layers))
        share = windows / model.all_layers
        cache = int(cache * (1 - share) + cache * share * min(1.0, (model.window + batch) / settings.context))
    features = max(3 * model.by_layer("feed_forward_length", 0), 2 * model.wide)
    compute = 4 * batch * (features + 3 * model.wide) + 4 * batch * settings.context
    output = 4 * min(OUTPUT_ROWS, batch) * model.vocabulary
    return file_size(model) + cache + compute + output + 100 * MIB


PEERS: Final[Mapping[str, Estimate]] = {
    "gguf-parser-like": gguf_parser,
    "llmfit": llmfit,
    "ollama 2025": ollama_2025,
    "file + plain KV + 0.5 GiB": plain,
    "file x 1.2": times_1_2,
}
