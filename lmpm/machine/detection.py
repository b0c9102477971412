"""What this computer offers: each fact from the place that knows it best, none of which has to exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lmpm.limits import GIB, KIB
from lmpm.machine import cgroup
from lmpm.machine.assemble import Host, apple_machine, cpu_machine, cpu_name, gpu_machine, shared_machine
from lmpm.machine.chips import Chip, pick
from lmpm.machine.gpus import find_gpus
from lmpm.machine.probes import Probes, SystemProbes

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
    if found.cards:
        return gpu_machine(found.cards, host, windows=probes.system == "windows")
    if found.shared is not None:
        if found.shared.chip.accelerator == "cpu":
            return cpu_machine(host, name=cpu_name(host), chip=found.shared.chip)
        host.memory += found.shared.carved
        return shared_machine(found.shared.chip, host, gpu_limit=found.shared.limit)
    return _cpu(probes, chips, host)


def free_memory(probes: Probes | None = None) -> int | None:
    """Bytes that are free at this moment, for a warning only: the budget does not depend on them."""
    probes = probes or SystemProbes()
    if probes.system == "darwin":
        return _mac_free(probes.run("vm_stat") or "")
    if probes.system == "linux":
        free = _meminfo(probes, "MemAvailable")
        left = cgroup.memory_left(probes)
        return min((size for size in (free, left) if size is not None), default=None)
    memory = probes.memory()
    return memory[1] if memory else None


def _mac(probes: Probes, chips: Chips) -> Machine:
    told = dict(re.findall(r"^([a-z_.]+): (.+)$", probes.run("sysctl", *APPLE_KEYS) or "", re.MULTILINE))
    brand = told.get("machdep.cpu.brand_string", "").strip()
    host = Host(architecture="ARM" if probes.architecture == "arm64" else "x86")
    host.cores = _whole(told.get("hw.physicalcpu"))
    host.memory = _whole(told.get("hw.memsize")) or 0
    host.sources["memory"] = "sysctl hw.memsize"
    if not 0 < host.memory <= MAX_MEMORY:
        _memory_of_the_system(probes, host)
    host.sources["cores"] = "sysctl hw.physicalcpu" if host.cores else "unknown"
    if not brand.startswith(("Apple", "VirtualApple")):
        return _cpu(probes, chips, host, brand)
    host.sources["name"] = "sysctl machdep.cpu.brand_string"
    virtual = brand.endswith("(Virtual)")
    chip = _apple_chip(probes, chips, host, brand.removesuffix("(Virtual)").strip())
    if virtual or chip is None:  # a virtual machine's Metal is not the chip's
        return cpu_machine(host, name=f"{brand} CPU", chip=chip)
    # an intel build of Python sees `VirtualApple` and no chip: the name says no more than that
    name = brand if chips.named(brand) else brand.replace("VirtualApple", "Apple").split(" @")[0]
    return apple_machine(chip, host, name=name, wired_limit_mb=_whole(told.get("iogpu.wired_limit_mb")))


def _apple_chip(probes: Probes, chips: Chips, host: Host, brand: str) -> Chip | None:
    """The build of an Apple chip; of one that the catalog does not know, the slowest of the same tier."""
    builds = chips.named(brand)
    if builds:
        gpu_cores = None
        if len(builds) > 1:
            found = re.search(r'"gpu-core-count"\s*=\s*(\d{1,4})', probes.run(*APPLE_GPU) or "")
            gpu_cores = int(found[1]) if found else None
        picked = pick(builds, memory=host.memory, cores=host.cores, gpu_cores=gpu_cores)
        host.bandwidth, host.bandwidth_source = picked.chip.bandwidth, picked.source
        return picked.chip
    same = [chip for chip in chips.chips if chip.accelerator == "metal" and _tier(chip.name) == _tier(brand)]
    if not same:
        return None
    slowest = pick(same).chip
    host.bandwidth = slowest.bandwidth
    host.bandwidth_source = f"assumed: as {slowest.name}, since {brand} is not in the catalog, low confidence"
    return slowest


def _tier(name: str) -> str:
    """`Max` of `Apple M4 Max`, nothing of `Apple M4`."""
    last = name.rpartition(" ")[2]
    return last if last in {"Pro", "Max", "Ultra"} else ""


def _mac_free(text: str) -> int | None:
    page = re.search(r"page size of (\d{1,7}) bytes", text)
    counts = re.findall(r"^Pages (?:free|inactive|purgeable|speculative):\s+(\d{1,15})\.", text, re.MULTILINE)
    return int(page[1]) * sum(map(int, counts)) if page and counts else None


def _cpu(probes: Probes, chips: Chips, host: Host, model: str = "") -> Machine:
    """A machine without a GPU that counts; its chip may be known by its name (a Raspberry Pi, an APU)."""
    board = (probes.read("/proc/device-tree/model") or "").strip() if probes.system == "linux" else ""
    model = model or (_cpuinfo_model(probes) if probes.system == "linux" else "") or probes.processor_name() or ""
    if model:
        host.sources["cpu"] = " ".join(model.split())[:80]
    for name in (re.sub(r" Model .*", "", board), re.sub(r"\s+w/ .*", "", model), model.rpartition("w/")[2]):
        builds = chips.named(name) if name.strip() else ()
        # also a large integrated GPU that is not passed into a container: its memory is as fast for the CPU
        if builds and not builds[0].discrete and builds[0].accelerator != "metal":
            board_name = builds[0].name if "Pi" in builds[0].name else cpu_name(host)
            return cpu_machine(host, name=board_name, chip=builds[0])
    return cpu_machine(host)


def _linux_host(probes: Probes) -> Host:
    host = Host(architecture=_architecture(probes))
    host.memory = _meminfo(probes, "MemTotal") or 0
    host.sources["memory"] = "/proc/meminfo MemTotal"
    if not 0 < host.memory <= MAX_MEMORY:
        _memory_of_the_system(probes, host)
    limit = cgroup.memory_limit(probes)
    if limit is not None and (limit.size < host.memory or not host.memory):
        host.limit, host.sources["memory"] = limit.size, limit.path
        if host.memory:
            host.sources["memory"] += f", of {host.memory / GIB:.1f} GiB in the computer"
        host.memory = host.memory or limit.size
    host.cores, host.sources["cores"] = _linux_cores(probes)
    return host


def _linux_cores(probes: Probes) -> tuple[int | None, str]:
    """Physical cores that this process may use, less what a container's CPU quota allows."""
    allowed = probes.processors()
    cores, source = _physical_cores(probes.read("/proc/cpuinfo") or "", allowed)
    quota = cgroup.cpu_limit(probes)
    if quota is not None and (cores is None or quota < cores):
        return max(1, int(quota)), "cgroup CPU quota"
    return cores, source


def _physical_cores(cpuinfo: str, allowed: frozenset[int] | None) -> tuple[int | None, str]:
    pairs = set()
    for block in cpuinfo.split("\n\n"):
        told = dict(re.findall(r"^(processor|physical id|core id)\s*:\s*(\d{1,6})$", block, re.MULTILINE))
        if {"processor", "core id"} <= told.keys() and (allowed is None or int(told["processor"]) in allowed):
            pairs.add((told.get("physical id"), told["core id"]))
    if pairs:
        return len(pairs), "/proc/cpuinfo: physical cores"
    if allowed:  # ARM tells no cores, and has one thread on each
        return len(allowed), "processors that the scheduler allows"
    return None, "unknown"


def _cpuinfo_model(probes: Probes) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", probes.read("/proc/cpuinfo") or "", re.MULTILINE)
    return found[1].strip() if found else ""


def _other_host(probes: Probes) -> Host:
    """Windows and the rest: what the system's calls tell. On x86 a core counts as two processors."""
    host = Host(architecture=_architecture(probes))
    _memory_of_the_system(probes, host)
    count = len(probes.processors() or ())
    if count:
        host.cores = max(1, count // 2) if host.architecture == "x86" and count > 2 else count
    host.sources["cores"] = "half of the logical processors" if count > 2 else "logical processors"
    return host


def _memory_of_the_system(probes: Probes, host: Host) -> None:
    memory = probes.memory()
    host.memory = memory[0] if memory and 0 < memory[0] <= MAX_MEMORY else 0
    host.sources["memory"] = "the operating system's call" if host.memory else "unknown: describe it with --hardware"


def _meminfo(probes: Probes, key: str) -> int | None:
    found = re.search(rf"^{key}:\s+(\d{{1,15}}) kB$", probes.read("/proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * KIB if found else None


def _architecture(probes: Probes) -> str:
    return ARCHITECTURES.get(probes.architecture.lower(), "")


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None
