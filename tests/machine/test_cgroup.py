from __future__ import annotations

import pytest

from lmpm.limits import GIB, MIB
from lmpm.machine import cgroup
from lmpm.machine.detection import detect, free_memory
from tests.machine.recorded import Recorded, catalog_chips, linux, meminfo

NONE_V1 = "9223372036854771712\n"
ROOT = "/sys/fs/cgroup"
V2 = {"/proc/self/cgroup": "0::/user.slice/user-1000.slice/app.scope\n"}
V1 = {"/proc/self/cgroup": "12:memory:/docker/0123abcd\n5:cpu,cpuacct:/docker/0123abcd\n1:name=systemd:/x\n0::/\n"}


def limit(files: dict[str, str]) -> int | None:
    found = cgroup.memory_limit(Recorded(files=files))
    return found.size if found else None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (V2, None),
        # v2: the smallest on the whole path, `max` is none
        ({**V2, f"{ROOT}/user.slice/user-1000.slice/app.scope/memory.max": "max\n"}, None),
        (
            {
                **V2,
                f"{ROOT}/user.slice/user-1000.slice/app.scope/memory.max": "max\n",
                f"{ROOT}/user.slice/user-1000.slice/memory.max": f"{4 * GIB}\n",
                f"{ROOT}/user.slice/memory.max": f"{8 * GIB}\n",
            },
            4 * GIB,
        ),
        (
            {
                **V2,
                f"{ROOT}/user.slice/user-1000.slice/app.scope/memory.max": f"{4 * GIB}\n",
                f"{ROOT}/user.slice/memory.max": f"{2 * GIB}\n",
            },
            2 * GIB,
        ),
        ({**V2, f"{ROOT}/user.slice/memory.high": f"{3 * GIB}\n", f"{ROOT}/user.slice/memory.max": "max\n"}, 3 * GIB),
        # v2 in a container: the path is the namespace's root, or lies above it
        ({"/proc/self/cgroup": "0::/\n", f"{ROOT}/memory.max": f"{512 * MIB}\n"}, 512 * MIB),
        ({"/proc/self/cgroup": "0::/../../other\n", f"{ROOT}/memory.max": f"{512 * MIB}\n"}, 512 * MIB),
        # v1: the host's path is not mounted in a container, the root is the container's own group
        ({**V1, f"{ROOT}/memory/memory.limit_in_bytes": f"{2 * GIB}\n"}, 2 * GIB),
        ({**V1, f"{ROOT}/memory/memory.limit_in_bytes": NONE_V1}, None),
        (
            {
                **V1,
                f"{ROOT}/memory/docker/0123abcd/memory.limit_in_bytes": NONE_V1,
                f"{ROOT}/memory/docker/memory.limit_in_bytes": f"{1 * GIB}\n",
                f"{ROOT}/memory/memory.limit_in_bytes": NONE_V1,
            },
            1 * GIB,
        ),
        # v2 beside v1
        ({"/proc/self/cgroup": "4:pids:/a\n0::/a\n", f"{ROOT}/unified/a/memory.max": f"{GIB}\n"}, GIB),
        # nonsense
        ({**V2, f"{ROOT}/memory.max": "0\n"}, None),
        ({**V2, f"{ROOT}/memory.max": "-1\n"}, None),
        ({**V2, f"{ROOT}/memory.max": "12 GB\n"}, None),
        ({**V2, f"{ROOT}/memory.max": "9" * 400}, None),
        ({"/proc/self/cgroup": "no colon\n:::\n\n"}, None),
    ],
)
def test_memory_limit(files: dict[str, str], expected: int | None) -> None:
    assert limit(files) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({f"{ROOT}/cpu.max": "max 100000\n"}, None),
        ({f"{ROOT}/cpu.max": "200000 100000\n"}, 2.0),
        ({f"{ROOT}/user.slice/cpu.max": "50000 100000\n", f"{ROOT}/cpu.max": "200000 100000\n"}, 0.5),
        ({f"{ROOT}/cpu.max": "200000 0\n"}, None),
        ({f"{ROOT}/cpu.max": "200000\n"}, None),
        ({f"{ROOT}/cpu/cpu.cfs_quota_us": "-1\n", f"{ROOT}/cpu/cpu.cfs_period_us": "100000\n"}, None),
        (
            {f"{ROOT}/cpu,cpuacct/cpu.cfs_quota_us": "150000\n", f"{ROOT}/cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            1.5,
        ),
    ],
)
def test_cpu_limit(files: dict[str, str], expected: float | None) -> None:
    paths = {"/proc/self/cgroup": "3:cpu,cpuacct:/docker/0123abcd\n0::/user.slice\n"}
    assert cgroup.cpu_limit(Recorded(files={**paths, **files})) == expected


def test_the_page_cache_is_not_used_memory() -> None:
    files = {
        "/proc/self/cgroup": "0::/\n",
        f"{ROOT}/memory.max": f"{8 * GIB}\n",
        f"{ROOT}/memory.current": f"{7 * GIB}\n",
        f"{ROOT}/memory.stat": f"anon 1073741824\nactive_file {2 * GIB}\ninactive_file {3 * GIB}\n",
    }
    assert cgroup.memory_left(Recorded(files=files)) == 6 * GIB
    assert free_memory(Recorded(files={**files, "/proc/meminfo": meminfo(64, 40)})) == 6 * GIB
    assert free_memory(Recorded(files={**files, "/proc/meminfo": meminfo(64, 3)})) == 3 * GIB


def test_a_container_on_a_large_host() -> None:
    files = linux(256, cores=64) | V2
    files |= {f"{ROOT}/memory.max": f"{4 * GIB}\n", f"{ROOT}/cpu.max": "250000 100000\n"}
    machine = detect(catalog_chips(), probes=Recorded(files=files, allowed=frozenset(range(128))))
    assert machine.memory == 4 * GIB
    assert 3.2 * GIB < machine.budget < 3.6 * GIB
    assert machine.cores == 2
    sources = {name: fact.source for name, fact in machine.sources}
    assert sources["memory"] == f"{ROOT}/memory.max, of 256.0 GiB in the computer"
    assert sources["budget"].startswith("cgroup limit less")
    assert sources["cores"] == "cgroup CPU quota"
