"""The limits that a container or a systemd unit sets: memory and CPU of Linux control groups, v1 and v2.

A limit binds everything below it, so the smallest one on the whole path up to the root counts. Inside a
container the path in `/proc/self/cgroup` may be the host's, of which nothing is mounted but the root: walking
up to the root finds the container's own limit there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmpm.machine.probes import Probes

ROOT: Final = "/sys/fs/cgroup"
NO_LIMIT: Final = 2**60  # v1 writes "none" as a number just below 2^63
V1_CPU_MOUNTS: Final = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


class Limit(NamedTuple):
    """A memory limit in bytes and the file that sets it."""

    size: int
    path: str


def memory_limit(probes: Probes) -> Limit | None:
    """The smallest memory limit on this process, None without one."""
    limits = [limit for directory in _memory_groups(probes) for limit in _limits_of(probes, directory)]
    return min(limits, key=lambda limit: limit.size, default=None)


def memory_left(probes: Probes) -> int | None:
    """Bytes until the nearest limit; the page cache that the kernel would drop does not count as used."""
    left = []
    for directory in _memory_groups(probes):
        for limit in _limits_of(probes, directory):
            used = _number(probes.read(f"{directory}/memory.current"))
            if used is None:
                used = _number(probes.read(f"{directory}/memory.usage_in_bytes"))
            if used is not None:
                cache = _cache(probes.read(f"{directory}/memory.stat") or "")
                left.append(max(0, limit.size - max(0, used - cache)))
    return min(left, default=None)


def cpu_limit(probes: Probes) -> float | None:
    """How many processors' worth of time this process may use, None without a limit."""
    quotas = [quota for quota in _quotas(probes) if quota > 0]
    return min(quotas, default=None)


def _limits_of(probes: Probes, directory: str) -> Iterator[Limit]:
    # memory.high is no wall, but a process above it is slowed to a crawl
    for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
        size = _number(probes.read(f"{directory}/{name}"))
        if size is not None and 0 < size < NO_LIMIT:
            yield Limit(size, f"{directory}/{name}")


def _quotas(probes: Probes) -> Iterator[float]:
    paths = _paths(probes)
    for directory in _up(ROOT, paths.get("", ())):
        quota, _, period = (probes.read(f"{directory}/cpu.max") or "").strip().partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period) > 0:
            yield int(quota) / int(period)
    for mount in V1_CPU_MOUNTS:
        for directory in _up(f"{ROOT}/{mount}", paths.get("cpu", ())):
            quota_us = _number(probes.read(f"{directory}/cpu.cfs_quota_us"))
            period_us = _number(probes.read(f"{directory}/cpu.cfs_period_us"))
            if quota_us is not None and period_us:
                yield quota_us / period_us


def _memory_groups(probes: Probes) -> list[str]:
    """Every directory whose memory limit binds this process."""
    paths = _paths(probes)
    unified = paths.get("", ())
    return [
        *_up(ROOT, unified),
        *_up(f"{ROOT}/unified", unified),  # v2 beside v1
        *_up(f"{ROOT}/memory", paths.get("memory", ())),
    ]


def _paths(probes: Probes) -> dict[str, tuple[str, ...]]:
    """Controller to the parts of this process's path; the unified hierarchy of v2 has no name."""
    paths: dict[str, tuple[str, ...]] = {}
    for line in (probes.read("/proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        # a namespace shows what lies above its root as `..`: nothing there can be read
        parts = tuple(part for part in path.split("/") if part and part != "..")
        for controller in controllers.split(","):
            paths[controller] = parts
    return paths


def _up(mount: str, parts: tuple[str, ...]) -> Iterator[str]:
    """The directory of `parts` below a mount, then each of its parents, the mount last."""
    for length in range(len(parts), -1, -1):
        yield "/".join((mount, *parts[:length]))


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"-?\d{1,20}", text) else None


def _cache(stat: str) -> int:
    """Bytes of file pages in `memory.stat`, active and not: the kernel gives up either before it refuses memory."""
    found = {name: int(size) for name, size in re.findall(r"^(\w+_file) (\d{1,20})$", stat, re.MULTILINE)}
    return sum(
        found.get(f"total_{kind}_file", found.get(f"{kind}_file", 0))  # v1 has both, of which the first covers children
        for kind in ("active", "inactive")
    )
