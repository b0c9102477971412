"""How much memory a model takes at given settings, by part and by device, from its header.

Weights and caches are added up as llama.cpp places them. The compute buffer comes from the graph that
llama.cpp would build, run through ggml's own rules of allocation. Nothing is fitted to measurements but the
two constants of what no buffer shows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.bytes_per_token import active_parameters, bytes_per_token, parameters
from lmpm.estimate.memory.constants import BUILD, GPU_OVERHEAD, HOST_OVERHEAD, TOKENIZER_BYTES_PER_TOKEN
from lmpm.estimate.memory.ggml.backend import CPU
from lmpm.estimate.memory.ggml.scheduler import assign, compute_buffers
from lmpm.estimate.memory.graphs import build
from lmpm.estimate.memory.graphs.graph import Graph
from lmpm.estimate.memory.hparams import HParams
from lmpm.estimate.memory.kv_cache import history, layer_cache, layer_state
from lmpm.estimate.memory.projector import projector_need
from lmpm.estimate.memory.run_plan import resolve
from lmpm.estimate.memory.shape import shape_of
from lmpm.estimate.memory.weights import Placement, is_tied, mapped_bytes
from lmpm.run_config import ALONE
from lmpm.types import DeviceMemory, MemoryParts, MemoryPlan

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.estimate.memory.run_plan import Plan
    from lmpm.gguf import Header
    from lmpm.run_config import RunConfig, Service
    from lmpm.types import Shape

BOUND: Final = 1.5  # the compute buffer of an unknown architecture, over that of the nearest known one


def exact_memory(
    header: Header | HParams,
    settings: RunConfig,
    gpus: tuple[Backend, ...] = (),
    *,
    mmproj: Header | None = None,
    service: Service = ALONE,
) -> MemoryPlan:
    """What a model takes on these GPUs and the host; without GPUs all of it in host memory.

    A vision encoder (`mmproj`) goes to the first GPU, what a `service` keeps to the host. The header must have been
    read with its tensor table. Raises ValueError when it was not.
    """
    model = header if isinstance(header, HParams) else HParams(header)
    if "token_embd.weight" not in model.tensors:
        raise ValueError("a tensor table with `token_embd.weight` is needed")
    placement = Placement(model, settings, gpus)
    used = {placement.of_layer(layer) for layer in range(model.all_layers)}
    plan = resolve(settings, model, [placement.backends[number] for number in sorted(used)])
    if plan.flash_attention and settings.is_flash_optional and not _keeps_flash_attention(plan, placement):
        plan = replace(plan, flash_attention=False)
    weights, repack = placement.weight_bytes()
    reclaimable = 0
    if settings.mmap:  # the file's own pages take the place of the CPU's buffer, repacked tensors between them, too
        mapped = mapped_bytes(placement)
        reclaimable = max(0, mapped - weights[-1])
        weights[-1] = max(mapped, weights[-1])
    compute, is_exact = _compute(model, plan, placement)
    pictures = projector_need(mmproj, gpus[0] if gpus else None) if mmproj else None
    devices = []
    for number, backend in enumerate(placement.backends):
        layers = [layer for layer in range(model.all_layers) if placement.of_layer(layer) == number]
        parts = MemoryParts(
            weights=weights[number],
            kv_cache=sum(layer_cache(model, plan, layer, backend) for layer in layers),
            recurrent=sum(layer_state(model, plan, layer, backend) for layer in layers),
            compute=compute[number],
            mmproj=pictures.weights + pictures.compute if pictures and number == 0 else 0,
            overhead=HOST_OVERHEAD if backend is CPU else GPU_OVERHEAD[backend.kind],
        )
        if backend is CPU:
            parts = parts._replace(
                repack=repack,
                output=output_bytes(model, plan),
                mmproj=parts.mmproj + (pictures.host_compute if pictures else 0),
                tokenizer=model.vocabulary * TOKENIZER_BYTES_PER_TOKEN,
                history=history(model, plan, service),
            )
        devices.append(DeviceMemory(backend.name, parts, is_host=backend is CPU))
    return MemoryPlan(
        context=plan.context,
        devices=tuple(devices),
        source="header" if is_exact and not (pictures and pictures.is_bound) else "at least",
        build=BUILD,
        unknown_keys=() if model.is_known else model.unknown_keys,
        reclaimable=reclaimable,
        bytes_per_token=bytes_per_token(model, settings),
    )


def memory_by_header(model: HParams, settings: RunConfig, mmproj: Header | None = None) -> MemoryPlan:
    """What must fit of a model with everything on one device and no weight twice: the same on every machine.

    For the context as it was asked for, before llama.cpp pads it. Raises ValueError for numbers that llama.cpp
    refuses.
    """
    plan = exact_memory(model, replace(settings, repack="none", mmap=True, gpu_layers=None), mmproj=mmproj)
    parts = plan.host.parts
    kept = parts._replace(weights=parts.weights - plan.reclaimable)
    return replace(plan, context=settings.context, devices=(plan.host._replace(parts=kept),), reclaimable=0)


def exact_shape(model: HParams) -> Shape | None:
    """The shape with what only the tensor table knows; None where there is no attention to describe."""
    shape = shape_of(model.header, parameters=parameters(model))
    if shape is None:
        return None
    return replace(shape, active_parameters=active_parameters(model), tied_embeddings=is_tied(model))


def complete_plan(plan: MemoryPlan, formula: MemoryPlan) -> MemoryPlan:
    """llama.cpp's own plan, with what it does not account for as the formula has it.

    It plans without mapping the file, so that tied weights may lie twice in host memory; where the formula is about
    the same devices, they are counted as they are run. Where it knows fewer devices, or more, what lies beside the
    buffers is taken to lie on the host, and the vision encoder on the first device.
    """
    beside, reclaimable = [device.parts for device in formula.devices], 0
    names = [device.name for device in formula.devices]
    if len(beside) != len(plan.devices):
        whole = formula.parts
        names = [device.name for device in plan.devices]
        beside = [MemoryParts()] * len(names)
        beside[-1] = whole
        beside[0] = beside[0]._replace(mmproj=whole.mmproj)
        if len(beside) > 1:
            beside[-1] = beside[-1]._replace(mmproj=0)
        beside = [other._replace(weights=own.parts.weights) for other, own in zip(beside, plan.devices, strict=True)]
    else:
        reclaimable = formula.reclaimable
    devices = tuple(
        DeviceMemory(
            name,
            own.parts._replace(
                weights=other.weights if own.is_host and own.parts.repack == other.repack else own.parts.weights,
                output=own.parts.output or (other.output if own.is_host else 0),  # llama.cpp says hundredths of a MiB
                mmproj=other.mmproj,
                tokenizer=other.tokenizer,
                overhead=other.overhead,
                history=other.history,
            ),
            own.is_host,
        )
        for name, own, other in zip(names, plan.devices, beside, strict=True)
    )
    return replace(
        plan,
        context=formula.context,
        devices=devices,
        reclaimable=reclaimable,
        bytes_per_token=formula.bytes_per_token,
    )


def _keeps_flash_attention(plan: Plan, placement: Placement) -> bool:
    """Whether the scheduler gives every layer's attention to the device of the layer; else no layer has the kernel.

    llama.cpp tries it on the graph of one token for each sequence; llama-context.cpp, resolve_fused_ops.
    """
    if len(placement.backends) == 1:
        return True
    tokens = plan.sequences
    graph = Graph(replace(plan, tokens=tokens, outputs=tokens), placement)
    try:
        build(graph)
    except (KeyError, IndexError, ZeroDivisionError):
        return True
    assign(graph, placement.backends)
    return all(node.backend == placement.of_layer(layer) for layer, node in graph.attention)


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
