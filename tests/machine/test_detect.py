from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lmpm.limits import GIB, MIB
from lmpm.machine import budget
from lmpm.machine.chips import Chips
from lmpm.machine.description import describe
from lmpm.machine.detection import detect, free_memory
from lmpm.machine.probes import Ran, SystemProbes
from tests.machine.recorded import Recorded, catalog_chips, cpuinfo, linux, meminfo

SMI_FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest "
    "NVIDIA driver is installed and running.\n\n"
)
MAC = Recorded(system="darwin", architecture="arm64")
MAC_M2 = "machdep.cpu.brand_string: Apple M2\nhw.memsize: 17179869184\nhw.physicalcpu: 8\niogpu.wired_limit_mb: 0\n"
IOREG_M1_MAX = (
    "+-o AGXAcceleratorG13X  <class AGXAcceleratorG13X, id 0x100000376, registered, matched, active, busy 0>\n"
    '    {\n      "gpu-core-count" = 24\n      "model" = "Apple M1 Max"\n    }\n'
)
VM_STAT = (
    "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
    "Pages free:                               65536.\n"
    "Pages active:                            400000.\n"
    "Pages inactive:                          131072.\n"
    "Pages speculative:                            0.\n"
    "Pages purgeable:                              0.\n"
)


@pytest.fixture(scope="module")
def chips() -> Chips:
    return catalog_chips()


def nvidia(text: str) -> Recorded:
    return Recorded(files=linux(64), commands={"nvidia-smi": text}, allowed=frozenset(range(16)))


def test_a_mac(chips: Chips) -> None:
    machine = detect(chips, probes=replace(MAC, commands={"sysctl": MAC_M2}))
    assert describe(machine) == "Apple M2 · 16 GB unified · 10.7 GiB for models · 100 GB/s"
    assert (machine.accelerator, machine.budget, machine.cores) == ("metal", 11_453_246_122, 8)
    assert str(machine.source_of("memory")) == "system: sysctl hw.memsize"


def test_a_mac_whose_owner_raised_the_limit(chips: Chips) -> None:
    told = MAC_M2.replace("wired_limit_mb: 0", "wired_limit_mb: 14336")
    machine = detect(chips, probes=replace(MAC, commands={"sysctl": told}))
    assert machine.budget == 14 * GIB
    assert str(machine.source_of("budget")) == "system: sysctl iogpu.wired_limit_mb"


def test_a_mac_on_an_old_system_without_that_key(chips: Chips) -> None:
    told = MAC_M2.replace("iogpu.wired_limit_mb: 0\n", "")
    assert detect(chips, probes=replace(MAC, commands={"sysctl": told})).budget == 11_453_246_122


def test_a_mac_build_is_told_by_its_gpu_cores(chips: Chips) -> None:
    told = MAC_M2.replace("M2", "M1 Max").replace("17179869184", "34359738368").replace("cpu: 8", "cpu: 10")
    slow = detect(chips, probes=replace(MAC, commands={"sysctl": told, "ioreg": IOREG_M1_MAX}))
    fast = detect(chips, probes=replace(MAC, commands={"sysctl": told, "ioreg": IOREG_M1_MAX.replace("24", "32")}))
    assert slow.compute is not None
    assert fast.compute is not None
    assert slow.compute < fast.compute
    assert slow.bandwidth == fast.bandwidth == 400_000_000_000


def test_a_mac_newer_than_the_catalog_counts_as_the_slowest_of_its_tier(chips: Chips) -> None:
    told = MAC_M2.replace("Apple M2", "Apple M9 Max")
    machine = detect(chips, probes=replace(MAC, commands={"sysctl": told}))
    assert (machine.name, machine.accelerator, machine.bandwidth) == ("Apple M9 Max", "metal", 300_000_000_000)
    assert machine.source_of("bandwidth").origin == "assumed"
    plain = detect(chips, probes=replace(MAC, commands={"sysctl": MAC_M2.replace("Apple M2", "Apple M9")}))
    assert plain.bandwidth == 68_000_000_000


def test_a_virtual_mac_has_no_gpu_to_count_on(chips: Chips) -> None:
    told = MAC_M2.replace("Apple M2", "Apple M1 (Virtual)")
    machine = detect(chips, probes=replace(MAC, commands={"sysctl": told}))
    assert (machine.accelerator, machine.name) == ("cpu", "Apple M1 (Virtual) CPU")


def test_an_intel_mac(chips: Chips) -> None:
    told = (
        "machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz\n"
        "hw.memsize: 17179869184\nhw.physicalcpu: 6\n"
    )
    machine = detect(chips, probes=Recorded(system="darwin", commands={"sysctl": told}))
    assert describe(machine) == "Intel Core i7-9750H · 16 GB · 12.6 GiB for models"
    assert machine.source_of("cpu").source.startswith("Intel(R) Core(TM) i7-9750H")


def test_a_mac_that_tells_nothing(chips: Chips) -> None:
    machine = detect(chips, probes=replace(MAC, ram=(8 * GIB, None)))
    assert (machine.accelerator, machine.memory) == ("cpu", 8 * GIB)


def test_one_nvidia_card(chips: Chips) -> None:
    machine = detect(chips, probes=nvidia("NVIDIA GeForce RTX 4090, 24564\n"))
    assert describe(machine) == "RTX 4090 · 24 GB VRAM · 23.1 GiB for models · 1,008 GB/s · 64 GB RAM"
    assert (machine.accelerator, machine.gpus, machine.vram) == ("cuda", 1, 24564 * MIB)
    assert machine.host_budget == budget.cpu_budget(64 * GIB)[0]
    assert machine.host_bandwidth == 51_200_000_000  # of the Ryzen 7 5800X
    assert machine.compute == pytest.approx(161.66e12)


def test_several_nvidia_cards_add_up(chips: Chips) -> None:
    one = detect(chips, probes=nvidia("NVIDIA GeForce RTX 3090, 24576\n"))
    two = detect(chips, probes=nvidia("NVIDIA GeForce RTX 3090, 24576\nNVIDIA GeForce RTX 3090, 24576\n"))
    mixed = detect(chips, probes=nvidia("NVIDIA GeForce RTX 3090, 24576\nNVIDIA GeForce RTX 3060, 12288\n"))
    assert two.name == "2x RTX 3090"
    assert (two.gpus, two.vram, two.budget) == (2, 2 * one.vram, 2 * one.budget)
    assert two.bandwidth == one.bandwidth == 936_200_000_000
    assert mixed.name == "RTX 3090 + RTX 3060"
    assert mixed.bandwidth is not None
    assert 360_000_000_000 < mixed.bandwidth < 936_200_000_000


@pytest.mark.parametrize(
    ("driver_name", "mib", "name", "bandwidth"),
    [
        ("NVIDIA A100-SXM4-80GB", 81920, "A100 SXM", 2039.0),
        ("NVIDIA A100-SXM4-40GB", 40960, "A100", 1555.0),
        ("NVIDIA A100-PCIE-40GB", 40960, "A100", 1555.0),
        ("NVIDIA A100 80GB PCIe", 81920, "A100 PCIe", 1935.0),
        ("NVIDIA H100 80GB HBM3", 81559, "H100 SXM", 3350.0),
        ("NVIDIA H100 PCIe", 81559, "H100 PCIe", 2039.0),
        ("NVIDIA H200", 143771, "H200", 4800.0),
        ("Tesla T4", 15360, "T4", 320.0),
        ("Tesla V100-SXM2-16GB", 16384, "V100", 900.0),
        ("NVIDIA L40S", 46068, "L40S", 864.0),
        ("NVIDIA L4", 23034, "L4", 300.0),
        ("NVIDIA A10", 23028, "A10", 600.0),
        ("NVIDIA RTX A6000", 49140, "RTX A6000", 768.0),
        ("NVIDIA RTX 6000 Ada Generation", 49140, "RTX 6000 Ada", 960.0),
        ("Quadro RTX 6000", 24576, "Quadro RTX 6000", 672.0),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 97887, "RTX PRO 6000", 1792.0),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 16376, "RTX 4070 Ti SUPER", 672.0),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16376, "RTX 4090 Laptop", 576.0),
        ("NVIDIA GeForce RTX 3060", 12288, "RTX 3060", 360.0),
        ("NVIDIA GeForce RTX 3060", 8192, "RTX 3060", 240.0),
        ("NVIDIA GeForce GTX 1060 6GB", 6144, "GTX 1060", 192.0),
        ("GeForce RTX 2080 Ti", 11019, "RTX 2080 Ti", 616.0),
    ],
)
def test_names_of_the_driver(chips: Chips, driver_name: str, mib: int, name: str, bandwidth: float) -> None:
    machine = detect(chips, probes=nvidia(f"{driver_name}, {mib}\n"))
    assert (machine.name, machine.accelerator) == (name, "cuda")
    assert machine.bandwidth == round(bandwidth * 1e9)
    assert machine.vram == mib * MIB


def test_an_unknown_card_counts_as_the_slowest_that_large(chips: Chips) -> None:
    machine = detect(chips, probes=nvidia("NVIDIA GeForce RTX 9090, 32607\n"))
    assert machine.name == "RTX 9090"
    assert machine.bandwidth == 576_000_000_000  # the slowest with as much
    assert machine.source_of("bandwidth").origin == "assumed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No devices were found\n",
        SMI_FAILED,
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.161\n",
        "NVIDIA GeForce RTX 3090, [N/A]\n",
        "NVIDIA GeForce RTX 3090, 0\n",
        "NVIDIA GeForce RTX 3090, [Unknown Error]\n",
        "Unable to determine the device handle for GPU0: 0000:01:00.0: GPU is lost.  Reboot the system\n",
        "RTX 3090, -24576\n",
        "RTX 3090, 99999999999999\n",
        ",,,,\n, \n\x00\xff",
    ],
)
def test_a_broken_driver_leaves_the_cpu(chips: Chips, text: str) -> None:
    machine = detect(chips, probes=nvidia(text))
    assert (machine.accelerator, machine.vram) == ("cpu", 0)
    assert machine.budget == budget.cpu_budget(64 * GIB)[0]


def test_a_card_without_memory_beside_a_good_one(chips: Chips) -> None:
    machine = detect(chips, probes=nvidia("NVIDIA GeForce RTX 3090, [N/A]\nNVIDIA GeForce RTX 3060, 12288\n"))
    assert (machine.name, machine.gpus) == ("RTX 3060", 1)


def test_a_slice_of_a_card_is_all_that_counts(chips: Chips) -> None:
    listed = (
        "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)\n"
        "  MIG 1g.5gb      Device  0: (UUID: MIG-1)\n  MIG 2g.10gb     Device  1: (UUID: MIG-2)\n"
    )
    for size in ("40960", "[Insufficient Permissions]"):
        probes = Recorded(
            files=linux(64), commands={"nvidia-smi": f"NVIDIA A100-SXM4-40GB, {size}\n", "nvidia-smi -L": listed}
        )
        machine = detect(chips, probes=probes)
        assert (machine.name, machine.vram, machine.gpus) == ("A100-SXM4-40GB 1g.5gb", round(4.75 * GIB), 1)
        assert machine.bandwidth == 1_555_000_000_000 // 8


def test_a_gpu_that_shares_the_memory(chips: Chips) -> None:
    machine = detect(chips, probes=Recorded(files=linux(119.6), commands={"nvidia-smi": "NVIDIA GB10, [N/A]\n"}))
    assert (machine.name, machine.accelerator, machine.vram) == ("DGX Spark", "cuda", 0)
    assert machine.budget == budget.cpu_budget(machine.memory)[0]


def test_windows_keeps_more_of_the_vram(chips: Chips) -> None:
    probes = Recorded(
        system="windows",
        architecture="AMD64",
        commands={"nvidia-smi": "NVIDIA GeForce RTX 4090, 24564\n"},
        ram=(32 * GIB, 20 * GIB),
        allowed=frozenset(range(16)),
        cpu="AMD Ryzen 7 5800X 8-Core Processor",
    )
    machine = detect(chips, probes=probes)
    assert machine.budget == 24564 * MIB - 24564 * MIB * 15 // 100
    assert (machine.memory, machine.cores) == (32 * GIB, 8)
    assert free_memory(probes) == 20 * GIB
    plain = detect(chips, probes=replace(probes, commands={}))
    assert describe(plain) == "AMD Ryzen 7 5800X · 32 GB · 26.2 GiB for models"
    assert plain.source_of("cpu").source == "AMD Ryzen 7 5800X 8-Core Processor"


def drm(card: str, vendor: str, device: str, vram: int | None = None, gtt: int | None = None) -> dict[str, str]:
    base = f"/sys/class/drm/{card}/device"
    files = {f"{base}/vendor": f"{vendor}\n", f"{base}/device": f"{device}\n"}
    if vram is not None:
        files[f"{base}/mem_info_vram_total"] = f"{vram}\n"
    if gtt is not None:
        files[f"{base}/mem_info_gtt_total"] = f"{gtt}\n"
    return files


@pytest.mark.parametrize(
    ("cards", "name", "accelerator", "vram", "bandwidth"),
    [
        (drm("card0", "0x1002", "0x744c", 25_753_026_560), "RX 7900 XTX", "rocm", 25_753_026_560, 960),
        (drm("card0", "0x1002", "0x744c", 21_458_059_264), "RX 7900 XT", "rocm", 21_458_059_264, 800),
        (drm("card1", "0x1002", "0x73df", 12 * GIB), "RX 6700 XT", "rocm", 12 * GIB, 384),
        (drm("card0", "0x8086", "0xe20b"), "Arc B580", "sycl", 12 * GIB, 456),
        # two of them, and the display of the CPU beside one
        (
            drm("card0", "0x1002", "0x744c", 24 * GIB) | drm("card1", "0x1002", "0x744c", 24 * GIB),
            "2x RX 7900 XTX", "rocm", 48 * GIB, 960,
        ),
        (
            drm("card0", "0x1002", "0x744c", 24 * GIB) | drm("card1", "0x1002", "0x164e", 512 * MIB, 15 * GIB),
            "RX 7900 XTX", "rocm", 24 * GIB, 960,
        ),
    ],
)  # fmt: skip
def test_cards_of_the_kernel(
    chips: Chips, cards: dict[str, str], name: str, accelerator: str, vram: int, bandwidth: int
) -> None:
    files = linux(64) | cards | {"/sys/class/drm/card0-DP-1/status": "connected\n"}
    machine = detect(chips, probes=Recorded(files=files))
    assert (machine.name, machine.accelerator, machine.vram) == (name, accelerator, vram)
    assert machine.bandwidth == bandwidth * 10**9


def test_strix_halo_takes_what_its_driver_allows(chips: Chips) -> None:
    card = drm("card0", "0x1002", "0x1586", 512 * MIB, 100 * GIB)
    machine = detect(chips, probes=Recorded(files=linux(124) | card))
    assert (machine.name, machine.accelerator, machine.bandwidth) == ("Strix Halo", "vulkan", 256_000_000_000)
    assert machine.budget == 100 * GIB + 512 * MIB
    assert machine.memory == 124 * GIB + 512 * MIB


def test_a_small_integrated_gpu_is_a_cpu_with_its_memory(chips: Chips) -> None:
    card = drm("card0", "0x1002", "0x15bf", 4 * GIB, 14 * GIB)
    machine = detect(chips, probes=Recorded(files=linux(28) | card))
    assert (machine.name, machine.accelerator, machine.vram) == ("AMD Ryzen 7 5800X", "cpu", 0)
    assert machine.bandwidth == 89_600_000_000


def test_an_apu_by_the_name_of_its_cpu(chips: Chips) -> None:
    model = "AMD Ryzen 7 7840HS w/ Radeon 780M Graphics"
    files = linux(28) | {"/proc/cpuinfo": cpuinfo(8, threads=2, model=model)}
    assert detect(chips, probes=Recorded(files=files)).bandwidth == 89_600_000_000


def test_a_large_apu_whose_gpu_is_not_passed_into_a_container(chips: Chips) -> None:
    files = linux(64) | {"/proc/cpuinfo": cpuinfo(16, threads=2, model="AMD RYZEN AI MAX+ 395 w/ Radeon 8060S")}
    machine = detect(chips, probes=Recorded(files=files))
    assert (machine.name, machine.accelerator, machine.bandwidth) == ("16-core x86 CPU", "cpu", 256_000_000_000)


def test_a_raspberry_pi(chips: Chips) -> None:
    files = {
        "/proc/meminfo": meminfo(7.87),
        "/proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\nCPU part\t: 0xd0b\n\nprocessor\t: 1\n",
        "/proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0",
    }
    probes = Recorded(architecture="aarch64", files=files, allowed=frozenset(range(4)))
    machine = detect(chips, probes=probes)
    assert describe(machine) == "Raspberry Pi 5 · 8 GB · 5.7 GiB for models"
    assert (machine.bandwidth, machine.cores) == (17_100_000_000, 4)


@pytest.mark.parametrize(
    ("cores", "threads", "allowed", "expected"),
    [(8, 2, range(16), 8), (8, 1, range(8), 8), (8, 2, range(8), 8), (8, 2, [0, 8], 1), (8, 2, [0, 1, 2], 3)],
)
def test_cores_are_physical_and_allowed(
    chips: Chips, cores: int, threads: int, allowed: list[int], expected: int
) -> None:
    probes = Recorded(files=linux(16, cores=cores, threads=threads), allowed=frozenset(allowed))
    assert detect(chips, probes=probes).cores == expected


@pytest.mark.parametrize("system", ["linux", "darwin", "windows", "other"])
def test_nothing_can_be_read(chips: Chips, system: str) -> None:
    machine = detect(chips, probes=Recorded(system=system, architecture=""))  # type: ignore[arg-type]
    assert (machine.memory, machine.budget, machine.accelerator) == (0, 0, "cpu")
    assert machine.source_of("memory").origin == "unknown"
    assert describe(machine)
    assert free_memory(Recorded(system=system)) is None  # type: ignore[arg-type]


def test_proc_is_missing_but_the_system_answers(chips: Chips) -> None:
    machine = detect(chips, probes=Recorded(ram=(16 * GIB, None), allowed=frozenset(range(4))))
    assert (machine.memory, machine.cores) == (16 * GIB, 4)


def test_free_memory_of_a_mac() -> None:
    assert free_memory(replace(MAC, commands={"vm_stat": VM_STAT})) == 3 * GIB
    assert free_memory(replace(MAC, commands={"vm_stat": "garbage"})) is None


def test_any_garbage_gives_a_machine(chips: Chips) -> None:
    rng = random.Random(4)
    pieces = [
        "", "\n", "max", "0", "-1", "9" * 30, "[N/A]", ", 24576\n", "NVIDIA GB10, [N/A]\n", "NVIDIA A100, 40960\n",
        "kB", "MemTotal: 16 kB\n", "MemTotal: 99999999999999 kB\n", "processor\t: 0\ncore id\t: 1\n\n", "Apple M2",
        "\x1b[31m",
        "machdep.cpu.brand_string: Apple M9 Max\n", "hw.memsize: 0\n", "hw.memsize: 8589934592\n", "0::/a/../b\n",
        "0x1002\n", "0x744c", "0x1586", "  MIG 1g.0gb Device 0\n", "MIG 9g.99gb", "é🙂", "200000 100000", "1e9",
    ]  # fmt: skip
    keys = [
        "/proc/meminfo", "/proc/cpuinfo", "/proc/self/cgroup", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max",
        "/sys/class/drm/card0/device/vendor", "/sys/class/drm/card0/device/device", "/proc/device-tree/model",
        "/sys/class/drm/card0/device/mem_info_vram_total", "/sys/class/drm/card0/device/mem_info_gtt_total",
    ]  # fmt: skip

    def garbage() -> str:
        return "".join(rng.choices(pieces, k=rng.randint(0, 6)))

    for _ in range(1500):
        probes = Recorded(
            system=rng.choice(("linux", "darwin", "windows", "other")),
            architecture=rng.choice(("x86_64", "arm64", "vax")),
            files={key: garbage() for key in keys if rng.random() < 0.7},
            commands={name: garbage() for name in ("nvidia-smi", "nvidia-smi -L", "sysctl", "ioreg", "vm_stat")},
            ram=rng.choice((None, (0, 0), (-1, None), (8 * GIB, GIB), (1 << 60, None))),
            allowed=rng.choice((None, frozenset(), frozenset({0, 1, 2, 3}))),
        )
        machine = detect(chips, probes=probes)
        assert 0 <= machine.budget <= max(machine.memory, machine.vram)
        assert machine.bandwidth
        assert machine.name.isprintable()
        assert describe(machine)
        free_memory(probes)


# This computer, whatever it is.


def test_this_computer(chips: Chips) -> None:
    machine = detect(chips)
    assert 0 < machine.budget <= max(machine.memory, machine.vram)
    assert machine.bandwidth
    assert {"memory", "budget", "bandwidth", "cores"} <= dict(machine.sources).keys()
    free = free_memory()
    assert free is None or free > 0


def script(directory: Path, text: str) -> str:
    path = directory / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("echo RTX 3090, 24576", Ran("ended", "RTX 3090, 24576\n")),
        ("echo it failed; exit 9", Ran("ended", "it failed\n", 9)),
        ("echo to stderr >&2", Ran("ended")),
        ("cat", Ran("ended")),  # nothing to read on stdin
        ("sleep 60", Ran("hung")),
        ("trap '' TERM HUP INT; echo partial; sleep 60", Ran("hung")),
        ("sleep 60 & echo parent has ended", Ran("hung")),  # a child keeps the pipe open
    ],
)
def test_commands(tmp_path: Path, text: str, ended: Ran) -> None:
    started = time.monotonic()
    assert SystemProbes(timeout_s=0.5).run(script(tmp_path, text)) == ended
    assert time.monotonic() - started < 5


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_a_command_that_prints_without_end(tmp_path: Path) -> None:
    ran = SystemProbes(timeout_s=5).run(script(tmp_path, "exec yes"))
    assert len(ran.output) == 256 * 1024


def test_missing_things(tmp_path: Path) -> None:
    probes = SystemProbes()
    assert probes.run("lmpm-no-such-tool") == Ran("missing")
    assert probes.run(str(tmp_path)) == Ran("missing")
    assert probes.read(str(tmp_path / "none")) is None
    assert probes.read(str(tmp_path)) is None
    assert probes.read("a\0b") is None
    assert probes.names(str(tmp_path / "none")) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux asks")
def test_no_command_runs_on_linux_but_the_gpu_tool(chips: Chips) -> None:
    probes = Recorded(files=linux(16))
    detect(chips, probes=probes)
    assert probes.asked == ["nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits"]
