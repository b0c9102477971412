"""A computer, and where each of its figures is from. Sizes are bytes, bandwidths bytes per second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Accelerator = Literal["metal", "cuda", "rocm", "sycl", "vulkan", "cpu"]

# Where a figure of a machine is from: measured on it, read from its system, told by the user, looked up in the
# tables of chips, counted by a rule from another figure, assumed for want of one; or it is not known, or what
# should say it has failed.
Origin = Literal["measured", "system", "given", "table", "rule", "assumed", "unknown", "failed"]

# The vector instructions of a CPU that llama.cpp uses, as far as they change how fast it computes: of x86 from no
# AVX2 (`sse`) to AMX, where `avx-vnni` has no AVX-512 and `avx512-full` is both of them at full width (Zen 5); of
# ARM with the dot product, and with the products of 8-bit matrices. Empty: not known.
Simd = Literal[
    "", "sse", "avx2", "avx-vnni", "avx512", "avx512-vnni", "avx512-bf16", "avx512-full", "amx",
    "neon", "dotprod", "i8mm",
]  # fmt: skip

SAME_SHARE: Final = 0.1  # by which sizes and bandwidths of one class may differ: a kernel keeps some of the RAM


@dataclass(frozen=True, slots=True)
class Fact:
    """Where a figure is from: `system: /proc/meminfo MemTotal`, `table: RTX 4090`."""

    origin: Origin
    source: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.source}"


NOT_KNOWN: Final = Fact("unknown", "nothing says it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """What the cores of a computer are, as far as it changes how fast they run a model."""

    simd: Simd = ""
    sockets: int = 1
    server: bool = False  # low clocks, and in a cloud only a share of the memory's speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a computer offers to a model. Made by `lmpm.machine`, detected or from a spec.

    `memory` is the host's RAM (or the unified memory), `vram` the sum over discrete GPUs (0 without).
    `budget` is what a model may take where it runs fastest, from totals, never from what is free now.
    `host_budget` is what a part of the model may take in host RAM beside a discrete GPU (0 where there
    is only one kind of memory). `bandwidth` belongs to the memory that `budget` counts.
    """

    name: str
    accelerator: Accelerator
    memory: int
    budget: int
    bandwidth: int | None = None
    vram: int = 0
    gpus: int = 0
    cores: int | None = None
    processor: Processor = Processor()
    host_budget: int = 0
    host_bandwidth: int | None = None
    compute: float | None = None  # effective FLOP/s of prompt processing, where known
    unused_gpu: str = ""  # a GPU that is there, but that the engine cannot use
    sources: tuple[tuple[str, Fact], ...] = ()  # of each figure by its name, for `hardware` and `doctor`

    def __post_init__(self) -> None:
        if min(self.memory, self.budget, self.vram, self.host_budget) < 0:
            raise ValueError("sizes of a machine cannot be negative")

    def source_of(self, figure: str) -> Fact:
        """Where a figure is from, by the name of its field."""
        return dict(self.sources).get(figure, NOT_KNOWN)

    def is_like(self, other: Machine) -> bool:
        """Whether figures measured on the one mean something on the other; names do not count.

        They are of one class: the same kind and number of accelerators, and memory, VRAM and bandwidth alike.
        """
        return (
            self.accelerator == other.accelerator
            and max(self.gpus, 1) == max(other.gpus, 1)
            and _alike(self.memory, other.memory)
            and _alike(self.vram, other.vram)
            and _alike(self.bandwidth or 0, other.bandwidth or 0)
        )


def _alike(one: int, other: int) -> bool:
    return abs(one - other) <= SAME_SHARE * max(one, other)
