from __future__ import annotations

import random

import pytest

from lmpm.errors import SpecError
from lmpm.limits import GIB
from lmpm.machine.chips import Chips
from lmpm.machine.description import describe
from lmpm.machine.spec import parse_spec
from lmpm.types import Machine
from tests.machine.recorded import catalog_chips


@pytest.fixture(scope="module")
def chips() -> Chips:
    return catalog_chips()


def facts(machine: Machine) -> tuple[str, str, float, float, float | None]:
    """Name, accelerator, VRAM in GiB, RAM in GiB, bandwidth in GB/s."""
    bandwidth = round(machine.bandwidth / 1e9, 1) if machine.bandwidth else None
    return machine.name, machine.accelerator, machine.vram / GIB, machine.memory / GIB, bandwidth


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Apple: the build is told by its memory or its GPU cores, the slowest is taken in doubt
        ("M2, 16GB", ("Apple M2", "metal", 0, 16, 100.0)),
        ("m2 16gb", ("Apple M2", "metal", 0, 16, 100.0)),
        ("M2 / 16 GiB", ("Apple M2", "metal", 0, 16, 100.0)),
        ("Apple M2 (16 GB unified memory)", ("Apple M2", "metal", 0, 16, 100.0)),
        ("16GB M2", ("Apple M2", "metal", 0, 16, 100.0)),
        ("M2-16GB", ("Apple M2", "metal", 0, 16, 100.0)),
        ("m2 16g", ("Apple M2", "metal", 0, 16, 100.0)),
        ("MacBook Air M2 16GB", ("Apple M2", "metal", 0, 16, 100.0)),
        ("MacBook Pro M3 Pro 18GB", ("Apple M3 Pro", "metal", 0, 18, 150.0)),
        ("M3 Max 64GB", ("Apple M3 Max", "metal", 0, 64, 400.0)),
        ("M3 Max 36GB", ("Apple M3 Max", "metal", 0, 36, 300.0)),
        ("M1 Max 24-core GPU, 32GB", ("Apple M1 Max", "metal", 0, 32, 400.0)),
        ("M4 Max 64 GB", ("Apple M4 Max", "metal", 0, 64, 546.0)),
        ("m4 max, 36 gb", ("Apple M4 Max", "metal", 0, 36, 410.0)),
        ("Mac Studio M3 Ultra 512GB", ("Apple M3 Ultra", "metal", 0, 512, 800.0)),
        # NVIDIA
        ("RTX 4090", ("RTX 4090", "cuda", 24, 24, 1008.0)),
        ("rtx4090", ("RTX 4090", "cuda", 24, 24, 1008.0)),
        ("4090, 64GB", ("RTX 4090", "cuda", 24, 64, 1008.0)),
        ("nvidia geforce rtx 4090", ("RTX 4090", "cuda", 24, 24, 1008.0)),
        ("RTX 3060 12GB, 32GB", ("RTX 3060", "cuda", 12, 32, 360.0)),
        ("RTX 3060 8GB, 32GB", ("RTX 3060", "cuda", 8, 32, 240.0)),
        ("RTX 3060, 12GB", ("RTX 3060", "cuda", 12, 16, 360.0)),
        ("32GB RAM, RTX 3060 with 12GB VRAM", ("RTX 3060", "cuda", 12, 32, 360.0)),
        ("RTX 3060 32GB", ("RTX 3060", "cuda", 8, 32, 240.0)),
        ("RTX 4060 Ti", ("RTX 4060 Ti", "cuda", 8, 16, 288.0)),
        ("RTX 4070 Ti Super, 32GB", ("RTX 4070 Ti SUPER", "cuda", 16, 32, 672.0)),
        ("RTX 4090 Laptop GPU 16GB, 32GB", ("RTX 4090 Laptop", "cuda", 16, 32, 576.0)),
        ("2x RTX 3090, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("RTX 3090 x2, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("2 × RTX 3090 24GB, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("dual RTX 3090, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("2x RTX 3090 48GB, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("RTX 3090 + RTX 3060 12GB, 64GB", ("RTX 3090 + RTX 3060", "cuda", 36, 64, 610.5)),
        ("A100 80GB", ("A100", "cuda", 80, 80, 1935.0)),
        ("NVIDIA A100-SXM4-40GB", ("A100", "cuda", 40, 40, 1555.0)),
        ("H100", ("H100", "cuda", 80, 80, 2039.0)),
        ("8x H100 SXM 80GB, 2TB", ("8x H100 SXM", "cuda", 640, 2048, 3350.0)),
        ("T4, 16GB RAM", ("T4", "cuda", 16, 16, 320.0)),
        ("DGX Spark", ("DGX Spark", "cuda", 0, 128, 273.0)),
        # AMD, Intel
        ("RX 7900 XTX", ("RX 7900 XTX", "rocm", 24, 24, 960.0)),
        ("amd radeon rx7900xtx, 32gb", ("RX 7900 XTX", "rocm", 24, 32, 960.0)),
        ("Arc B580, 32GB", ("Arc B580", "sycl", 12, 32, 456.0)),
        ("Strix Halo 128GB", ("Strix Halo", "vulkan", 0, 128, 256.0)),
        ("AMD Ryzen AI Max+ 395, 128GB", ("Strix Halo", "vulkan", 0, 128, 256.0)),
        ("Ryzen 7 5800X, RTX 3060 12GB, 32GB", ("RTX 3060", "cuda", 12, 32, 360.0)),
        # CPU
        ("CPU, 8 cores, 16GB", ("8-core CPU", "cpu", 0, 16, 42.7)),
        ("8-core x86 CPU, 16 GB", ("8-core x86 CPU", "cpu", 0, 16, 42.7)),
        ("8GB", ("CPU", "cpu", 0, 8, 42.7)),
        ("0.5 GB", ("CPU", "cpu", 0, 0.5, 42.7)),
        ("2 cores 4GB", ("2-core CPU", "cpu", 0, 4, 22.0)),
        ("CPU, 8 cores, 16GB, DDR5-5600", ("8-core CPU", "cpu", 0, 16, 89.6)),
        ("8c/16t, 2x16GB DDR4-3200", ("8-core CPU", "cpu", 0, 32, 51.2)),
        ("Epyc 32 cores 256GB 8-channel DDR4-3200", ("32-core CPU", "cpu", 0, 256, 204.8)),
        ("DDR5 16 GB", ("CPU", "cpu", 0, 16, 76.8)),
        ("16GB, DDR4", ("CPU", "cpu", 0, 16, 42.7)),
        ("16GB, 120 GB/s", ("CPU", "cpu", 0, 16, 120.0)),
        ("Intel(R) Core(TM) i7-12700 @ 2.10GHz, 12 cores, 32GB", ("12-core CPU", "cpu", 0, 32, 42.7)),
        ("Ryzen 5 5600G 16GB", ("CPU", "cpu", 0, 16, 42.7)),
        ("Raspberry Pi 5 8GB", ("Raspberry Pi 5", "cpu", 0, 8, 17.1)),
        ("Radeon 780M 32GB", ("Radeon 780M", "cpu", 0, 32, 89.6)),
    ],
)
def test_what_people_write(chips: Chips, text: str, expected: tuple[object, ...]) -> None:
    assert facts(parse_spec(text, chips)) == expected


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("", "it is empty", "Examples"),
        (" \t", "it is empty", "Examples"),
        ("M2", "its memory is not given", "8, 16 or 24 GB, as in `M2, 8GB`"),
        ("M5 Ultra", "its memory is not given", "as in `M5 Ultra, 64GB`"),
        ("CPU", "its memory is not given", "`CPU, 8 cores, 16GB`"),
        ("M22, 16GB", "`m22` is no chip", "Did you mean `Apple M2`"),
        ("RTX 4095", "`rtx 4095` is no chip", "`RTX 4090`"),
        ("m3 maxx 64gb", "`maxx` is no chip", "`Apple M3 Max`"),
        ("RTX 3090 laptop", "no laptop with `RTX 3090`", "`RTX 3080 Laptop`"),
        ("banana", "`banana` is no chip", "Examples"),
        ("M2, 16", "`16` has no unit", "`16GB`"),
        ("NVIDIA, 16GB", "`nvidia` says no chip", "RTX 4090"),
        ("a GPU with 16GB", "`gpu` says no chip", "RTX 4090"),
        ("16GB VRAM", "names no graphics card", "Examples"),
        ("0GB", "`0gb`: expected 64 MB to 16 TB", "Examples"),
        ("M2, -16GB", "`-16gb`: expected", "Examples"),
        ("M2, 17TB", "`17tb`: expected", "Examples"),
        ("64x 1TB", "`64x 1tb`: expected", "Examples"),
        ("1e3GB", "`1e3gb` is no chip", "Examples"),
        ("nan GB", "`nan gb` is no chip", "Examples"),
        ("CPU, 0 cores, 16GB", "`0 cores`: expected", "Examples"),
        ("CPU, -4 cores, 16GB", "`-4 cores`: expected", "Examples"),
        ("CPU, 99999 cores, 16GB", "`99999 cores`: expected", "Examples"),
        ("0x RTX 4090", "expected 1 to 64 GPUs", "Examples"),
        ("99x RTX 4090", "expected 1 to 64 GPUs", "Examples"),
        ("2x M2, 16GB", "no computer with 2 `Apple M2`", "Examples"),
        ("M2 16GB 24GB", "there is only one memory", "Examples"),
        ("M2 16GB, M3 24GB", "it names `Apple M2` and `Apple M3`", "Examples"),
        ("RTX 4090, RX 7900 XTX", "one kind of GPU", "Examples"),
        ("M2, RTX 4090, 16GB", "`Apple M2` takes no graphics card", "Examples"),
        ("RTX 4090, 32GB, 64GB", "only one can be the host's RAM", "Examples"),
        ("CPU, 16GB, DDR5-99", "expected a speed such as `DDR5-5600`", "Examples"),
        ("CPU, 16GB, DDR5-999999", "expected a speed such as `DDR5-5600`", "Examples"),
        ("CPU, 16GB, DDR9", "`ddr9` is no memory", "DDR5-5600"),
        ("16GB, 0 GB/s", "GB/s", "Examples"),
        ("猫, 16GB", "`猫` is not expected", "Examples"),
        ("M2\x1b[31m, 16GB", "control character", "Examples"),
        ("16GB\0", "control character", "Examples"),
        ("x" * 5000, "longer than 200 characters", "Examples"),
    ],
)
def test_what_is_not_understood(chips: Chips, text: str, problem: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, chips)
    assert problem in caught.value.message
    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_a_discrete_gpu_says_that_the_host_is_assumed(chips: Chips) -> None:
    small, large = parse_spec("RTX 3060 8GB", chips), parse_spec("H200", chips)
    assert small.memory == 16 * GIB
    assert large.memory == 141 * GIB
    assert dict(small.sources)["memory"] == "assumed: 16 GB RAM, since none was given"
    assert 0 < small.host_budget < small.memory


def test_every_chip_is_understood_by_its_names(chips: Chips) -> None:
    for chip in chips.chips:
        size = (chip.memory or (16 * GIB,))[0] // GIB
        for name in (chip.name, *chip.aliases):
            machine = parse_spec(f"{name} {size}GB", chips)
            assert machine.accelerator == chip.accelerator, name
            assert machine.budget > 0, name
            assert machine.bandwidth is not None, name
            assert machine.bandwidth <= chip.bandwidth, name


def test_sizes_are_as_sold(chips: Chips) -> None:
    assert parse_spec("M2, 16GB", chips).memory == 17_179_869_184
    assert parse_spec("M2, 16 GiB", chips) == parse_spec("M2, 16384 MB", chips)


def test_case_spaces_and_separators_do_not_matter(chips: Chips) -> None:
    expected = parse_spec("RTX 3060 12GB, 32GB", chips)
    for text in ("rtx 3060 12gb , 32gb", "RTX3060 12 GB; 32 GB", "GeForce RTX 3060 12GB / 32GB", "rtx-3060 12gb|32gb"):
        machine = parse_spec(text, chips)
        assert (machine.name, machine.budget, machine.host_budget) == (
            expected.name, expected.budget, expected.host_budget,
        )  # fmt: skip


def test_any_text_is_a_machine_or_a_spec_error(chips: Chips) -> None:
    random_text = random.Random(20_261_120)
    words = " ".join(
        (
            "M2 16GB RTX 4090 2x , ; / + - 8 cores -1 0 GB ddr5-5600 x2 gpu vram 80gb a100 laptop pi 5 (R)",
            "@ 3.2GHz 9e9 dual channel 100gb/s 8c/16t \0 ½ ² ∞ ٣GB 16 ram ryzen 1tb mac max",
        )
    ).split(" ")
    for _ in range(3000):
        text = random_text.choice((" ", ", ", "")).join(random_text.choices(words, k=random_text.randint(1, 8)))
        try:
            machine = parse_spec(text, chips)
        except SpecError:
            continue
        assert 0 < machine.budget <= max(machine.memory, machine.vram), text
        assert machine.bandwidth, text
        assert describe(machine), text
