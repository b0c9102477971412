"""Whether a model fits a machine, how many of its layers a GPU takes, and the largest context that fits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.constants import CONTEXT_STEP
from lmpm.estimate.memory.exact import exact_memory
from lmpm.estimate.memory.ggml.backend import Backend
from lmpm.run_config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmpm.estimate.memory.ggml.backend import BackendKind
    from lmpm.estimate.memory.hparams import HParams
    from lmpm.run_config import Repacking
    from lmpm.types import Machine, MemoryPlan

KINDS: Final[dict[str, BackendKind]] = {"metal": "metal", "cpu": "cpu"}  # every other GPU allocates like CUDA


def gpus_of(machine: Machine) -> tuple[Backend, ...]:
    """The GPUs that llama.cpp would use, equal in size where there are several."""
    if machine.accelerator == "cpu":
        return ()
    kind = KINDS.get(machine.accelerator, "cuda")
    count = max(1, machine.gpus)
    return tuple(Backend(kind, f"GPU {number}" if count > 1 else "GPU") for number in range(count))


def fits(plan: MemoryPlan, machine: Machine) -> bool:
    """Whether everything has its place: on the GPUs what lies there, the rest in host memory."""
    if not plan.gpus:
        return plan.must_fit <= (machine.host_budget if machine.vram else machine.budget)
    if not machine.vram:  # one memory for both
        return sum(gpu.total for gpu in plan.gpus) <= machine.budget and plan.must_fit <= machine.memory
    return _gpus_fit(plan, machine) and max(0, plan.host.total - plan.reclaimable) <= machine.host_budget


def _gpus_fit(plan: MemoryPlan, machine: Machine) -> bool:
    """Whether each GPU holds its share; its budget has left the context of the device out already."""
    return all(gpu.total - gpu.parts.overhead <= machine.budget // len(plan.gpus) for gpu in plan.gpus)


def settings_for(
    model: HParams,
    context: int,
    *,
    embeddings: bool = False,
    repack: Repacking = "avx2",
    machine: Machine | None = None,
    slots: int = 1,
) -> RunConfig:
    """How lmpm runs a model: for `context` tokens or those it was trained for, on the GPUs as far as it fits there.

    `machine` None leaves it to the engine what goes to a GPU. Each of the `slots` has a context of its own.
    """
    tokens = slots * min(context, model.context_length or context)
    settings = RunConfig(context=tokens, sequences=slots, embeddings=embeddings, repack=repack)
    return placed(model, settings, machine) if machine else settings


def placed(model: HParams, settings: RunConfig, machine: Machine) -> RunConfig:
    """The settings with as many layers on the GPUs as fit there; as they are where all do, or where none is.

    What is left runs on the CPU, from host memory.
    """
    gpus = gpus_of(machine)
    if not machine.vram or settings.gpu_layers is not None or settings.expert_layers_on_cpu != 0:
        return settings

    def fits_with(layers: int) -> bool:
        return _gpus_fit(exact_memory(model, replace(settings, gpu_layers=layers), gpus), machine)

    every = model.all_layers + 1
    if fits_with(every):
        return settings
    low, high = 0, every  # layers that fit, and that do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits_with(middle) else (low, middle)
    return replace(settings, gpu_layers=low)


def largest_context(trained: int, fits_at: Callable[[int], bool]) -> int:
    """The most tokens, up to those the model was trained for, at which `fits_at` says yes; 0 when it never does."""
    trained = trained or CONTEXT_STEP
    if fits_at(trained):
        return trained
    low, high = 0, -(-trained // CONTEXT_STEP)  # steps at which it fits, and at which it does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits_at(middle * CONTEXT_STEP) else (low, middle)
    return low * CONTEXT_STEP
