"""How much memory a model takes at given settings, by part and by device, from its header.

Weights and caches are added up as llama.cpp places them. The compute buffer comes from the graph that
llama.cpp would build, run through ggml's own rules of allocation. Nothing is fitted to measurements but the
two constants of what no buffer shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory import cache
from lmpm.estimate.memory.ggml.backend import CPU
from lmpm.estimate.memory.ggml.scheduler import compute_buffers
from lmpm.estimate.memory.graphs import build
from lmpm.estimate.memory.graphs.graph import Graph
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.plan import resolve
from lmpm.estimate.memory.projector import projector_need
from lmpm.estimate.memory.weights import Placement, mapped_bytes
from lmpm.limits import MIB

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.estimate.memory.plan import Plan
    from lmpm.gguf import Header
    from lmpm.run_config import RunConfig

# What no buffer of llama.cpp shows.
TOKENIZER_BYTES_PER_TOKEN: Final = 400  # tables of a BPE vocabulary with merges, measured: 0.3-0.45 KB a token
HOST_OVERHEAD: Final = 32 * MIB  # Python, the library and its small buffers
GPU_OVERHEAD: Final = {"cuda": 350 * MIB, "metal": 32 * MIB}  # the context of a device: 107-555 MiB reported
BOUND: Final = 1.5  # the compute buffer of an unknown architecture, over that of the nearest known one


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNeed:
    """What one device holds."""

    name: str
    weights: int = 0
    cache: int = 0  # keys, values and states
    compute: int = 0
    other: int = 0  # outputs, tables, the encoder of pictures, the device's own context

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.compute + self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes by part, over all devices.

    `reclaimable` are pages of the file that the system may drop at any time: it is counted in `weights`,
    but need not fit. `is_bound` tells an architecture that is not known: an upper bound then.
    """

    context: int
    weights: int
    repack: int
    kv_cache: int
    recurrent: int
    compute: int
    output: int
    mmproj: int
    tokenizer: int
    overhead: int
    reclaimable: int
    devices: tuple[DeviceNeed, ...]
    is_bound: bool = False

    @property
    def total(self) -> int:
        """All parts together."""
        return (
            self.weights + self.repack + self.kv_cache + self.recurrent + self.compute + self.output + self.mmproj
            + self.tokenizer + self.overhead
        )  # fmt: skip

    @property
    def must_fit(self) -> int:
        """What cannot be dropped."""
        return self.total - self.reclaimable


def exact_memory(
    header: Header | HParams, settings: RunConfig, gpus: tuple[Backend, ...] = (), *, mmproj: Header | None = None
) -> Need:
    """What a model takes on these GPUs and the host; without GPUs all of it in host memory.

    An encoder of pictures (`mmproj`) goes to the first GPU. The header must have been read with its tensor
    table. Raises ValueError when it was not.
    """
    model = header if isinstance(header, HParams) else HParams(header)
    if "token_embd.weight" not in model.tensors:
        raise ValueError("a tensor table with `token_embd.weight` is needed")
    placement = Placement(model, settings, gpus)
    used = {placement.of_layer(layer) for layer in range(model.all_layers)}
    plan = resolve(settings, model, [placement.backends[number] for number in sorted(used)])
    weights, repack = placement.weight_bytes()
    reclaimable = 0
    if settings.mmap:  # the file's own pages take the place of the CPU's buffer, repacked tensors between them, too
        mapped = mapped_bytes(placement)
        reclaimable = max(0, mapped - weights[-1])
        weights[-1] = max(mapped, weights[-1])
    keys_values, states = [0] * len(weights), [0] * len(weights)
    for layer in range(model.all_layers):
        where = placement.of_layer(layer)
        keys_values[where] += cache.layer_cache(model, plan, layer, placement.backends[where])
        states[where] += cache.layer_state(model, plan, layer, placement.backends[where])
    compute, is_exact = _compute(model, plan, placement)
    output = output_bytes(model, plan)
    tokenizer = model.vocabulary * TOKENIZER_BYTES_PER_TOKEN
    extra = [GPU_OVERHEAD[gpu.kind] for gpu in gpus] + [HOST_OVERHEAD]
    pictures = projector_need(mmproj, gpus[0] if gpus else None) if mmproj else None
    beside = [0] * len(weights)
    if pictures:
        beside[0] += pictures.weights + pictures.compute
        beside[-1] += pictures.host_compute
    devices = [
        DeviceNeed(
            name=backend.name,
            weights=weights[number] + (repack if backend is CPU else 0),
            cache=keys_values[number] + states[number],
            compute=compute[number],
            other=extra[number] + beside[number] + (output + tokenizer if backend is CPU else 0),
        )
        for number, backend in enumerate(placement.backends)
    ]
    return Need(
        context=plan.context,
        weights=sum(weights),
        repack=repack,
        kv_cache=sum(keys_values),
        recurrent=sum(states),
        compute=sum(compute),
        output=output,
        mmproj=sum(beside),
        tokenizer=tokenizer,
        overhead=sum(extra),
        reclaimable=reclaimable,
        devices=tuple(devices),
        is_bound=not is_exact or bool(pictures and pictures.is_bound),
    )


def _compute(model: HParams, plan: Plan, placement: Placement) -> tuple[list[int], bool]:
    """The compute buffer of each backend, for a full batch, and whether it is exact: else it is a bound."""
    graph = Graph(plan, placement)
    try:
        build(graph)
    except (KeyError, IndexError, ZeroDivisionError):  # weights or numbers that no known graph has
        return _bound(model, plan, placement), False
    sizes = compute_buffers(graph, placement.backends, pipeline=_is_pipeline(placement))
    return (sizes, True) if model.is_known else ([int(size * BOUND) for size in sizes], False)


def _bound(model: HParams, plan: Plan, placement: Placement) -> list[int]:
    """More than any graph over these weights takes: the results of all matrices of the widest layer at once."""
    rows: dict[str, int] = {}
    for name, tensor in model.tensors.items():
        block = name.rpartition(".")[0].rpartition(".")[0]
        if len(tensor.shape) > 1 and block:
            experts = model.expert_count_used(0) if len(tensor.shape) == 3 else 1
            rows[block] = rows.get(block, 0) + tensor.shape[1] * max(experts, 1)
    masks = 4 * plan.tokens * (plan.cells + plan.window_cells)
    scores = 0 if plan.flash_attention else 4 * plan.tokens * plan.cells * max(model.heads(), 1)
    features = 4 * plan.tokens * (max(rows.values(), default=0) + 6 * model.wide)
    most = masks + 2 * scores + features + 4 * plan.outputs * model.vocabulary
    return [int(most * BOUND)] * len(placement.backends)


def _is_pipeline(placement: Placement) -> bool:
    """Whether several GPUs work at once; llama-context.cpp, pipeline_parallel."""
    return (
        len(placement.gpus) > 1
        and placement.offloaded > placement.model.all_layers
        and placement.settings.expert_layers_on_cpu == 0
    )


def output_bytes(model: HParams, plan: Plan) -> int:
    """Logits, and vectors where they are asked for, of one row for each sequence; llama-context.cpp, output_reserve."""
    wide = model.header.integer("embedding_length_out", model.wide) if plan.settings.embeddings else 0
    return (model.vocabulary + wide) * 4 * plan.sequences
