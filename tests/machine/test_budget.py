from __future__ import annotations

import pytest

from lmpm.limits import GIB, MIB
from lmpm.machine import budget
from lmpm.machine.assemble import without_gpu
from lmpm.machine.description import describe, sold_size
from lmpm.machine.spec import parse_spec
from lmpm.types import Machine
from tests.machine.recorded import catalog_chips


@pytest.mark.parametrize(
    ("gib", "reported_mb"),  # llama.cpp's log line recommendedMaxWorkingSetSize, in 10^6 bytes
    [(16, 11453.25), (24, 17179.89), (32, 22906.50), (36, 28991.03), (48, 38654.71), (64, 51539.61)],
)
def test_apple_is_what_metal_reports(gib: int, reported_mb: float) -> None:
    size, _ = budget.apple_budget(gib * GIB)
    assert size / 1e6 == pytest.approx(reported_mb, rel=1e-4)


def test_apple_wired_limit_wins_but_never_beyond_the_memory() -> None:
    assert budget.apple_budget(16 * GIB, 14336)[0] == 14 * GIB
    assert budget.apple_budget(16 * GIB, 0)[0] == 11_453_246_122
    assert budget.apple_budget(16 * GIB, 10**9)[0] == 16 * GIB


@pytest.mark.parametrize(
    ("gib", "low", "high"), [(1, 0.4, 0.7), (2, 0.9, 1.5), (8, 5.5, 6.5), (16, 12.5, 12.7), (512, 480, 500)]
)
def test_cpu(gib: int, low: float, high: float) -> None:
    assert low * GIB <= budget.cpu_budget(gib * GIB)[0] <= high * GIB


def test_a_container_counts_with_its_limit() -> None:
    size, source = budget.cpu_budget(64 * GIB, 4 * GIB)
    assert 3.2 * GIB < size < 3.6 * GIB
    assert "cgroup" in source.source
    size, source = budget.cpu_budget(16 * GIB, 15 * GIB)  # the machine itself leaves less
    assert size == budget.cpu_budget(16 * GIB)[0]
    assert "cgroup" not in source.source
    assert 0.4 * GIB <= budget.cpu_budget(64 * GIB, 1 * GIB)[0] <= 0.7 * GIB


@pytest.mark.parametrize("windows", [False, True])
def test_gpu_keeps_its_context(windows: bool) -> None:
    for gib in (1, 2, 4, 8, 24, 80, 192):
        size, _ = budget.gpu_budget(gib * GIB, windows=windows)
        assert 414 * MIB <= gib * GIB - size <= max(600 * MIB, gib * GIB * 0.16)
    assert budget.gpu_budget(24 * GIB, windows=True)[0] < budget.gpu_budget(24 * GIB)[0]
    assert budget.gpu_budget(0)[0] == 0


def test_every_rule_grows_with_the_memory_and_stays_within_it() -> None:
    rules = (budget.apple_budget, budget.gpu_budget, budget.cpu_budget, budget.shared_gpu_budget)
    for rule in rules:
        last = -1
        for mib in range(0, 600 * 1024, 509):
            size, source = rule(mib * MIB)
            assert isinstance(size, int)
            assert last <= size <= mib * MIB
            assert source.source
            last = size


def test_a_limit_never_helps() -> None:
    for mib in range(64, 40_000, 333):
        assert 0 < budget.cpu_budget(32 * GIB, mib * MIB)[0] <= min(mib * MIB, budget.cpu_budget(32 * GIB)[0])


def test_cpu_bandwidth_is_careful_and_says_so() -> None:
    last = 0
    for cores in (1, 2, 4, 8, 16, 32, 128):
        value, source = budget.assumed_cpu_bandwidth(cores)
        assert value >= last
        assert source.origin == "assumed"
        last = value
    assert budget.assumed_cpu_bandwidth(8)[0] == 51_200_000_000
    assert budget.assumed_cpu_bandwidth(4, arm=True)[0] == 17_100_000_000
    assert budget.assumed_cpu_bandwidth(None)[0] == 38_400_000_000
    # a server has more channels, of which a small virtual machine gets what its cores can move
    assert budget.assumed_cpu_bandwidth(2, server=True)[0] == 22_000_000_000
    assert budget.assumed_cpu_bandwidth(8, server=True)[0] == 88_000_000_000
    assert budget.assumed_cpu_bandwidth(64, server=True)[0] == 128_000_000_000


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("M2, 16GB", "Apple M2 · 16 GB unified · 10.7 GiB for models · 100 GB/s"),
        ("8-core x86 CPU, 16GB", "8-core x86 CPU · 16 GB · 12.6 GiB for models"),
        ("RTX 4090, 64GB", "RTX 4090 · 24 GB VRAM · 23.1 GiB for models · 1,008 GB/s · 64 GB RAM"),
        ("4x H100 80GB, 1TB", "4x H100 · 320 GB VRAM · 312.0 GiB for models · 2,039 GB/s · 1 TB RAM"),
        ("0.5GB", "CPU · 512 MB · 0.2 GiB for models"),
    ],
)
def test_described_in_one_line(spec: str, line: str) -> None:
    assert describe(parse_spec(spec, catalog_chips())) == line


def test_an_unknown_memory_is_said() -> None:
    assert "memory not known" in describe(Machine(name="CPU", accelerator="cpu", memory=0, budget=0))


@pytest.mark.parametrize(
    ("kib", "shown"),
    [
        (16_303_420, "16 GB"), (7_999_000, "8 GB"), (3_920_000, "4 GB"), (32_780_000, "32 GB"), (65_700_000, "64 GB"),
        (131_800_000, "128 GB"), (988_000, "1 GB"), (480_000, "469 MB"), (12_200_000, "12 GB"),
        (18_874_368, "18 GB"), (37_748_736, "36 GB"), (25_153_536, "24 GB"),
    ],
)  # fmt: skip
def test_a_size_is_shown_as_it_was_sold(kib: int, shown: str) -> None:
    assert sold_size(kib * 1024) == shown


def test_without_gpu() -> None:
    chips = catalog_chips()
    card = without_gpu(parse_spec("RTX 4090, CPU 8 cores, 32GB, DDR5-5600", chips))
    assert (card.accelerator, card.vram, card.gpus, card.host_budget) == ("cpu", 0, 0, 0)
    assert card.budget == budget.cpu_budget(32 * GIB)[0]
    assert card.bandwidth == 89_600_000_000
    assert card.name == "8-core CPU"
    mac = without_gpu(parse_spec("M2, 16GB", chips))
    assert (mac.accelerator, mac.bandwidth, mac.name) == ("cpu", 100_000_000_000, "Apple M2 CPU")
    assert mac.budget == budget.cpu_budget(16 * GIB)[0]
    assert without_gpu(mac) is mac
