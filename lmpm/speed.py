"""How fast a model will answer: decode and prefill speed, and the time to the first token.

Decoding is bound by memory: `seconds per token = bytes touched / (efficiency x bandwidth) + a cost per
layer`. The constants per accelerator were fitted on published llama-bench tables (llama.cpp
discussions #4167, #15013, #10879 and #15396, and the community rows of AlexsJones/llmfit); with one
chip left out at a time the median error on dense models is 7 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lmpm.memory import bytes_per_token
from lmpm.types import Machine, Memory, Speed

if TYPE_CHECKING:
    from lmpm.types import Variant


class Efficiency(NamedTuple):
    """Constants of the decode model for one accelerator."""

    bandwidth_share: float  # of the peak bandwidth that decoding reaches
    layer_s: float  # fixed seconds per layer of a dense model
    expert_layer_s: float  # of a mixture of experts


EFFICIENCY: Final = {
    "metal": Efficiency(0.90, 132e-6, 205e-6),
    "cuda": Efficiency(0.82, 39e-6, 71e-6),
    "rocm": Efficiency(0.88, 69e-6, 83e-6),
    "sycl": Efficiency(0.88, 69e-6, 83e-6),
    "vulkan": Efficiency(0.88, 69e-6, 83e-6),
    "cpu": Efficiency(0.62, 0.0, 0.0),
}
RANGE: Final = (0.75, 1.15)  # what is shown around a prediction: single figures claim too much

# Effective FLOP/s of prompt processing where a chip's own figure is not known: per byte/s of bandwidth,
# a low value of each family in llama.cpp discussions #4167 and #15013; a CPU core does some 2.5e10.
PREFILL_FLOPS_PER_BANDWIDTH: Final = {
    "metal": 18.0, "cuda": 55.0, "rocm": 35.0, "sycl": 20.0, "vulkan": 25.0, "cpu": 2.0,
}  # fmt: skip
PREFILL_FLOPS_PER_CORE: Final = 2.5e10


def predict(machine: Machine, variant: Variant, memory: Memory, *, prompt: int) -> Speed | None:
    """Speed of a variant on a machine at half of its planned context.

    None when the machine's bandwidth is not known or the variant does not fit it.
    """
    shape = variant.shape
    seconds = seconds_per_token(
        machine,
        need=memory.total,
        touched=bytes_per_token(variant, memory.context),
        layers=shape.layers if shape else 0,
        sparse=bool(shape and shape.active_parameters < shape.parameters),
    )
    share = gpu_share(machine, memory.total)
    if seconds is None or share is None:
        return None
    prefill = _prefill(machine, variant, share)
    return Speed(
        decode=1 / seconds,
        decode_low=RANGE[0] / seconds,
        decode_high=RANGE[1] / seconds,
        prefill=prefill,
        first_token_s=prompt / prefill + seconds,
        placement="cpu" if machine.accelerator == "cpu" else "gpu" if share == 1.0 else "split",
        confident=not any(fact == "bandwidth" and "assumed" in origin for fact, origin in machine.sources),
    )


def gpu_share(machine: Machine, need: int) -> float | None:
    """Share of `need` bytes in the memory that runs them fastest; None when they fit nowhere."""
    if need <= machine.budget:
        return 1.0
    if machine.host_budget and need <= machine.budget + machine.host_budget:
        return machine.budget / need
    return None


def seconds_per_token(machine: Machine, *, need: int, touched: int, layers: int, sparse: bool = False) -> float | None:
    """Seconds to decode one token that reads `touched` bytes, of a model that takes `need` bytes.

    A model larger than the GPU's budget is split over GPU and host: both read their share in turn.
    """
    share = gpu_share(machine, need)
    if share is None or not machine.bandwidth:
        return None
    seconds = _seconds(machine.accelerator, machine.bandwidth, touched * share, layers * share, sparse)
    if share < 1.0:
        if not machine.host_bandwidth:
            return None
        rest = 1 - share
        seconds += _seconds("cpu", machine.host_bandwidth, touched * rest, layers * rest, sparse)
    return seconds


def _seconds(accelerator: str, bandwidth: int, touched: float, layers: float, sparse: bool) -> float:
    """Seconds to read `touched` bytes out of one kind of memory, and to start the layers' work."""
    efficiency = EFFICIENCY[accelerator]
    per_layer = efficiency.expert_layer_s if sparse else efficiency.layer_s
    return touched / (efficiency.bandwidth_share * bandwidth) + per_layer * layers


def _prefill(machine: Machine, variant: Variant, share: float) -> float:
    """Prompt tokens per second: two operations for each active parameter."""
    if machine.compute:
        flops = machine.compute
    elif machine.accelerator == "cpu" and machine.cores:
        flops = machine.cores * PREFILL_FLOPS_PER_CORE
    else:
        flops = (machine.bandwidth or 0) * PREFILL_FLOPS_PER_BANDWIDTH[machine.accelerator]
    active = variant.shape.active_parameters if variant.shape else variant.size
    return max(flops * share, PREFILL_FLOPS_PER_CORE) / (2 * max(active, 1))
