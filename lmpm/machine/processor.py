"""What the CPU of this computer is: its name, its chip, and the vector instructions that it has."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lmpm.machine.chip import pick
from lmpm.types import Processor

if TYPE_CHECKING:
    from lmpm.machine.assemble import Host
    from lmpm.machine.chip import Chip
    from lmpm.machine.chips import Chips
    from lmpm.machine.probes import Probes
    from lmpm.types import Simd

# ARM Linux prints no name, but a number for each core's design (arch/arm64/include/asm/cputype.h); whose chip it is
# tells the vendor of the computer. The same Neoverse V2 is in Graviton4, Axion and Grace.
_ARM_CHIPS: Final = {
    ("0xd0c", "amazon"): "Graviton2",
    ("0xd40", "amazon"): "Graviton3",
    ("0xd4f", "amazon"): "Graviton4",
    ("0xd83", "amazon"): "Graviton5",
    ("0xd0c", ""): "Ampere Altra",  # also in Google's, Microsoft's and Oracle's clouds
}
_ARM_SERVERS: Final = frozenset({"0xd0c", "0xd40", "0xd49", "0xd4f", "0xd83", "0xd8e"})  # Neoverse N1 V1 N2 V2 V3 N3
_CLIENT_NAME = r"(?i)\b(?:ryzen|athlon|pentium|celeron|snapdragon)\b|\bcore\(tm\)"
_SERVER_NAME = r"(?i)\b(?:xeon|epyc|neoverse|altra|graviton)\b"


def name_of(probes: Probes) -> str:
    """The CPU as the system prints it, empty where it does not."""
    if probes.system == "linux":
        cpuinfo = probes.read("/proc/cpuinfo") or ""
        return _field(cpuinfo, "model name") or _arm_name(probes, cpuinfo)
    return (probes.processor_name() or "").strip()


def describe_processor(probes: Probes, chips: Chips, host: Host, name: str = "") -> Chip | None:
    """Fill in what the CPU is; its chip, None where no table has it."""
    cpuinfo = (probes.read("/proc/cpuinfo") or "") if probes.system == "linux" else ""
    flags = frozenset((_field(cpuinfo, "flags") or _field(cpuinfo, "Features")).lower().split())
    name = name or name_of(probes)
    host.processor = Processor(simd=simd_of(flags), sockets=host.processor.sockets)
    if name:
        host.note("cpu", "system", " ".join(name.split())[:80])
    builds = _builds(probes, chips, name)
    if not builds:
        is_server = re.search(_SERVER_NAME, name) or _field(cpuinfo, "CPU part") in _ARM_SERVERS
        is_cloud = "hypervisor" in flags and not re.search(_CLIENT_NAME, name)  # not the Linux inside a Windows
        host.processor = replace(host.processor, server=bool(is_server or is_cloud))
        return None
    picked = pick(builds, cores=host.cores)
    host.take_cpu(picked.chip, picked.source)
    return picked.chip


def simd_of(flags: frozenset[str]) -> Simd:
    """The best of the vector instructions that llama.cpp uses, by the kernel's names for them."""
    if flags & {"asimd", "neon"}:
        return "i8mm" if "i8mm" in flags else "dotprod" if "asimddp" in flags else "neon"
    if "amx_int8" in flags:
        return "amx"
    if "avx512_bf16" in flags:
        return "avx512-full" if "avx_vnni" in flags else "avx512-bf16"
    if "avx512_vnni" in flags:
        return "avx512-vnni"
    if "avx512f" in flags:
        return "avx512"
    if "avx2" in flags:
        return "avx-vnni" if "avx_vnni" in flags else "avx2"
    return "sse" if "sse2" in flags else ""


def _builds(probes: Probes, chips: Chips, name: str) -> tuple[Chip, ...]:
    """Builds of the chip by the board's name, then by the CPU's; of an APU also by that of its graphics."""
    board = (probes.read("/proc/device-tree/model") or "").strip() if probes.system == "linux" else ""
    for candidate in (re.sub(r" (?:Model|Rev) .*", "", board), re.sub(r"\s+w/ .*", "", name), name.rpartition("w/")[2]):
        builds = chips.cpu(candidate) if candidate.strip() else ()
        # also a large integrated GPU that is not passed into a container: its memory is as fast for the CPU
        if builds and not builds[0].discrete and builds[0].accelerator != "metal":
            return builds
    return ()


def _arm_name(probes: Probes, cpuinfo: str) -> str:
    part = _field(cpuinfo, "CPU part")
    vendor = (probes.read("/sys/class/dmi/id/sys_vendor") or "").lower() if part else ""
    maker = "amazon" if "amazon" in vendor else ""
    return _ARM_CHIPS.get((part, maker), "")


def _field(cpuinfo: str, key: str) -> str:
    found = re.search(rf"^{re.escape(key)}\s*:[ \t]*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""
