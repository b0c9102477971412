from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lmpm.errors import CatalogError
from lmpm.limits import GIB
from lmpm.machine.chip import pick
from lmpm.machine.chips import Chips, load_chips
from tests.machine.recorded import CATALOG, catalog_chips


@pytest.fixture(scope="module")
def chips() -> Chips:
    return catalog_chips()


def test_every_chip_has_a_source_and_sane_figures(chips: Chips) -> None:
    assert len(chips.chips) > 150
    for chip in chips.chips:
        assert chip.source, chip.name
        assert 10e9 < chip.bandwidth < 10_000e9, chip.name
        assert chip.compute is None or 0.1e12 < chip.compute < 1000e12, chip.name
        assert all(GIB <= size <= 512 * GIB for size in chip.memory), chip.name
        assert all(len(pci) == 9 and pci[4] == ":" for pci in chip.pci), chip.name


def test_the_families_that_people_have(chips: Chips) -> None:
    names = [f"M{generation}{tier}" for generation in range(1, 5) for tier in ("", " Pro", " Max")]
    names += ["M1 Ultra", "M2 Ultra", "M3 Ultra", "M5", "M5 Pro", "M5 Max"]
    names += [f"RTX {series}{tier}" for series in (20, 30, 40, 50) for tier in (60, 70, 80)]
    names += ["RTX 3090", "RTX 4090", "RTX 5090", "T4", "L4", "A10", "A100", "H100", "H200", "L40S"]
    names += ["RX 6700 XT", "RX 7900 XTX", "RX 9070 XT", "Strix Halo", "Arc A770", "Arc B580", "Raspberry Pi 5"]
    for name in names:
        assert chips.named(name), name


def test_memory_kinds_are_their_arithmetic(chips: Chips) -> None:
    for kind in chips.memory_kinds:
        speed = int(kind.name.split("-")[1])
        assert kind.bandwidth / 1e9 == pytest.approx(speed * 8 * kind.channels / 1000, abs=0.06), kind.name
    generations = {kind.generation for kind in chips.memory_kinds}
    usual = [kind.generation for kind in chips.memory_kinds if kind.usual]
    assert sorted(usual) == sorted(generations)


def test_pick_takes_the_slowest_in_doubt(chips: Chips) -> None:
    builds = chips.named("M3 Max")
    assert pick(builds).chip.bandwidth == 300_000_000_000
    assert not pick(builds).certain
    assert pick(builds, memory=64 * GIB).certain
    assert pick(builds, memory=64 * GIB).chip.bandwidth == 400_000_000_000
    assert pick(builds, gpu_cores=40).chip.bandwidth == 400_000_000_000
    assert pick(builds, memory=5 * GIB).chip.bandwidth == 300_000_000_000  # never sold: no help


GOOD: dict[str, Any] = {
    "name": "X1", "accelerator": "cuda", "bandwidth": 100, "memory": [8], "source": ["here"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": ""}, "chip[0].name"),
        ({"accelerator": "tpu"}, "chip[0].accelerator"),
        ({"bandwidth": 0}, "chip[0].bandwidth"),
        ({"bandwidth": "fast"}, "chip[0].bandwidth"),
        ({"bandwidth": 1e9}, "chip[0].bandwidth"),
        ({"memory": [0]}, "chip[0].memory[0]"),
        ({"memory": [8, "16"]}, "chip[0].memory[1]"),
        ({"memory": [True]}, "chip[0].memory[0]"),
        ({"memory": []}, "chip[0].memory"),
        ({"source": []}, "chip[0].source"),
        ({"source": ["nowhere"]}, "chip[0].source[0]"),
        ({"compute": -1.0}, "chip[0].compute"),
        ({"cores": 0}, "chip[0].cores"),
        ({"colour": "red"}, "chip[0].colour"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, change: dict[str, Any], place: str) -> None:
    lines = [f"{key} = {toml(value)}" for key, value in {**GOOD, **change}.items()]
    (tmp_path / "chips.toml").write_text("[sources]\nhere = 'a sheet'\n[[chip]]\n" + "\n".join(lines))
    with pytest.raises(CatalogError) as caught:
        load_chips(tmp_path)
    assert place in caught.value.message
    assert "chips.toml" in caught.value.message


@pytest.mark.parametrize("text", ["[[chip]", "chip = 3", "\ufeff[x", "", "[sources]\nx = 1", "[[sources]]"])
def test_a_broken_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "chips.toml").write_text(text)
    with pytest.raises(CatalogError):
        load_chips(tmp_path)


def test_a_missing_or_binary_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        load_chips(tmp_path)
    (tmp_path / "chips.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogError, match="is not valid"):
        load_chips(tmp_path)


def test_a_chip_listed_twice_is_told(tmp_path: Path) -> None:
    row = "[[chip]]\n" + "\n".join(f"{key} = {toml(value)}" for key, value in GOOD.items())
    (tmp_path / "chips.toml").write_text(f"[sources]\nhere = 'a sheet'\n{row}\n{row}\n")
    with pytest.raises(CatalogError, match=r"chip\[1\]: `X1` is listed twice"):
        load_chips(tmp_path)


def test_importing_is_cheap() -> None:
    heavy = {"subprocess", "difflib", "tomllib", "ctypes", "platform", "shutil", "numpy", "requests"}
    code = f"import sys, lmpm.machine; print(*({heavy!r} & set(sys.modules)))"
    root = CATALOG.parent
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)
