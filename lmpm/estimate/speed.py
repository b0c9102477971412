"""How fast a model will answer: decode and prefill speed, and the time to the first token.

Decoding waits for memory: a token takes the bytes that it touches over the bandwidth that decoding really
reaches, and a fixed time for the steps of each layer. The constants were fitted by `benchmarks/speed.py`,
which prints their errors on chips, and on models, that the fit did not see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from lmpm.estimate import cpu_speed
from lmpm.estimate.cpu_speed import Cpu
from lmpm.limits import GIB
from lmpm.types import Processor, Speed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.types import Accelerator, Machine, MemoryPlan, Variant

Kind = Literal["dense", "gemma", "hybrid"]  # what the layers of a model are made of

# What a prediction is as sure as: a plain model whole on a known GPU; one of experts, or with recurrent layers; a GPU
# that shares the computer's memory; quants that are unpacked through tables; CPUs of PCs and of servers; a model
# split over GPU and host; and whatever nobody has measured.
Group = Literal[
    "plain", "experts", "hybrid", "shared", "low-bit", "cpu", "cpu-experts", "server", "split", "unmeasured"
]


class Efficiency(NamedTuple):
    """How one kind of accelerator decodes."""

    bandwidth_share: float  # of the peak bandwidth that decoding reaches
    layer_s: float  # seconds for the steps of one plain layer, whatever its size


class Constants(NamedTuple):
    """What was fitted: the accelerators, and what all of them share."""

    accelerators: Mapping[Accelerator, Efficiency]  # of the GPUs; CPUs: `cpu_speed`
    shared_share: float  # times the bandwidth share, of a CUDA GPU without a memory of its own
    kinds: Mapping[Kind, float]  # steps of a layer beside those of a plain one
    experts: float  # the same for a mixture of experts; a hybrid one takes both
    cuda_operations: float  # prompt operations that cost a CUDA card as much as unpacking one byte of weights
    low_bit_share: float  # of the bandwidth that is left where a byte holds many weights


class Part(NamedTuple):
    """One kind of processor with its memory."""

    accelerator: Accelerator
    bandwidth: int
    compute: float | None = None
    cores: int | None = None
    processor: Processor = Processor()
    shared: bool = False  # a CUDA GPU that has no memory of its own


class Workload(NamedTuple):
    """What a model asks of the machine that runs it. Sizes are bytes.

    `need` must fit, `touched` is read for each token, of `layers` layers (0: not known). `active_parameters` are
    those that a token goes through, and `size` are the files that are copied where not all of them fit. `sparse` is
    a mixture of experts; where it is None the bytes decide how it decodes, and it reads like a dense one.
    """

    need: int
    touched: int
    layers: int
    active_parameters: int = 0
    size: int = 0
    quant: str = ""
    kind: Kind = "dense"
    sparse: bool | None = None

    @property
    def has_experts(self) -> bool:
        """Whether a token goes through a part of the weights alone."""
        return is_sparse(self.touched, self.need) if self.sparse is None else self.sparse


# Fitted by `benchmarks/speed.py` in November 2026 on published llama-local_engine tables (llama.cpp discussions
# 4167, 15013, 10879 and 15396, XiongjieDai/GPU-Benchmarks-on-LLM-Inference) and llmfit's community uploads.
# ROCm and Vulkan share the rows of AMD cards. SYCL has no row: it takes what the GPUs have in common, less
# a quarter.
FITTED: Final = Constants(
    accelerators={
        "metal": Efficiency(0.883, 130.5e-6),
        "cuda": Efficiency(0.879, 52.6e-6),
        "rocm": Efficiency(0.848, 63.8e-6),
        "vulkan": Efficiency(0.848, 63.8e-6),
        "sycl": Efficiency(0.652, 95.5e-6),
    },
    kinds={"dense": 1.0, "gemma": 1.64, "hybrid": 1.36},
    experts=1.41,
    cuda_operations=53.1,
    low_bit_share=0.679,
    shared_share=0.895,
)
KNOWN: Final = frozenset({"measured", "system", "given", "table"})  # origins of a bandwidth that can be relied on
UNFITTED: Final = frozenset({"sycl"})

# Recurrent layers among attention. Only qwen35 was measured; the others are built alike.
HYBRIDS: Final = frozenset(
    {"qwen35", "qwen35moe", "qwen3next", "nemotron_h", "nemotron_h_moe", "granitehybrid", "falcon-h1", "jamba"}
)
LOW_BIT_QUANTS: Final = ("IQ1", "IQ2", "IQ3")  # unpacked through tables: arithmetic, no longer memory, is the limit
METAL_LOW_BIT_SHARE: Final = 0.5  # of the bandwidth: 29 to 58 % of the peak is reached (llama.cpp issue 27525)
EXPERTS_TOUCHED_AT_MOST: Final = 1 / 3  # of the need, by a token of a mixture of experts; a dense one reads more
SPLIT_MARGIN: Final = GIB  # that llama.cpp leaves free on a GPU when not all layers go there

# What is shown around a prediction: 9 in 10 measurements lie within, on chips that the fit did not see.
RANGES: Final[Mapping[Group, tuple[float, float]]] = {
    "plain": (0.80, 1.25),
    "experts": (0.75, 1.40),
    "hybrid": (0.72, 1.35),
    "shared": (0.78, 1.20),
    "low-bit": (0.50, 1.40),
    "cpu": (0.58, 1.70),
    "cpu-experts": (0.42, 1.25),  # three runs only: 0.45, 0.53 and 1.2 of the prediction
    "server": (0.40, 1.95),
    "split": (0.50, 1.25),
    "unmeasured": (0.50, 1.25),
}
CONFIDENT_WIDTH: Final = 2.0  # high / low: a wider range is said to be of low confidence

# Effective FLOP/s of prompt processing where a GPU's own figure is not known: per byte/s of bandwidth, a low value
# of each family in llama.cpp discussions 4167 and 15013.
PREFILL_FLOPS_PER_BANDWIDTH: Final[Mapping[Accelerator, float]] = {
    "metal": 18.0, "cuda": 55.0, "rocm": 35.0, "sycl": 20.0, "vulkan": 25.0,
}  # fmt: skip
# Of the compute, by a mixture of experts, of which each gets a small part of the batch: wide matrix units stay half
# empty. A Mac's are narrow: an M2 Ultra reads 2,045 tokens a second for Qwen3-Coder-30B-A3B and 1,419 for a 7B, both
# Q8_0 (llama.cpp pull request 15616), which is 0.63; an M4 Pro 741 for Qwen3.6-35B-A3B (tps_community.tsv), 0.7 to 0.9.
PREFILL_EXPERTS_SHARE: Final = 0.33
PREFILL_EXPERTS_SHARE_ON_METAL: Final = 0.6
PREFILL_BATCH: Final = 512  # prompt tokens at once: the engine's setting
LEAST_FLOPS: Final = 1e9  # no machine that is known computes less
PCIE_BANDWIDTH: Final = 12e9  # weights in host memory are copied to the GPU for every batch of the prompt


def predict_speed(machine: Machine, work: Workload, *, prompt: int) -> Speed | None:
    """Speed of a model on a machine, and the time to the first token behind `prompt` tokens.

    None when the machine's bandwidth is not known, or when it would thrash: then no figure means anything.
    """
    seconds = seconds_per_token(machine, work)
    share = gpu_share(machine, work.need)
    if seconds is None or share is None:
        return None
    prefill = 1 / _prefill_seconds(machine, work, share)
    known = work.layers > 0 and is_known(machine)
    group = group_of(
        part_of(machine), known=known, share=share, kind=work.kind, sparse=work.has_experts, quant=work.quant
    )
    low, high = RANGES[group]
    return Speed(
        decode=1 / seconds,
        decode_low=low / seconds,
        decode_high=high / seconds,
        prefill=prefill,
        first_token_s=prompt / prefill + seconds,
        placement="cpu" if machine.accelerator == "cpu" else "gpu" if share == 1.0 else "split",
        confident=high <= CONFIDENT_WIDTH * low,
    )


def group_of(part: Part, *, known: bool, share: float, kind: Kind, sparse: bool, quant: str) -> Group:
    """What a prediction is as sure as, where `share` of the model is in the memory that runs it fastest.

    `known`: whether the bandwidth is that of a chip in the tables, and not assumed.
    """
    if not known or part.accelerator in UNFITTED:
        return "unmeasured"
    if share < 1.0:
        return "split"
    if is_low_bit(quant):
        return "low-bit"
    if part.accelerator == "cpu":
        if sparse:
            return "cpu-experts"
        return "server" if part.processor.server else "cpu"
    if sparse:
        return "experts"
    if kind == "hybrid":
        return "hybrid"
    return "shared" if part.shared else "plain"


def part_of(machine: Machine) -> Part:
    """The processor that has the memory that `machine.budget` counts."""
    return Part(
        machine.accelerator,
        machine.bandwidth or 0,
        machine.compute,
        machine.cores,
        machine.processor,
        machine.accelerator == "cuda" and not machine.vram,
    )


def workload_of(variant: Variant, memory: MemoryPlan) -> Workload:
    """What a variant with this memory asks of a machine; without a shape all of its bytes count as parameters."""
    shape = variant.shape
    return Workload(
        need=memory.must_fit,
        touched=memory.bytes_per_token,
        layers=shape.layers if shape else 0,
        active_parameters=shape.active_parameters if shape else variant.size,
        size=variant.size,
        quant=variant.quant,
        kind=kind_of(variant.architecture),
        sparse=bool(shape and shape.active_parameters < shape.parameters),
    )


def gpu_share(machine: Machine, need: int) -> float | None:
    """Share of `need` bytes in the memory that runs them fastest; None when they fit nowhere.

    A model that has to be split leaves a margin on each GPU, so what is just too large slows down at once.
    """
    if need <= machine.budget:
        return 1.0
    if machine.host_budget and need <= machine.budget + machine.host_budget:
        return max(0, machine.budget - SPLIT_MARGIN * max(1, machine.gpus)) / need
    return None


def will_thrash(machine: Machine, need: int) -> bool:
    """Whether a model would be read from the disk for every token: no speed is predicted then."""
    return gpu_share(machine, need) is None


def is_known(machine: Machine) -> bool:
    """Whether the machine's bandwidth is that of a known chip, or was given."""
    return machine.source_of("bandwidth").origin in KNOWN


def kind_of(architecture: str) -> Kind:
    """What the layers of an architecture are made of, as far as it changes how long they take to start."""
    if architecture in HYBRIDS:
        return "hybrid"
    return "gemma" if architecture.startswith("gemma") else "dense"


def is_sparse(touched: int, need: int) -> bool:
    """Whether a model of which a token reads `touched` of `need` bytes must be a mixture of experts."""
    return touched <= need * EXPERTS_TOUCHED_AT_MOST


def is_low_bit(quant: str) -> bool:
    """Whether a quant (`IQ2_XS`, `UD-IQ2_XS`) is unpacked through tables, which takes longer than reading it."""
    return any(part.startswith(LOW_BIT_QUANTS) for part in quant.split("-"))


def seconds_per_token(machine: Machine, work: Workload) -> float | None:
    """Seconds to decode one token.

    A model larger than the GPU's budget is split over GPU and host: both read their share in turn.
    """
    share = gpu_share(machine, work.need)
    if share is None or not machine.bandwidth:
        return None
    part = part_of(machine)
    steps = layer_steps(FITTED, work.layers, work.kind, sparse=work.has_experts)
    seconds = decode_seconds(FITTED, part, touched=work.touched * share, steps=steps * share, quant=work.quant)
    if share < 1.0:
        if not machine.host_bandwidth:
            return None
        host = Part("cpu", machine.host_bandwidth, cores=machine.cores, processor=machine.processor)
        rest = 1 - share
        seconds += decode_seconds(FITTED, host, touched=work.touched * rest, steps=steps * rest, quant=work.quant)
    return seconds


def layer_steps(constants: Constants, layers: int, kind: Kind, *, sparse: bool) -> float:
    """How many plain layers take as long to start as these."""
    return layers * constants.kinds[kind] * (constants.experts if sparse else 1.0)


def decode_seconds(constants: Constants, part: Part, *, touched: float, steps: float, quant: str = "") -> float:
    """Seconds to read `touched` bytes out of one kind of memory, and for the `steps` of its layers."""
    low_bit = is_low_bit(quant)
    if part.accelerator == "cpu":
        cpu = Cpu(part.bandwidth, part.cores, part.processor)
        return cpu_speed.decode_seconds(cpu_speed.FITTED, cpu, touched=touched, steps=steps, low_bit=low_bit)
    efficiency = constants.accelerators[part.accelerator]
    reached = efficiency.bandwidth_share * part.bandwidth
    if part.shared:
        reached *= constants.shared_share
    if low_bit:
        reached *= METAL_LOW_BIT_SHARE if part.accelerator == "metal" else constants.low_bit_share
    if part.accelerator == "cuda" and part.compute:  # a card without fast matrix units unpacks slower than it reads
        reached = min(reached, part.compute / constants.cuda_operations)
    return touched / reached + efficiency.layer_s * steps


def prefill_share(accelerator: Accelerator) -> float:
    """The share of its compute with which an accelerator reads a prompt for a mixture of experts."""
    return PREFILL_EXPERTS_SHARE_ON_METAL if accelerator == "metal" else PREFILL_EXPERTS_SHARE


def _prefill_seconds(machine: Machine, work: Workload, share: float) -> float:
    """Seconds for one token of a prompt: two operations for each active parameter.

    Of a split model the GPU computes everything, after the rest of the weights has been copied to it.
    """
    if machine.compute:
        flops = machine.compute
    elif machine.accelerator == "cpu":
        cpu = Cpu(machine.bandwidth or 0, machine.cores, machine.processor)
        flops = cpu_speed.prompt_flops(cpu_speed.FITTED, cpu, low_bit=is_low_bit(work.quant))
    else:
        flops = (machine.bandwidth or 0) * PREFILL_FLOPS_PER_BANDWIDTH[machine.accelerator]
    if work.has_experts:
        flops *= prefill_share(machine.accelerator)
    copied = (1 - share) * work.size
    return 2 * max(work.active_parameters, 1) / max(flops, LEAST_FLOPS) + copied / (PCIE_BANDWIDTH * PREFILL_BATCH)
