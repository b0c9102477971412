"""CPUs by the name that people type and that the system prints."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from lmpm.errors import CatalogError
from lmpm.limits import GIB
from lmpm.machine.chips import Chips, load_chips
from lmpm.machine.detection import detect
from lmpm.machine.long_tables import cpu_words
from lmpm.machine.processor import simd_of
from lmpm.machine.threads import default_threads, usable_cores
from lmpm.types import Simd
from tests.machine.recorded import CATALOG, Recorded, catalog_chips, cpuinfo, linux, meminfo

CPUS: dict[str, Any] = tomllib.loads((CATALOG / "cpus.toml").read_text())


@pytest.fixture(scope="module")
def chips() -> Chips:
    return catalog_chips()


# /proc/cpuinfo, the registry of Windows, lscpu: name, bandwidth in GB/s, cores
PRINTED = [
    ("AMD Ryzen 5 5600X 6-Core Processor", "AMD Ryzen 5 5600X", 51.2, 6),
    ("AMD Ryzen 7 6800U with Radeon Graphics", "Radeon 680M", 102.4, 8),
    ("AMD Ryzen 7 7735U w/ Radeon 680M Graphics", "AMD Ryzen 7 7735U", 76.8, 8),
    ("AMD Ryzen Threadripper PRO 5975WX 32-Cores", "AMD Ryzen Threadripper PRO 5975WX", 204.8, 32),
    ("AMD EPYC 7R13 Processor", "AMD EPYC 7R13", 204.8, None),
    ("AMD EPYC 9354P 32-Core Processor", "AMD EPYC 9354P", 460.8, 32),
    ("AMD EPYC 9B14", "AMD EPYC 9B14", 460.8, None),
    ("Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", "Intel Core i7-9750H", 34.1, 6),
    ("Intel(R) Core(TM) i5-6500 CPU @ 3.20GHz", "Intel Core i5-6500", 25.6, 4),
    ("11th Gen Intel(R) Core(TM) i7-11700K @ 3.60GHz", "Intel Core i7-11700K", 51.2, 8),
    ("13th Gen Intel(R) Core(TM) i9-13900K", "Intel Core i9-13900K", 51.2, 24),
    ("Intel(R) Core(TM) Ultra 7 155H", "Intel Core Ultra 7 155H", 89.6, 16),
    ("Intel(R) N100", "Intel N100", 25.6, 4),
    ("Intel(R) Xeon(R) CPU E5-2670 v3 @ 2.30GHz", "Intel Xeon E5-2670 v3", 68.3, 12),
    ("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", "Intel Xeon Platinum 8275CL", 140.8, None),
    ("Intel(R) Xeon(R) Platinum 8488C", "Intel Xeon Platinum 8488C", 307.2, None),
    ("INTEL(R) XEON(R) PLATINUM 8573C", "Intel Xeon Platinum 8573C", 358.4, None),
    ("Intel(R) Xeon(R) Gold 6252 CPU @ 2.10GHz", "Intel Xeon Gold 6252", 140.8, 24),
    ("Snapdragon(R) X 12-core X1E80100 @ 3.40 GHz", "Snapdragon X Elite X1E-80-100", 135.2, 12),
]


@pytest.mark.parametrize(("printed", "name", "bandwidth", "cores"), PRINTED)
def test_names_as_they_are_printed(chips: Chips, printed: str, name: str, bandwidth: float, cores: int | None) -> None:
    builds = chips.named(printed)
    slowest = min(builds, key=lambda chip: chip.bandwidth)
    assert slowest.accelerator == "cpu"
    if not name.startswith(("Radeon", "Intel N100")):  # these stand in chips.toml, with their graphics
        assert (slowest.name, slowest.cores) == (name, cores)
        assert slowest.bandwidth == pytest.approx(bandwidth * 1e9, rel=0.002)


@pytest.mark.parametrize(
    "name",
    [
        # a virtual machine's name that hides the CPU
        "Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel Xeon Processor (Skylake, IBRS)", "AMD EPYC Processor",
        "QEMU Virtual CPU version 2.5+", "Common KVM processor", "", "x86", "3600", "i7", "Ryzen", "7763",
    ],
)  # fmt: skip
def test_a_name_that_says_nothing_is_no_cpu(chips: Chips, name: str) -> None:
    assert chips.named(name) == ()


def test_every_cpu_is_found_by_its_own_name(chips: Chips) -> None:
    assert len(CPUS["cpus"]) >= 1000
    for key, row in CPUS["cpus"].items():
        assert " ".join(cpu_words(row["name"])) == key
        assert any(chip.name == row["name"] for chip in chips.long.cpu(row["name"])), key  # type: ignore[union-attr]


def test_every_row_is_plausible_and_has_its_source(chips: Chips) -> None:
    assert chips.long is not None
    for key, row in CPUS["cpus"].items():
        assert row["source"] in CPUS["sources"], key
        for chip in chips.long.cpu(row["name"]):
            assert 5e9 < chip.bandwidth < 1000e9, key
            assert chip.cores is None or 1 <= chip.cores <= 288, key
            assert chip.simd in get_args(Simd), key
            assert chip.memory_kind.startswith(("DDR", "LPDDR", "MRDIMM")), key
    for alias, keys in CPUS["aliases"].items():
        assert alias not in CPUS["cpus"]
        assert keys, alias
        assert set(keys) <= CPUS["cpus"].keys(), alias


def test_names_that_no_row_has_are_known_by_their_family(chips: Chips) -> None:
    parts = (CATALOG.parent / "tests" / "data" / "cpu_names.psv").read_text().split("# held out\n")
    for part, least in zip(parts, (0.92, 0.90), strict=True):
        lines = [line.partition("|") for line in part.splitlines() if line and not line.startswith("#")]
        assert len(lines) >= 60
        right, wrong = 0, []
        for name, _, figures in lines:
            slowest = min((chip.bandwidth for chip in chips.named(name)), default=0)
            is_right = any(slowest == pytest.approx(float(figure) * 1e9, rel=0.02) for figure in figures.split())
            right += is_right
            wrong += [name] if slowest and not is_right else []
        assert right >= least * len(lines)
        # of two builds the slower, and one E5 of the first generation that takes slower memory than the others
        assert set(wrong) <= {"Jetson Orin Nano", "AMD Ryzen Z1 Extreme", "Intel(R) Xeon(R) CPU E5-2640 0 @ 2.50GHz"}


def test_a_family_is_its_own_kind_and_has_its_source(chips: Chips) -> None:
    assert chips.long is not None
    for row in CPUS["family"]:
        assert row["source"].startswith(("AMD, ", "Intel ARK, ")), row["name"]
        example = row["source"].partition(", ")[2].partition(" (")[0]
        maker = "Intel " if row["source"].startswith("Intel") else "AMD Ryzen " if "Thread" in example else "AMD "
        found = chips.long._family(cpu_words(maker + example))
        assert [chip.name for chip in found] == [row["name"]] * len(row["memory"]), example


def test_every_card_of_the_long_table_is_found(chips: Chips) -> None:
    table = tomllib.loads((CATALOG / "gpus.toml").read_text())
    assert len(table["gpus"]) >= 300
    for key, row in table["gpus"].items():
        builds = chips.named(row["name"])
        assert builds, key
        assert all(chip.discrete and 10e9 < chip.bandwidth < 20e12 for chip in builds), key
        assert row["page"].partition(".c")[2].isdecimal(), key


def test_the_long_tables_are_read_only_when_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "chips.toml").write_bytes((CATALOG / "chips.toml").read_bytes())
    chips = load_chips(tmp_path)  # the long tables are not there
    assert chips.named("RTX 4090")
    assert detect(chips, probes=Recorded(files={"/proc/meminfo": meminfo(16)})).memory == 16 * GIB
    with pytest.raises(CatalogError, match=r"gpus\.toml"):
        chips.named("GTX 970")


@pytest.mark.parametrize(
    ("flags", "simd"),
    [
        ("fpu sse sse2 ssse3 avx", "sse"),
        ("sse2 avx avx2 fma", "avx2"),
        ("sse2 avx2 avx_vnni", "avx-vnni"),
        ("sse2 avx2 avx512f avx512bw", "avx512"),
        ("sse2 avx2 avx512f avx512_vnni", "avx512-vnni"),
        ("sse2 avx2 avx512f avx512_vnni avx512_bf16", "avx512-bf16"),
        ("sse2 avx2 avx512f avx512_vnni avx512_bf16 avx_vnni", "avx512-full"),
        ("sse2 avx2 avx512f avx512_vnni avx512_bf16 avx_vnni amx_bf16 amx_tile amx_int8", "amx"),
        ("fp asimd evtstrm crc32", "neon"),
        ("fp asimd asimddp", "dotprod"),
        ("fp asimd asimddp i8mm bf16 sve", "i8mm"),
        ("", ""),
    ],
)
def test_the_vector_instructions_are_read_from_the_flags(flags: str, simd: str) -> None:
    assert simd_of(frozenset(flags.split())) == simd


def arm(part: str, vendor: str, cores: int) -> Recorded:
    blocks = "\n\n".join(
        f"processor\t: {n}\nFeatures\t: fp asimd asimddp i8mm\nCPU implementer\t: 0x41\nCPU part\t: {part}"
        for n in range(cores)
    )
    files = {"/proc/meminfo": meminfo(64), "/proc/cpuinfo": blocks, "/sys/class/dmi/id/sys_vendor": f"{vendor}\n"}
    return Recorded(architecture="aarch64", files=files, allowed=frozenset(range(cores)))


@pytest.mark.parametrize(
    ("part", "vendor", "name", "bandwidth"),
    [
        ("0xd0c", "Amazon EC2", "AWS Graviton2, 8 cores", 204.8),
        ("0xd40", "Amazon EC2", "AWS Graviton3, 8 cores", 307.2),
        ("0xd4f", "Amazon EC2", "AWS Graviton4, 8 cores", 537.6),
        ("0xd4f", "Google", "8-core ARM CPU", 88.0),  # Axion: nobody publishes its memory
        ("0xd03", "", "8-core ARM CPU", 17.1),  # a small board
    ],
)
def test_arm_servers_are_told_by_core_and_vendor(
    chips: Chips, part: str, vendor: str, name: str, bandwidth: float
) -> None:
    machine = detect(chips, probes=arm(part, vendor, 8))
    assert (machine.name, machine.accelerator) == (name, "cpu")
    assert machine.bandwidth == pytest.approx(bandwidth * 1e9, rel=0.001)
    assert machine.processor.simd == "i8mm"


def test_a_share_of_a_server_keeps_its_own_cores(chips: Chips) -> None:
    files = linux(64) | {"/proc/cpuinfo": cpuinfo(8, threads=2, model="AMD EPYC 7763 64-Core Processor")}
    machine = detect(chips, probes=Recorded(files=files, allowed=frozenset(range(16))))
    assert (machine.name, machine.cores) == ("AMD EPYC 7763, 8 cores", 8)
    assert machine.processor.server
    assert machine.source_of("cores").origin == "system"
    assert machine.source_of("bandwidth").origin == "table"


@pytest.mark.parametrize(
    ("model", "server"),
    [
        ("AMD Ryzen 7 5800X 8-Core Processor", False),  # the Linux inside a Windows
        ("13th Gen Intel(R) Core(TM) i7-13999HX", False),  # also where no table has it
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", True),
        ("Intel Core Processor (Haswell, no TSX)", True),  # of a cloud
        ("AMD EPYC-Milan Processor", True),
        ("QEMU Virtual CPU version 2.5+", True),
    ],
)
def test_a_virtual_machine_has_the_clocks_of_a_server_unless_its_cpu_is_a_pcs(
    chips: Chips, model: str, server: bool
) -> None:
    text = cpuinfo(8, threads=2, model=model).replace("fpu vme avx2", "fpu vme sse2 avx2 hypervisor")
    machine = detect(chips, probes=Recorded(files=linux(32) | {"/proc/cpuinfo": text}))
    assert machine.processor.server is server
    assert machine.processor.simd == "avx2"


def test_sockets_are_counted() -> None:
    two = cpuinfo(8).replace("physical id\t: 0", "physical id\t: {}")
    blocks = two.split("\n\n")
    text = "\n\n".join(block.format(number // 4) for number, block in enumerate(blocks))
    each = "\n\n".join(block.format(number) for number, block in enumerate(blocks))  # as some hypervisors do
    allowed = frozenset(range(8))
    assert usable_cores(Recorded(files={"/proc/cpuinfo": text}, allowed=allowed)).sockets == 2
    assert usable_cores(Recorded(files={"/proc/cpuinfo": each}, allowed=allowed)).sockets == 1


@pytest.mark.parametrize(
    ("probes", "weights", "threads"),
    [
        (Recorded(files=linux(16, cores=8, threads=2), allowed=frozenset(range(16))), 5 * GIB, 8),
        (Recorded(files=linux(16, cores=8, threads=2), allowed=frozenset(range(16))), 1000, 1),
        (Recorded(files=linux(16, cores=8, threads=2), allowed=frozenset({0, 1, 2})), 5 * GIB, 3),
        (
            Recorded(
                files=linux(16) | {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "250000 100000\n"},
                allowed=frozenset(range(16)),
            ),
            5 * GIB,
            2,
        ),
        (Recorded(system="windows", architecture="AMD64", allowed=frozenset(range(16))), 5 * GIB, 8),
        (
            Recorded(
                system="darwin",
                commands={"sysctl -n hw.perflevel0.physicalcpu": "6\n", "sysctl -n hw.physicalcpu": "10\n"},
            ),
            5 * GIB,
            6,
        ),
        (Recorded(system="darwin", commands={"sysctl -n hw.physicalcpu": "10\n"}), 5 * GIB, 10),
        (Recorded(system="darwin", allowed=frozenset(range(4))), 5 * GIB, 4),
        (Recorded(system="other"), 5 * GIB, 1),
    ],
)
def test_threads_are_the_cores_that_are_free_for_them(probes: Recorded, weights: int, threads: int) -> None:
    assert default_threads(weights, probes) == threads
