"""How many threads llama.cpp gets: the physical cores that this process may really use."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from pathlib import Path
from typing import Final

BYTES_PER_THREAD: Final = 32 * 1024 * 1024  # of weights: what one core reads in a few milliseconds
CPU_TOPOLOGY: Final = Path("/sys/devices/system/cpu")
CGROUP_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
MACOS_CORES: Final = (b"hw.perflevel0.physicalcpu", b"hw.physicalcpu")  # fast cores, then all


def default_threads(weights: int) -> int:
    """Physical cores within affinity and quota, fewer for a model of few bytes.

    llama.cpp's threads meet after every operation: more than the cores are slower, and a small model
    spends its time waiting, a hundred times as long as one thread needs when the machine is busy.
    """
    return min(_cores(), 1 + weights // BYTES_PER_THREAD)


def _cores() -> int:
    if sys.platform == "linux":
        return max(1, min(_linux_cores(), _linux_quota()))
    if sys.platform == "darwin":
        return _macos_cores() or os.cpu_count() or 1
    return max(1, (os.cpu_count() or 2) // 2)


def _linux_cores() -> int:
    usable = os.sched_getaffinity(0)
    try:
        siblings = {_read(CPU_TOPOLOGY / f"cpu{cpu}/topology/thread_siblings_list") for cpu in usable}
    except OSError:
        return len(usable)
    return len(siblings)


def _linux_quota() -> int:
    try:
        quota, period = _read(CGROUP_QUOTA).split()
        return sys.maxsize if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return sys.maxsize


def _macos_cores() -> int:
    system = ctypes.CDLL(None)
    for name in MACOS_CORES:
        count = ctypes.c_int(0)
        size = ctypes.c_size_t(ctypes.sizeof(count))
        if system.sysctlbyname(name, ctypes.byref(count), ctypes.byref(size), None, 0) == 0:
            return count.value
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
