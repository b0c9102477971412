"""How fast a CPU decodes and reads a prompt, by its cores, their vector instructions and its memory.

Each core unpacks weights at its own rate and all of them share the memory: neither limit is reached where the other
is near. The threads meet after each layer, later the more they are. The constants were fitted by
`benchmarks/cpu_speed.py`, which prints their errors on CPUs, and on models, that the fit did not see.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from lmpm.types import Processor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.types import Simd


class Cpu(NamedTuple):
    """Cores and the bandwidth (bytes/s) of their memory; of several sockets that of one."""

    bandwidth: int
    cores: int | None = None
    processor: Processor = Processor()


class CpuConstants(NamedTuple):
    """What was fitted. Rates are those of a server's core, and in a cloud of half of one."""

    core_rate: Mapping[Simd, float]  # bytes of weights that a core unpacks in a second
    client_rate: float  # times that, of a PC's core: higher clocks, and nobody else on it
    low_bit_rate: float  # times that, of quants that are unpacked through tables
    low_bit_share: float  # of the bandwidth that is left for them: no more than on a GPU
    share: float  # of a PC's bandwidth that decoding reaches
    server_share: float
    sockets_share: float  # times that, where the threads are on several sockets
    layer_s: float  # seconds for the steps of one plain layer
    core_layer_s: float  # and for each core that has to meet the others
    core_flops: Mapping[Simd, float]  # FLOP/s of prompt processing of the first core
    flops_growth: float  # exponent of the cores
    client_flops: float
    sockets_flops: float
    low_bit_flops: float


USUAL_SIMD: Final = "avx2"  # where it is not known: x86 has had it since 2013
ASSUMED_CORES: Final = 4


def decode_seconds(fitted: CpuConstants, cpu: Cpu, *, touched: float, steps: float, low_bit: bool = False) -> float:
    """Seconds to decode a token that reads `touched` bytes, of a model of so many plain layers (`steps`)."""
    processor = cpu.processor
    cores = cpu.cores or ASSUMED_CORES
    rate = fitted.core_rate[processor.simd or USUAL_SIMD] * (1.0 if processor.server else fitted.client_rate)
    unpacked = cores * rate * (fitted.low_bit_rate if low_bit else 1.0)
    read = cpu.bandwidth * (fitted.server_share if processor.server else fitted.share)
    if processor.sockets > 1:
        read *= fitted.sockets_share
    if low_bit:
        read *= fitted.low_bit_share
    reached = 1 / math.hypot(1 / unpacked, 1 / read)
    return touched / reached + steps * (fitted.layer_s + cores * fitted.core_layer_s)


def prompt_flops(fitted: CpuConstants, cpu: Cpu, *, low_bit: bool = False) -> float:
    """FLOP/s with which a prompt is read."""
    processor = cpu.processor
    flops = fitted.core_flops[processor.simd or USUAL_SIMD] * math.pow(cpu.cores or ASSUMED_CORES, fitted.flops_growth)
    if not processor.server:
        flops *= fitted.client_flops
    if processor.sockets > 1:
        flops *= fitted.sockets_flops
    return flops * (fitted.low_bit_flops if low_bit else 1.0)


# Fitted in November 2026 on 1,037 runs of llama.cpp b4753 on 109 CPUs of cloud machines by Spare Cores
# (SpareCores/sc-inspector-data@804d3c7, CC BY-SA 4.0) and on the published runs of `benchmarks/data/tps_cpu.tsv`
# and `tps_published.tsv`; `neon` has no run and is guessed. Builds since then repack Q4_K and read prompts faster: on
# servers these are low values.
FITTED: Final = CpuConstants(
    core_rate={
        "sse": 5.38e9, "avx2": 5.96e9, "avx-vnni": 6.90e9, "avx512": 4.69e9, "avx512-vnni": 6.28e9,
        "avx512-bf16": 9.58e9, "avx512-full": 12.8e9, "amx": 7.70e9,
        "neon": 2.0e9, "dotprod": 3.80e9, "i8mm": 7.06e9,
    },
    client_rate=2.72,
    low_bit_rate=0.276,
    low_bit_share=0.679,
    share=0.648,
    server_share=0.791,
    sockets_share=0.629,
    layer_s=57.4e-6,
    core_layer_s=2.95e-6,
    core_flops={
        "sse": 42.3e9, "avx2": 88.5e9, "avx-vnni": 56.2e9, "avx512": 71.5e9, "avx512-vnni": 90.5e9,
        "avx512-bf16": 126e9, "avx512-full": 180e9, "amx": 227e9,
        "neon": 20e9, "dotprod": 55.5e9, "i8mm": 67.7e9,
    },
    flops_growth=0.774,
    client_flops=1.60,
    sockets_flops=0.864,
    low_bit_flops=0.470,
)  # fmt: skip
