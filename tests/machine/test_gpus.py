"""Which GPUs a process may use, and what is said when the tool that knows them fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lmpm.limits import GIB, MIB
from lmpm.machine import nvidia
from lmpm.machine.chips import Chips
from lmpm.machine.detection import detect
from lmpm.machine.probes import Ran
from tests.machine.recorded import Recorded, catalog_chips, linux
from tests.machine.test_detect import drm

SMI_FAILED = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest\n"
TWO = "NVIDIA GeForce RTX 3090, 24576\nNVIDIA GeForce RTX 3060, 12288\n"
TWO_LISTED = (
    "GPU 0: NVIDIA GeForce RTX 3090 (UUID: GPU-8932f937-d72c-4106-c12f-20bd9faed9f6)\n"
    "GPU 1: NVIDIA GeForce RTX 3060 (UUID: GPU-8a22f937-aaaa-4106-c12f-20bd9faed9f6)\n"
)
FOUR = "NVIDIA H100 80GB HBM3, 81559\n" * 4


@pytest.fixture(scope="module")
def chips() -> Chips:
    return catalog_chips()


def computer(answer: str | Ran, listed: str = "", **variables: str) -> Recorded:
    commands: dict[str, str | Ran] = {"nvidia-smi": answer, "nvidia-smi -L": listed}
    return Recorded(files=linux(64), commands=commands, variables=variables, allowed=frozenset(range(16)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Ran("hung"), "the driver hangs"),
        (Ran("failed"), "cannot be started"),
        (Ran("ended", SMI_FAILED, 9), "couldn't communicate"),
        (Ran("ended", "Failed to initialize NVML: Driver/library version mismatch\n", 18), "version mismatch"),
        (
            Ran("ended", "Unable to determine the device handle for GPU0: GPU is lost.\n", 15),
            "GPU is lost",
        ),
        (Ran("ended", "", 127), "exit code 127"),
        # garbage is never a card
        (Ran("ended", "NVIDIA GeForce RTX 3060, 12\n"), "RTX 3060, 12"),
        (Ran("ended", "NVIDIA GeForce RTX 3060, 99999999\n"), "99999999"),
        (Ran("ended", "NVIDIA GeForce RTX 3060, -12288\n"), "-12288"),
        (Ran("ended", "NVIDIA GeForce RTX 3060; 12288\n"), "12288"),
        (Ran("ended", "\x00\x1b[2J,,,,\n"), ","),
        (Ran("ended", ", 12288\n"), "12288"),
    ],
)
def test_a_probe_that_fails_is_told_from_a_gpu_that_is_not_there(chips: Chips, answer: Ran, said: str) -> None:
    machine = detect(chips, probes=computer(answer))
    assert (machine.accelerator, machine.vram) == ("cpu", 0)
    fact = machine.source_of("gpu")
    assert fact.origin == "failed"
    assert said in fact.source
    assert fact.source.isprintable()


@pytest.mark.parametrize(
    "answer", [Ran("missing"), Ran("ended", "No devices were found\n", 6), Ran("ended", "No devices were found\n")]
)
def test_a_gpu_that_is_not_there_is_no_failure(chips: Chips, answer: Ran) -> None:
    machine = detect(chips, probes=computer(answer))
    assert machine.accelerator == "cpu"
    assert "gpu" not in dict(machine.sources)


def test_a_lost_card_beside_a_good_one_is_told(chips: Chips) -> None:
    machine = detect(chips, probes=computer(Ran("ended", "Unable to determine the device handle for GPU0\n" + TWO, 15)))
    assert machine.name == "RTX 3090 + RTX 3060"
    assert machine.source_of("gpu").origin == "failed"


def test_a_card_without_its_tool_is_told(chips: Chips) -> None:
    files = linux(64) | drm("card0", "0x10de", "0x2204")
    machine = detect(chips, probes=Recorded(files=files))
    assert machine.accelerator == "cpu"
    assert "nvidia-smi is not here" in machine.source_of("gpu").source


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("0", "RTX 3090"),
        ("1", "RTX 3060"),
        ("1,0", "RTX 3060 + RTX 3090"),
        (" 0 , 1 ", "RTX 3090 + RTX 3060"),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "RTX 3090"),
        ("GPU-8a2", "RTX 3060"),  # the beginning of a UUID is enough
        ("GPU-8", None),  # of two
        ("0,7", "RTX 3090"),  # up to the first that is not there
        ("7,0", None),
        ("0,-1,1", "RTX 3090"),
        ("-1", None),
        ("", None),
        ("NoDevFiles", None),
        ("0,0", "RTX 3090"),
    ],
)
def test_cuda_visible_devices_is_obeyed(chips: Chips, value: str, name: str | None) -> None:
    machine = detect(chips, probes=computer(TWO, TWO_LISTED, CUDA_VISIBLE_DEVICES=value))
    if name is None:
        assert (machine.accelerator, machine.vram) == ("cpu", 0)
    else:
        assert (machine.accelerator, machine.name) == ("cuda", name)
    assert machine.source_of("visible_gpus").source == f"CUDA_VISIBLE_DEVICES={value}"


def test_numbers_go_by_speed_unless_the_order_of_the_bus_is_asked_for(chips: Chips) -> None:
    turned = "".join(reversed(TWO.splitlines(keepends=True)))
    by_speed = computer(turned, CUDA_VISIBLE_DEVICES="0")
    by_bus = computer(turned, CUDA_VISIBLE_DEVICES="0", CUDA_DEVICE_ORDER="PCI_BUS_ID")
    assert detect(chips, probes=by_speed).name == "RTX 3090"
    assert detect(chips, probes=by_bus).name == "RTX 3060"


def test_equal_cards_are_counted(chips: Chips) -> None:
    assert detect(chips, probes=computer(FOUR)).name == "4x H100 SXM"
    assert detect(chips, probes=computer(FOUR, CUDA_VISIBLE_DEVICES="1,3")).name == "2x H100 SXM"


@pytest.mark.parametrize("variable", ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"])
@pytest.mark.parametrize(("value", "name"), [("0", "RX 7900 XTX"), ("1", "RX 6700 XT"), ("", None), ("5", None)])
def test_the_variables_of_amd_are_obeyed(chips: Chips, variable: str, value: str, name: str | None) -> None:
    cards = drm("card0", "0x1002", "0x744c", 24 * GIB) | drm("card1", "0x1002", "0x73df", 12 * GIB)
    machine = detect(chips, probes=Recorded(files=linux(64) | cards, variables={variable: value}))
    assert machine.accelerator == ("cpu" if name is None else "rocm")
    assert name is None or machine.name == name
    assert machine.source_of("visible_gpus").source == f"{variable}={value}"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("1,0", "RX 6700 XT + RX 7900 XTX"),
        ("0,-1,1", "RX 7900 XTX"),
        ("-1", None),
        ("0,9", "RX 7900 XTX"),  # up to the first that is not there
        ("GPU-1fba3c8d2e5a7b90", "RX 6700 XT"),
        ("GPU-0000000000000000", None),
        ("GPU-1", "RX 6700 XT"),
        ("all", None),
        ("\x1b[31m0", None),
    ],
)
def test_cards_of_amd_are_named_by_number_and_by_what_the_kernel_calls_unique(
    chips: Chips, value: str, name: str | None
) -> None:
    cards = drm("card0", "0x1002", "0x744c", 24 * GIB) | drm("card1", "0x1002", "0x73df", 12 * GIB)
    cards["/sys/class/drm/card1/device/unique_id"] = "1fba3c8d2e5a7b90\n"
    machine = detect(chips, probes=Recorded(files=linux(64) | cards, variables={"ROCR_VISIBLE_DEVICES": value}))
    assert (machine.accelerator, machine.vram == 0) == (("cpu", True) if name is None else ("rocm", False))
    assert name is None or machine.name == name
    assert machine.source_of("visible_gpus").source.isprintable()


def mig(*profiles: str, uuid: str = "GPU-5d5ba0d6") -> str:
    lines = [f"  MIG {profile:<12} Device {n:2}: (UUID: MIG-{n}f6)" for n, profile in enumerate(profiles)]
    return "\n".join([f"GPU 0: NVIDIA (UUID: {uuid})", *lines]) + "\n"


@pytest.mark.parametrize(
    ("card", "profile", "gib", "bandwidth", "compute"),
    [
        ("NVIDIA A100-SXM4-40GB, 40960", "1g.5gb", 4.75, 1555 / 8, 14 / 108),
        ("NVIDIA A100-SXM4-40GB, 40960", "3g.20gb", 19.5, 1555 / 2, 42 / 108),
        ("NVIDIA A100-SXM4-80GB, 81920", "1g.10gb", 9.62, 2039 / 8, 14 / 108),
        ("NVIDIA A100-SXM4-80GB, 81920", "1g.20gb", 19.5, 2039 / 4, 14 / 108),  # memory is no compute slice
        ("NVIDIA A30, 24576", "2g.12gb", 11.4, 933 / 2, 1 / 2),
        ("NVIDIA H100 80GB HBM3, 81559", "1g.10gb", 9.75, 3350 / 8, 16 / 132),
        ("NVIDIA H100 80GB HBM3, 81559", "2g.20gb", 19.62, 3350 / 4, 32 / 132),
        ("NVIDIA H200, 143771", "1g.18gb", 16.0, 4800 / 8, 16 / 132),
        ("NVIDIA H200, [N/A]", "3g.71gb", 69.5, 4800 / 2, 60 / 132),
    ],
)
def test_a_mig_slice_has_its_part_of_everything(
    chips: Chips, card: str, profile: str, gib: float, bandwidth: float, compute: float
) -> None:
    whole = detect(chips, probes=computer(card.replace("[N/A]", "143771") + "\n"))
    machine = detect(chips, probes=computer(card + "\n", mig(profile, "1g.5gb")))
    assert profile in machine.name
    assert machine.vram == round(gib * GIB)
    assert machine.bandwidth == pytest.approx(bandwidth * 1e9, rel=0.001)
    assert whole.compute is not None
    assert machine.compute == pytest.approx(whole.compute * compute, rel=0.01)
    assert machine.source_of("bandwidth").origin == "table"


def test_a_profile_that_no_table_has_goes_by_its_name(chips: Chips) -> None:
    machine = detect(chips, probes=computer("NVIDIA H100 PCIe, 81559\n", mig("4g.40gb")))
    assert machine.bandwidth == 2_039_000_000_000 // 2
    assert 0.8 * 40 * GIB < machine.vram < 40 * GIB
    assert machine.source_of("bandwidth").origin == "assumed"


def test_the_slice_that_is_visible_counts(chips: Chips) -> None:
    listed = mig("1g.5gb", "3g.20gb")
    first = detect(chips, probes=computer("NVIDIA A100-SXM4-40GB, 40960\n", listed))
    second = detect(chips, probes=computer("NVIDIA A100-SXM4-40GB, 40960\n", listed, CUDA_VISIBLE_DEVICES="MIG-1f6"))
    by_number = detect(chips, probes=computer("NVIDIA A100-SXM4-40GB, 40960\n", listed, CUDA_VISIBLE_DEVICES="0"))
    none = detect(chips, probes=computer("NVIDIA A100-SXM4-40GB, 40960\n", listed, CUDA_VISIBLE_DEVICES="MIG-9"))
    assert ("1g.5gb" in first.name, "3g.20gb" in second.name) == (True, True)
    assert by_number == replace(first, sources=by_number.sources)
    assert none.accelerator == "cpu"


def test_every_profile_of_the_table_is_a_part(chips: Chips) -> None:
    assert chips.long is not None
    cut = [chip for chip in chips.chips if chip.mig]
    profiles = ["1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb", "1g.10gb+me", "1c.3g.20gb"]
    for chip in cut:
        for profile in profiles:
            part = chips.slice_of(chip, profile)
            if part is None:
                assert profile == "7g.40gb"  # more than an A30 has
                continue
            assert 0 < part.memory <= max(chip.memory)
            assert 0 < part.bandwidth <= 1
            assert 0 < part.compute <= 1
    assert chips.slice_of(cut[0], "banana") is None


def test_rows_of_the_tool() -> None:
    answer = nvidia.ask(computer(TWO), lambda name: ())
    assert [(device.name, device.vram) for device in answer.devices] == [
        ("NVIDIA GeForce RTX 3090", 24576 * MIB),
        ("NVIDIA GeForce RTX 3060", 12288 * MIB),
    ]
