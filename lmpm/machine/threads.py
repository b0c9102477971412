"""The cores that this process may really use, and how many threads of llama.cpp they carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.machine import cgroup
from lmpm.machine.probes import Probes, SystemProbes
from lmpm.types import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable

BYTES_PER_THREAD: Final = 32 * 1024 * 1024  # of weights: what one core reads in a few milliseconds
MACOS_CORES: Final = ("hw.perflevel0.physicalcpu", "hw.physicalcpu")  # fast cores, then all


@dataclass(frozen=True, slots=True)
class Cores:
    """Physical cores that this process may use, on how many sockets, and where that is from."""

    count: int | None
    sockets: int
    source: Fact


def default_threads(weights: int, probes: Probes | None = None) -> int:
    """Physical cores within affinity and quota, fewer for a model of few bytes.

    llama.cpp's threads meet after every operation: more than the cores are slower, and a small model
    spends its time waiting, a hundred times as long as one thread needs when the machine is busy.
    """
    probes = probes or SystemProbes()
    cores = _fast_cores(probes) if probes.system == "darwin" else usable_cores(probes).count
    return min(cores or len(probes.processors() or ()) or 1, 1 + weights // BYTES_PER_THREAD)


def usable_cores(probes: Probes) -> Cores:
    """Physical cores that this process may use, less what a container's CPU quota allows."""
    if probes.system == "linux":
        cores = _linux_cores(probes.read("/proc/cpuinfo") or "", probes.processors())
        quota = cgroup.cpu_limit(probes)
        if quota is not None and (cores.count is None or quota < cores.count):
            return Cores(max(1, int(quota)), 1, Fact("system", "cgroup CPU quota"))
        return cores
    count = len(probes.processors() or ())
    if not count:
        return Cores(None, 1, Fact("unknown", "the system does not say"))
    if probes.architecture.lower() in {"amd64", "x86_64"} and count > 2:  # a core counts as two processors
        return Cores(max(1, count // 2), 1, Fact("rule", f"half of {count} logical processors"))
    return Cores(count, 1, Fact("system", "logical processors"))


def _linux_cores(cpuinfo: str, allowed: frozenset[int] | None) -> Cores:
    pairs = set()
    for block in cpuinfo.split("\n\n"):
        told = dict(re.findall(r"^(processor|physical id|core id)\s*:\s*(\d{1,6})$", block, re.MULTILINE))
        if {"processor", "core id"} <= told.keys() and (allowed is None or int(told["processor"]) in allowed):
            pairs.add((told.get("physical id"), told["core id"]))
    if pairs:
        return Cores(len(pairs), _sockets(pairs), Fact("system", "/proc/cpuinfo: physical cores"))
    if allowed:  # ARM tells no cores, and has one thread on each
        return Cores(len(allowed), 1, Fact("system", "processors that the scheduler allows"))
    return Cores(None, 1, Fact("unknown", "the system does not say"))


def _sockets(pairs: Iterable[tuple[str | None, str]]) -> int:
    """Sockets that the cores are on. A hypervisor may give each core its own: that tells nothing."""
    sockets: dict[str | None, int] = {}
    for socket, _ in pairs:
        sockets[socket] = sockets.get(socket, 0) + 1
    return len(sockets) if min(sockets.values()) > 1 else 1


def _fast_cores(probes: Probes) -> int | None:
    for name in MACOS_CORES:
        count = probes.run("sysctl", "-n", name).output.strip()
        if re.fullmatch(r"[1-9]\d{0,3}", count):
            return int(count)
    return None
