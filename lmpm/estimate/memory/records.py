"""What a header tells of a variant, in the records that the choice and the speed are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lmpm.estimate.memory.exact import DeviceNeed, exact_memory
from lmpm.estimate.memory.per_token import active_parameters, parameters, touched_bytes
from lmpm.estimate.memory.quick import shape_of
from lmpm.estimate.memory.weights import is_tied
from lmpm.types import HeaderFacts, Memory

if TYPE_CHECKING:
    from lmpm.estimate.memory.dry_run import DryRun
    from lmpm.estimate.memory.exact import Need
    from lmpm.estimate.memory.hparams import HParams
    from lmpm.gguf import Header
    from lmpm.run_config import RunConfig
    from lmpm.types import Shape


def facts_of(model: HParams, settings: RunConfig, mmproj: Header | None = None) -> HeaderFacts:
    """Need and bytes per token with everything on one device and no weight twice: the same on every machine.

    Raises ValueError for numbers that llama.cpp refuses.
    """
    plain = replace(settings, repack="none", mmap=False, gpu_layers=None)
    needed = exact_memory(model, plain, mmproj=mmproj)
    return HeaderFacts(memory=memory_of(needed, settings.context), touched=touched_bytes(model, settings))


def memory_of(needed: Need, context: int) -> Memory:
    """What must fit, for a context as it was asked for, before llama.cpp pads it."""
    return Memory(
        context=context,
        weights=needed.weights + needed.repack - needed.reclaimable,
        kv_cache=needed.kv_cache,
        recurrent=needed.recurrent,
        compute=needed.compute,
        output=needed.output,
        mmproj=needed.mmproj,
        overhead=needed.overhead + needed.tokenizer,
        source="upper bound" if needed.is_bound else "header",
    )


def planned_memory(plan: DryRun, told: Memory) -> Memory:
    """What llama.cpp plans, and what it does not account for as the header tells it."""
    return replace(
        told,
        weights=plan.weights + plan.repack,
        kv_cache=plan.kv_cache,
        recurrent=plan.recurrent,
        compute=plan.compute,
        output=plan.output or told.output,  # told in hundredths of a MiB
        source="dry-run",
    )


def planned_need(needed: Need, plan: DryRun) -> Need:
    """The need with llama.cpp's own figures; what no buffer shows stays as it was worked out."""
    *gpus, host = needed.devices
    beside = {device.name: device.other for device in gpus}
    there = [item for item in plan.buffers if not item.on_host]
    names = [device.name for device in gpus] if len(there) == len(gpus) else [item.name for item in there]
    devices = [
        DeviceNeed(name=name, weights=item.weights, cache=item.cache, compute=item.compute, other=beside.get(name, 0))
        for name, item in zip(names, there, strict=True)
    ]
    here = [item for item in plan.buffers if item.on_host]
    output = plan.output or needed.output  # told in hundredths of a MiB
    rest = sum(beside.values()) - sum(device.other for device in devices)  # of GPUs that llama.cpp does not use
    devices.append(
        DeviceNeed(
            name=host.name,
            weights=sum(item.weights for item in here),
            cache=sum(item.cache for item in here),
            compute=sum(item.compute for item in here),
            other=host.other - needed.output + output + rest,
        )
    )
    return replace(
        needed,
        weights=plan.weights,
        repack=plan.repack,
        kv_cache=plan.kv_cache,
        recurrent=plan.recurrent,
        compute=plan.compute,
        output=output,
        reclaimable=0,
        devices=tuple(devices),
        is_bound=False,
    )


def exact_shape(model: HParams) -> Shape | None:
    """The shape with what only the tensor table knows; None where there is no attention to describe."""
    shape = shape_of(model.header, parameters=parameters(model))
    if shape is None:
        return None
    return replace(shape, active_parameters=active_parameters(model), tied_embeddings=is_tied(model))
