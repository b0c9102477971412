"""How much of a machine's memory a model may take, and what to assume of a CPU whose memory is not known.

Every rule counts from totals, never from what is free at the moment: the answer is the same tomorrow.
"""

from __future__ import annotations

from typing import Final

from lmpm.limits import GIB, MIB
from lmpm.types import Fact

# Apple: `recommendedMaxWorkingSetSize` as macOS up to 15 reports it and llama.cpp logs it:
# 11,453 of 17,180 MB (16 GB), 22,907 of 34,360 MB (32 GB), 28,991 of 38,655 MB (36 GB), 51,540 of 68,719 MB
# (64 GB). Newer systems allow more (0.74 at 16 GB to 0.84 at 128 GB), so this is the careful side.
APPLE_LARGE: Final = 36 * GIB
APPLE_SHARE_SMALL: Final = (2, 3)
APPLE_SHARE_LARGE: Final = (3, 4)

# A GPU context: 107 MiB (RTX 4060 Ti) to 555 MiB (RTX PRO 6000), growing with the chip's multiprocessors
# (llama.cpp pull requests 23604 and 20595); other tools keep 320 (unsloth) and 457 MiB (ollama).
GPU_CONTEXT: Final = 350 * MIB
GPU_WORKSPACE: Final = 64 * MIB  # of the matrix library, once prompts come in batches
GPU_RESERVED_PERCENT: Final = 2  # of VRAM: what the driver itself keeps, and what a large context has more
WINDOWS_RESERVED_PERCENT: Final = 15  # of VRAM: WDDM's share (ollama issues 9167 and 16725)

# A machine with a desktop on it: 16 GiB leave 12.6, 8 leave 5.8, 1 leaves 0.45.
SYSTEM_PERCENT: Final = 15
SYSTEM_PERCENT_CAP: Final = 16 * GIB  # a server of 512 GB keeps no more
SYSTEM_FLOOR: Final = 1 * GIB
SMALL_PERCENT: Final = 40  # of the memory instead of the floor, where that is less: even a bare system takes so much

# A container has no desktop in it: 16 GiB leave 14.15, 1 leaves 0.65.
CONTAINER_PERCENT: Final = 10
CONTAINER_FLOOR: Final = 256 * MIB

# An integrated GPU of AMD may use half of the memory by default (the kernel's `ttm.pages_limit`).
SHARED_GPU_SHARE: Final = (1, 2)

# One core moves about 11 GB/s. A PC has the memory of its time, and more cores are newer: three quarters of the PCs'
# CPUs in cpus.toml with as many cores reach at least this with the fastest memory that they take.
CORE_BANDWIDTH: Final = 11 * 10**9
MAX_CORES: Final = 1 << 20  # more than any computer has
PC_BANDWIDTHS: Final = (
    (4, 38_400_000_000, "dual-channel DDR4-2400"),
    (12, 51_200_000_000, "dual-channel DDR4-3200"),
    (24, 76_800_000_000, "dual-channel DDR5-4800"),
    (MAX_CORES, 102_400_000_000, "four channels of DDR4-3200"),
)
SERVER_BANDWIDTH: Final = 128_000_000_000  # six channels of DDR4-2666: none has had less since 2017
SMALL_ARM_BANDWIDTH: Final = 17_100_000_000  # LPDDR4X-4267 of 32 bit, as in a Raspberry Pi 5
SMALL_ARM_CORES: Final = 8
ASSUMED_CORES: Final = 4  # where not even the cores are known


def apple_budget(memory: int, wired_limit_mb: int | None = None) -> tuple[int, Fact]:
    """What Metal may keep resident: the user's limit if set, else 2/3 below 36 GB and 3/4 from there on."""
    if wired_limit_mb:
        return min(wired_limit_mb * MIB, memory), Fact("system", "sysctl iogpu.wired_limit_mb")
    part, whole = APPLE_SHARE_SMALL if memory < APPLE_LARGE else APPLE_SHARE_LARGE
    return memory * part // whole, Fact("rule", f"{part}/{whole} of unified memory, the GPU working set of macOS")


def gpu_budget(vram: int, *, windows: bool = False) -> tuple[int, Fact]:
    """VRAM of one card less its context and the driver's share; Windows keeps more of it."""
    reserved = GPU_CONTEXT + GPU_WORKSPACE + vram * GPU_RESERVED_PERCENT // 100
    if windows and vram * WINDOWS_RESERVED_PERCENT // 100 > reserved:
        return vram - vram * WINDOWS_RESERVED_PERCENT // 100, Fact("rule", "VRAM less 15 % for Windows")
    return max(0, vram - reserved), Fact("rule", "VRAM less 414 MiB and 2 % for context and driver")


def cpu_budget(memory: int, limit: int | None = None) -> tuple[int, Fact]:
    """RAM, or a container's limit, less what the system keeps.

    The system keeps 15 % (16 GiB at most) and 1 GiB, of which a small machine gives only 40 % of its
    memory. A container keeps 10 % and 256 MiB of its limit in the same way. The smaller answer counts.
    """
    system = min(memory * SYSTEM_PERCENT // 100, SYSTEM_PERCENT_CAP)
    system += min(SYSTEM_FLOOR, memory * SMALL_PERCENT // 100)
    if limit is not None:
        kept = limit * CONTAINER_PERCENT // 100 + min(CONTAINER_FLOOR, limit * SMALL_PERCENT // 100)
        if limit - kept < memory - system:
            return limit - kept, Fact("rule", f"cgroup limit less {kept / GIB:.1f} GiB for the rest of the container")
    return memory - system, Fact("rule", f"RAM less {system / GIB:.1f} GiB for the system")


def shared_gpu_budget(memory: int, gpu_limit: int | None = None, limit: int | None = None) -> tuple[int, Fact]:
    """What an integrated GPU may take of the memory it shares with the CPU.

    `gpu_limit` is what its driver says; without it half of the memory, the kernel's default.
    """
    share, source = gpu_limit, Fact("system", "the GPU driver's limit")
    if share is None:
        part, whole = SHARED_GPU_SHARE
        share = memory * part // whole
        source = Fact("rule", f"{part}/{whole} of memory, the kernel's default for a shared GPU")
    usable, usable_source = cpu_budget(memory, limit)
    return (share, source) if share <= usable else (usable, usable_source)


def assumed_cpu_bandwidth(cores: int | None, *, arm: bool = False, server: bool = False) -> tuple[int, Fact]:
    """A careful guess where the memory's speed is not known: most PCs have more, few have less."""
    count = cores or ASSUMED_CORES
    if server and count * CORE_BANDWIDTH >= SERVER_BANDWIDTH:
        return SERVER_BANDWIDTH, Fact("assumed", "six channels of DDR4-2666")
    if server:
        return count * CORE_BANDWIDTH, Fact("assumed", f"what {count} cores can move")
    if arm and count <= SMALL_ARM_CORES:
        return min(count * CORE_BANDWIDTH, SMALL_ARM_BANDWIDTH), Fact("assumed", "LPDDR4X of a small board")
    usual, what = next((size, kind) for most, size, kind in PC_BANDWIDTHS if count <= most)
    if count * CORE_BANDWIDTH < usual:
        return count * CORE_BANDWIDTH, Fact("assumed", f"what {count} cores can move")
    return usual, Fact("assumed", what)
