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
        ("RTX 4090", ("RTX 4090", "cuda", 24, 0, 1008.0)),
        ("rtx4090", ("RTX 4090", "cuda", 24, 0, 1008.0)),
        ("4090, 64GB", ("RTX 4090", "cuda", 24, 64, 1008.0)),
        ("nvidia geforce rtx 4090", ("RTX 4090", "cuda", 24, 0, 1008.0)),
        ("RTX 3060 12GB, 32GB", ("RTX 3060", "cuda", 12, 32, 360.0)),
        ("RTX 3060 8GB, 32GB", ("RTX 3060", "cuda", 8, 32, 240.0)),
        ("RTX 3060, 12GB", ("RTX 3060", "cuda", 12, 0, 360.0)),
        ("32GB RAM, RTX 3060 with 12GB VRAM", ("RTX 3060", "cuda", 12, 32, 360.0)),
        ("RTX 3060 32GB", ("RTX 3060", "cuda", 8, 32, 240.0)),
        ("RTX 4060 Ti", ("RTX 4060 Ti", "cuda", 8, 0, 288.0)),
        ("RTX 4070 Ti Super, 32GB", ("RTX 4070 Ti SUPER", "cuda", 16, 32, 672.0)),
        ("RTX 4090 Laptop GPU 16GB, 32GB", ("RTX 4090 Laptop", "cuda", 16, 32, 576.0)),
        ("2x RTX 3090, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("RTX 3090 x2, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("2 × RTX 3090 24GB, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("dual RTX 3090, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("2x RTX 3090 48GB, 64GB", ("2x RTX 3090", "cuda", 48, 64, 936.2)),
        ("RTX 3090 + RTX 3060 12GB, 64GB", ("RTX 3090 + RTX 3060", "cuda", 36, 64, 610.5)),
        ("A100 80GB", ("A100", "cuda", 80, 0, 1935.0)),
        ("NVIDIA A100-SXM4-40GB", ("A100", "cuda", 40, 0, 1555.0)),
        ("H100", ("H100", "cuda", 80, 0, 2039.0)),
        ("8x H100 SXM 80GB, 2TB", ("8x H100 SXM", "cuda", 640, 2048, 3350.0)),
        ("T4, 16GB RAM", ("T4", "cuda", 16, 16, 320.0)),
        ("DGX Spark", ("DGX Spark", "cuda", 0, 128, 273.0)),
        # AMD, Intel
        ("RX 7900 XTX", ("RX 7900 XTX", "rocm", 24, 0, 960.0)),
        ("amd radeon rx7900xtx, 32gb", ("RX 7900 XTX", "rocm", 24, 32, 960.0)),
        ("Arc B580, 32GB", ("Arc B580", "sycl", 12, 32, 456.0)),
        ("Strix Halo 128GB", ("Strix Halo", "vulkan", 0, 128, 256.0)),
        ("AMD Ryzen AI Max+ 395, 128GB", ("Strix Halo", "vulkan", 0, 128, 256.0)),
        ("Ryzen 7 5800X, RTX 3060 12GB, 32GB", ("RTX 3060", "cuda", 12, 32, 360.0)),
        # CPU
        ("CPU, 8 cores, 16GB", ("8-core CPU", "cpu", 0, 16, 51.2)),
        ("8-core x86 CPU, 16 GB", ("8-core x86 CPU", "cpu", 0, 16, 51.2)),
        ("8GB", ("CPU", "cpu", 0, 8, 38.4)),
        ("0.5 GB", ("CPU", "cpu", 0, 0.5, 38.4)),
        ("CPU, 4 cores, 16GB", ("4-core CPU", "cpu", 0, 16, 38.4)),
        ("CPU, 16 cores, 64GB", ("16-core CPU", "cpu", 0, 64, 76.8)),
        ("CPU, 32 cores, 128GB", ("32-core CPU", "cpu", 0, 128, 102.4)),
        ("2 cores 4GB", ("2-core CPU", "cpu", 0, 4, 22.0)),
        ("CPU, 8 cores, 16GB, DDR5-5600", ("8-core CPU", "cpu", 0, 16, 89.6)),
        ("8c/16t, 2x16GB DDR4-3200", ("8-core CPU", "cpu", 0, 32, 51.2)),
        ("Epyc 32 cores 256GB 8-channel DDR4-3200", ("32-core CPU", "cpu", 0, 256, 204.8)),
        ("DDR5 16 GB", ("CPU", "cpu", 0, 16, 76.8)),
        ("16GB, DDR4", ("CPU", "cpu", 0, 16, 42.7)),
        ("16GB, 120 GB/s", ("CPU", "cpu", 0, 16, 120.0)),
        ("Intel(R) Core(TM) i7-12700 @ 2.10GHz, 12 cores, 32GB", ("Intel Core i7-12700", "cpu", 0, 32, 51.2)),
        ("Ryzen 5 5600G 16GB", ("AMD Ryzen 5 5600G", "cpu", 0, 16, 51.2)),
        # CPUs by their names: servers, laptops, ARM
        ("Snapdragon X Elite, 32GB", ("Snapdragon X Elite", "cpu", 0, 32, 135.2)),
        ("Snapdragon(R) X 12-core X1E80100 @ 3.40 GHz, 16GB", ("Snapdragon X Elite X1E-80-100", "cpu", 0, 16, 135.2)),
        ("Snapdragon X Plus 16GB", ("Snapdragon X Plus", "cpu", 0, 16, 135.2)),
        ("EPYC 9654, 256GB", ("AMD EPYC 9654", "cpu", 0, 256, 460.8)),
        ("AMD EPYC 7763 64-Core Processor, 256GB", ("AMD EPYC 7763", "cpu", 0, 256, 204.8)),
        ("Xeon 8380 128GB", ("Intel Xeon Platinum 8380", "cpu", 0, 128, 204.8)),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz, 64GB", ("Intel Xeon E5-2680 v4", "cpu", 0, 64, 76.8)),
        ("i7-9750H, 16GB, DDR4", ("Intel Core i7-9750H", "cpu", 0, 16, 42.7)),
        ("12700H 16GB", ("Intel Core i7-12700H", "cpu", 0, 16, 51.2)),  # DDR4 at worst
        ("12th Gen Intel(R) Core(TM) i7-12700H, 16GB, DDR5", ("Intel Core i7-12700H", "cpu", 0, 16, 76.8)),
        ("Core Ultra 7 155H 32GB", ("Intel Core Ultra 7 155H", "cpu", 0, 32, 89.6)),
        ("Ryzen 3600, 16GB", ("AMD Ryzen 5 3600", "cpu", 0, 16, 51.2)),
        ("5600X 32GB", ("AMD Ryzen 5 5600X", "cpu", 0, 32, 51.2)),
        ("Ryzen 9 7950X, DDR5-3600, 64GB", ("AMD Ryzen 9 7950X", "cpu", 0, 64, 57.6)),  # two sticks a channel
        ("EPYC 9654 DDR5-4800 384GB", ("AMD EPYC 9654", "cpu", 0, 384, 460.8)),  # its twelve channels
        ("Threadripper 3970X 128GB", ("AMD Ryzen Threadripper 3970X", "cpu", 0, 128, 102.4)),
        ("Graviton4, 16 cores, 64GB", ("AWS Graviton4", "cpu", 0, 64, 537.6)),
        ("Ampere Altra Q80-30, 128GB", ("Ampere Altra Q80-30", "cpu", 0, 128, 204.8)),
        # MIG slices, rebuilt cards
        ("A100 40GB 3g.20gb, 64GB", ("A100 3g.20gb", "cuda", 19.5, 64, 777.5)),
        ("H100 SXM MIG 1g.10gb, 32GB", ("H100 SXM 1g.10gb", "cuda", 9.75, 32, 418.8)),
        ("RTX 4090 48GB VRAM, 64GB", ("RTX 4090", "cuda", 48, 64, 1008.0)),
        ("RTX 4090 48GB, 64GB", ("RTX 4090", "cuda", 48, 64, 1008.0)),
        ("RTX 3060 Ti, 12GB", ("RTX 3060 Ti", "cuda", 8, 12, 448.0)),
        ("RTX 4080, 24GB", ("RTX 4080", "cuda", 16, 24, 716.8)),
        ("RTX 4090 64GB", ("RTX 4090", "cuda", 24, 64, 1008.0)),
        ("GTX 970, 16GB", ("GTX 970", "cuda", 4, 16, 224.4)),
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
        ("M22, 16GB", "`m22` is not a chip", "Did you mean `Apple M2`"),
        ("RTX 4095", "`rtx 4095` is not a chip", "`RTX 4090`"),
        ("m3 maxx 64gb", "`maxx` is not a chip", "`Apple M3 Max`"),
        ("RTX 3090 laptop", "no laptop with `RTX 3090`", "`RTX 3080 Laptop`"),
        # what contradicts the chip is asked about, not passed over
        ("RTX 3060 Ti 12GB", "`RTX 3060 Ti` is sold with 8 GB, not 12GB", "write `RTX 3060 Ti, 12GB`"),
        ("RTX 4080 24GB", "`RTX 4080` is sold with 16 GB, not 24GB", "`RTX 4080 24GB VRAM`"),
        ("RTX 3070 16GB", "`RTX 3070` is sold with 8 GB, not 16GB", "`RTX 3070, 16GB`"),
        ("RX 7900 XTX 32GB", "is sold with 24 GB, not 32GB", "`RX 7900 XTX, 32GB`"),
        ("2x RTX 3090 32GB", "`RTX 3090` is sold with 24 GB, not 32GB", "`RTX 3090, 32GB`"),
        ("i7-12700H, 32 cores, 16GB", "`Intel Core i7-12700H` has 14 cores, not 32", "Examples"),
        ("M2, 3g.20gb, 16GB", "`3g.20gb` is a slice of what?", "A100 3g.20gb"),
        ("RTX 4090 3g.20gb, 64GB", "of one GPU that can be cut", "Examples"),
        ("A100 40GB 3g.20gb 1g.5gb, 64GB", "a process sees one slice only", "Examples"),
        ("A30 3g.40gb, 64GB", "`A30` has no slice `3g.40gb`", "Examples"),
        ("banana", "`banana` is not a chip", "Examples"),
        ("M2, 16", "`16` has no unit", "`16GB`"),
        ("NVIDIA, 16GB", "`nvidia` says no chip", "RTX 4090"),
        ("a GPU with 16GB", "`gpu` says no chip", "RTX 4090"),
        ("16GB VRAM", "names no graphics card", "Examples"),
        ("0GB", "`0gb`: expected 64 MB to 16 TB", "Examples"),
        ("M2, -16GB", "`-16gb`: expected", "Examples"),
        ("M2, 17TB", "`17tb`: expected", "Examples"),
        ("64x 1TB", "`64x 1tb`: expected", "Examples"),
        ("1e3GB", "`1e3gb` is not a chip", "Examples"),
        ("nan GB", "`nan gb` is not a chip", "Examples"),
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
        ("CPU, 16GB, DDR9", "`ddr9` is not a memory", "DDR5-5600"),
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


@pytest.mark.parametrize("text", ["RTX 3060 8GB", "RTX 3060, 12GB", "H200", "2x RTX 3090", "RX 7900 XTX", "Arc B580"])
def test_ram_beside_a_graphics_card_is_not_counted_on_unless_it_is_given(chips: Chips, text: str) -> None:
    machine = parse_spec(text, chips)
    assert (machine.memory, machine.host_budget, machine.host_bandwidth) == (0, 0, None)
    assert machine.source_of("memory").origin == "unknown"
    example = machine.source_of("memory").source.split("`")[1]
    assert parse_spec(example, chips).memory == 32 * GIB  # what it says to write is understood
    assert machine.budget > 0


def test_every_chip_is_understood_by_its_names(chips: Chips) -> None:
    for chip in chips.chips:
        size = (chip.memory or (16 * GIB,))[0] // GIB
        for name in (chip.name, *chip.aliases):
            machine = parse_spec(f"{name}, {size}GB", chips)
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


@pytest.mark.parametrize(
    ("text", "figure", "origin", "said"),
    [
        ("RTX 4090 48GB VRAM, 64GB", "vram", "given", "is sold with 24 GB"),
        ("M2, 12GB", "memory", "given", "is sold with 8, 16 or 24 GB"),
        ("12700H 16GB", "bandwidth", "assumed", "DDR4-3200, the slowest"),
        ("EPYC 9654, 256GB", "bandwidth", "table", "AMD EPYC 9654"),
        ("EPYC 9654, 256GB", "cores", "table", "AMD EPYC 9654"),
        ("CPU, 8 cores, 16GB", "bandwidth", "assumed", "DDR4-3200"),
        ("CPU, 8 cores, 16GB, DDR5-5600", "bandwidth", "given", "DDR5-5600, 2 channels"),
        ("CPU, 8 cores, 16GB", "cores", "given", "as described"),
        ("CPU, 8 cores, 16GB", "budget", "rule", "RAM less"),
        ("RTX 3060 12GB, 32GB", "host_bandwidth", "assumed", "DDR4-2400"),
        ("Ryzen 5 5600X, RTX 3060 12GB, 32GB", "host_bandwidth", "table", "AMD Ryzen 5 5600X"),
        ("H100, 64GB", "bandwidth", "assumed", "the slowest of its builds"),
        ("Xeon Gold 9999, 64GB", "cpu", "unknown", "not in the tables"),
    ],
)
def test_each_figure_says_where_it_is_from(chips: Chips, text: str, figure: str, origin: str, said: str) -> None:
    fact = parse_spec(text, chips).source_of(figure)
    assert fact.origin == origin
    assert said in fact.source


def test_cores_beyond_one_socket_are_on_several(chips: Chips) -> None:
    assert parse_spec("EPYC 9654, 96 cores, 256GB", chips).processor.sockets == 1
    assert parse_spec("EPYC 9654, 192 cores, 256GB", chips).processor.sockets == 2
