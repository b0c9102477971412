"""What this computer offers: each fact from the place that knows it best, none of which has to exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lmpm.limits import GIB, KIB
from lmpm.machine import cgroup
from lmpm.machine.assemble import Host, apple_machine, cpu_machine, cpu_name, gpu_machine, shared_machine
from lmpm.machine.chip import Chip, pick
from lmpm.machine.gpus import find_gpus
from lmpm.machine.probes import Probes, SystemProbes
from lmpm.machine.processor import describe_processor
from lmpm.machine.threads import usable_cores
from lmpm.types import Fact, Processor

if TYPE_CHECKING:
    from lmpm.machine.chips import Chips
    from lmpm.types import Machine

APPLE_KEYS: Final = (
    "machdep.cpu.brand_string", "hw.memsize", "hw.physicalcpu", "iogpu.wired_limit_mb",
)  # fmt: skip
APPLE_GPU: Final = ("ioreg", "-r", "-d", "1", "-c", "AGXAccelerator")
MAX_MEMORY: Final = 1 << 50  # a petabyte: more is a mistake of the source
ARCHITECTURES: Final = {
    "x86_64": "x86", "amd64": "x86", "i386": "x86", "i686": "x86", "x86": "x86",
    "arm64": "ARM", "aarch64": "ARM", "armv7l": "ARM", "armv8l": "ARM",
    "riscv64": "RISC-V", "ppc64le": "POWER", "s390x": "IBM Z",
}  # fmt: skip


def detect(chips: Chips, *, probes: Probes | None = None) -> Machine:
    """The computer that this runs on. Never raises, never hangs; what cannot be read is told in `sources`."""
    probes = probes or SystemProbes()
    if probes.system == "darwin":
        return _mac(probes, chips)
    host = _linux_host(probes) if probes.system == "linux" else _other_host(probes)
    found = find_gpus(probes, chips)
    host.sources.update(found.sources)
    chip = describe_processor(probes, chips, host)
    if found.shared is not None and found.shared.chip.accelerator != "cpu":
        host.memory, host.bandwidth = host.memory + found.shared.carved, None
        return shared_machine(found.shared.chip, host, gpu_limit=found.shared.limit)
    if found.cards:
        return gpu_machine(found.cards, host, windows=probes.system == "windows")
    if found.shared is not None:  # it is known by its number, and tells the memory of the computer
        host.bandwidth = None
        host.take_cpu(found.shared.chip, Fact("table", found.shared.chip.name))
    return cpu_machine(host, name=_cpu_machine_name(chip, host))


def _cpu_machine_name(chip: Chip | None, host: Host) -> str:
    """The chip's name; of a server that is shared out, with the cores that are here."""
    if chip is None or chip.accelerator != "cpu" or chip.name.startswith("Radeon"):  # an APU's graphics are not used
        return cpu_name(host)
    return f"{chip.name}, {host.cores} cores" if chip.server and host.cores else chip.name


def free_memory(probes: Probes | None = None) -> int | None:
    """Bytes that are free at this moment, for a warning only: the budget does not depend on them."""
    probes = probes or SystemProbes()
    if probes.system == "darwin":
        return _mac_free(probes.run("vm_stat").output)
    if probes.system == "linux":
        free = _meminfo(probes, "MemAvailable")
        left = cgroup.memory_left(probes)
        return min((size for size in (free, left) if size is not None), default=None)
    memory = probes.memory()
    return memory[1] if memory else None


def _mac(probes: Probes, chips: Chips) -> Machine:
    told = dict(re.findall(r"^([a-z_.]+): (.+)$", probes.run("sysctl", *APPLE_KEYS).output, re.MULTILINE))
    brand = told.get("machdep.cpu.brand_string", "").strip()
    host = Host(architecture="ARM" if probes.architecture == "arm64" else "x86")
    host.cores = _whole(told.get("hw.physicalcpu"))
    host.memory = _whole(told.get("hw.memsize")) or 0
    host.note("memory", "system", "sysctl hw.memsize")
    if not 0 < host.memory <= MAX_MEMORY:
        _memory_of_the_system(probes, host)
    if host.cores:
        host.note("cores", "system", "sysctl hw.physicalcpu")
    if not brand.startswith(("Apple", "VirtualApple")):
        return cpu_machine(host, name=_cpu_machine_name(describe_processor(probes, chips, host, brand), host))
    host.note("name", "system", "sysctl machdep.cpu.brand_string")
    host.processor = Processor(simd="dotprod" if brand.startswith("Apple M1") else "i8mm")
    virtual = brand.endswith("(Virtual)")
    chip = _apple_chip(probes, chips, host, brand.removesuffix("(Virtual)").strip())
    if virtual or chip is None:  # a virtual machine's Metal is not the chip's
        return cpu_machine(host, name=f"{brand} CPU")
    # an intel build of Python sees `VirtualApple` and no chip: the name says no more than that
    name = brand if chips.common(brand) else brand.replace("VirtualApple", "Apple").split(" @")[0]
    return apple_machine(chip, host, name=name, wired_limit_mb=_whole(told.get("iogpu.wired_limit_mb")))


def _apple_chip(probes: Probes, chips: Chips, host: Host, brand: str) -> Chip | None:
    """The build of an Apple chip; of one that the catalog does not know, the slowest of the same tier."""
    builds = chips.common(brand)
    if builds:
        gpu_cores = None
        if len(builds) > 1:
            found = re.search(r'"gpu-core-count"\s*=\s*(\d{1,4})', probes.run(*APPLE_GPU).output)
            gpu_cores = int(found[1]) if found else None
        picked = pick(builds, memory=host.memory, cores=host.cores, gpu_cores=gpu_cores)
        host.bandwidth, host.bandwidth_source = picked.chip.bandwidth, picked.source
        return picked.chip
    same = [chip for chip in chips.chips if chip.accelerator == "metal" and _tier(chip.name) == _tier(brand)]
    if not same:
        return None
    slowest = pick(same).chip
    host.bandwidth = slowest.bandwidth
    host.bandwidth_source = Fact("assumed", f"as {slowest.name}, since {brand} is not in the tables")
    return slowest


def _tier(name: str) -> str:
    """`Max` of `Apple M4 Max`, nothing of `Apple M4`."""
    last = name.rpartition(" ")[2]
    return last if last in {"Pro", "Max", "Ultra"} else ""


def _mac_free(text: str) -> int | None:
    page = re.search(r"page size of (\d{1,7}) bytes", text)
    counts = re.findall(r"^Pages (?:free|inactive|purgeable|speculative):\s+(\d{1,15})\.", text, re.MULTILINE)
    return int(page[1]) * sum(map(int, counts)) if page and counts else None


def _linux_host(probes: Probes) -> Host:
    host = Host(architecture=_architecture(probes))
    host.memory = _meminfo(probes, "MemTotal") or 0
    host.note("memory", "system", "/proc/meminfo MemTotal")
    if not 0 < host.memory <= MAX_MEMORY:
        _memory_of_the_system(probes, host)
    limit = cgroup.memory_limit(probes)
    if limit is not None and (limit.size < host.memory or not host.memory):
        whole = f", of {host.memory / GIB:.1f} GiB in the computer" if host.memory else ""
        host.limit = limit.size
        host.note("memory", "system", limit.path + whole)
        host.memory = host.memory or limit.size
    _count_cores(probes, host)
    return host


def _count_cores(probes: Probes, host: Host) -> None:
    cores = usable_cores(probes)
    host.cores, host.sources["cores"] = cores.count, cores.source
    host.processor = Processor(sockets=cores.sockets)


def _other_host(probes: Probes) -> Host:
    """Windows and the rest: what the system's calls tell."""
    host = Host(architecture=_architecture(probes))
    _memory_of_the_system(probes, host)
    _count_cores(probes, host)
    return host


def _memory_of_the_system(probes: Probes, host: Host) -> None:
    memory = probes.memory()
    host.memory = memory[0] if memory and 0 < memory[0] <= MAX_MEMORY else 0
    if host.memory:
        host.note("memory", "system", "the operating system's call")
    else:
        host.note("memory", "unknown", "describe it with `--hardware`")


def _meminfo(probes: Probes, key: str) -> int | None:
    found = re.search(rf"^{key}:\s+(\d{{1,15}}) kB$", probes.read("/proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * KIB if found else None


def _architecture(probes: Probes) -> str:
    return ARCHITECTURES.get(probes.architecture.lower(), "")


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None
