"""Which graphics cards a computer has: NVIDIA's own tool, and the kernel's list for the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.limits import GIB, MIB
from lmpm.machine.assemble import Card
from lmpm.machine.chips import name_words, pick

if TYPE_CHECKING:
    from lmpm.machine.chips import Chip, Chips
    from lmpm.machine.probes import Probes
    from lmpm.types import Accelerator

NVIDIA_QUERY: Final = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
NVIDIA_LIST: Final = ("nvidia-smi", "-L")
DRM: Final = "/sys/class/drm"
MAX_GPUS: Final = 64
MAX_NAME_CHARS: Final = 64
MAX_VRAM: Final = 4096 * GIB  # more is a mistake of the driver
MIN_VRAM: Final = 1 * GIB  # what llama.cpp can use at all; less is a carve-out of an integrated GPU


@dataclass(frozen=True, slots=True)
class Shared:
    """A GPU that shares the computer's memory; `limit` is what its driver lets it take."""

    chip: Chip
    limit: int | None = None
    carved: int = 0  # bytes that the firmware keeps for it, which the system does not count as RAM


@dataclass(slots=True)
class Found:
    """The GPUs of a computer: cards of their own memory, or one that shares it, and where that was read."""

    cards: list[Card]
    shared: Shared | None
    sources: dict[str, str]


def find_gpus(probes: Probes, chips: Chips) -> Found:
    """NVIDIA cards if there are any, else cards of the kernel's list; empty without a usable one."""
    found = _nvidia(probes, chips)
    if not found.cards and found.shared is None and probes.system == "linux":
        found = _kernel_list(probes, chips, found.sources)
    return found


def _nvidia(probes: Probes, chips: Chips) -> Found:
    found = Found([], None, {})
    rows = _nvidia_rows(probes.run(*NVIDIA_QUERY) or "")
    for name, vram in rows:
        builds = chips.named(_without_size(name))
        if builds and builds[0].unified:
            found.shared = Shared(builds[0])
            continue
        if vram is None or any(chip.mig for chip in builds):
            slices = _slices(probes.run(*NVIDIA_LIST) or "")
            if slices:  # a process sees one slice only
                found.cards = [_card(chips, f"{name} slice", slices[0], builds, found.sources)]
                found.sources["vram"] = "nvidia-smi -L: one MIG slice"
                return found
        if vram is None:
            found.sources["vram"] = f"unknown: nvidia-smi tells no memory of {name}"
            continue
        found.cards.append(_card(chips, name, vram, builds, found.sources))
        found.sources["vram"] = "nvidia-smi memory.total"
    if found.cards:
        found.shared = None
    return found


def _nvidia_rows(text: str) -> list[tuple[str, int | None]]:
    """Name and bytes of each line `NVIDIA GeForce RTX 3090, 24576`; what is no such line is passed over."""
    rows: list[tuple[str, int | None]] = []
    for line in text.splitlines()[:MAX_GPUS]:
        name, comma, size = line.rpartition(",")
        size = size.strip()
        if not comma or not re.fullmatch(r"\d{1,9}(\.\d+)?|\[.*\]", size):
            continue  # `No devices were found`, `NVIDIA-SMI has failed because it couldn't communicate, ...`
        vram = 0 if size.startswith("[") else int(float(size)) * MIB
        rows.append((_clean(name), vram if 0 < vram <= MAX_VRAM else None))
    return rows


def _slices(text: str) -> list[int]:
    """Bytes of each `MIG 1g.10gb Device 0: (UUID: ...)` in the tool's list."""
    return [int(size) * GIB for size in re.findall(r"^\s*MIG \S*?(\d{1,4})gb\b", text, re.MULTILINE)]


def _card(
    chips: Chips,
    name: str,
    vram: int,
    builds: tuple[Chip, ...],
    sources: dict[str, str],
    kind: Accelerator = "cuda",
) -> Card:
    """A card with the figures of its chip, or with those of the slowest chip that is as large."""
    if builds:
        picked = pick(builds, memory=vram)
        chip, sources["bandwidth"] = picked.chip, picked.source
        shown = name if name.endswith("slice") else picked.name
        return Card(
            name=shown,
            accelerator=chip.accelerator,
            vram=vram,
            bandwidth=chip.bandwidth,
            compute=chip.compute,
        )
    slowest = chips.slowest(kind, vram)
    if slowest is None:
        sources["bandwidth"] = f"unknown: {name} is not in the catalog"
        return Card(name=name, accelerator=kind, vram=vram, bandwidth=None, compute=None)
    sources["bandwidth"] = f"assumed: as {slowest.name}, since {name} is not in the catalog, low confidence"
    return Card(name=name, accelerator=kind, vram=vram, bandwidth=slowest.bandwidth, compute=slowest.compute)


def _kernel_list(probes: Probes, chips: Chips, sources: dict[str, str]) -> Found:
    """AMD and Intel cards under `/sys/class/drm`; of two kinds, the one with more memory."""
    found = Found([], None, dict(sources))
    for entry in probes.names(DRM):
        if not re.fullmatch(r"card\d{1,3}", entry):
            continue  # connectors are `card0-DP-1`
        device = f"{DRM}/{entry}/device"
        vendor = (probes.read(f"{device}/vendor") or "").strip().lower().removeprefix("0x")
        identity = (probes.read(f"{device}/device") or "").strip().lower().removeprefix("0x")
        builds = chips.with_pci(f"{vendor}:{identity}")
        vram = _bytes(probes.read(f"{device}/mem_info_vram_total"))
        if builds and not builds[0].discrete:
            if builds[0].accelerator == "cpu":
                found.sources["gpu"] = f"{builds[0].name} is not counted: it is no faster than the CPU"
                found.shared = found.shared or Shared(builds[0])
            else:
                gtt = _bytes(probes.read(f"{device}/mem_info_gtt_total"))
                limit = (vram or 0) + gtt if gtt else None
                found.shared = Shared(builds[0], limit, vram or 0)
                found.sources["gpu"] = f"{device}/mem_info_gtt_total" if gtt else f"{device}/device"
            continue
        if vendor == "1002" and vram is not None and vram >= MIN_VRAM:
            name = builds[0].name if builds else "AMD GPU"
            found.cards.append(_card(chips, name, vram, builds, found.sources, "rocm"))
            found.sources["vram"] = f"{device}/mem_info_vram_total"
        elif vendor == "8086" and builds:  # Intel's driver does not tell the size
            vram = min(size for chip in builds for size in chip.memory)
            found.cards.append(_card(chips, builds[0].name, vram, builds, found.sources, "sycl"))
            found.sources["vram"] = f"the smallest {builds[0].name} sold"
    kinds = {card.accelerator for card in found.cards}
    if kinds:
        best = max(kinds, key=lambda kind: (sum(card.vram for card in found.cards if card.accelerator == kind), kind))
        found.cards = [card for card in found.cards if card.accelerator == best]
        found.shared = None
    return found


def _bytes(text: str | None) -> int | None:
    text = (text or "").strip()
    size = int(text) if re.fullmatch(r"\d{1,18}", text) else 0
    return size if 0 < size <= MAX_VRAM else None


def _clean(name: str) -> str:
    """A driver's name for display: printable, short, without the maker."""
    printable = "".join(char if char.isprintable() else " " for char in name)
    return " ".join(printable.replace("NVIDIA", " ").replace("GeForce", " ").split())[:MAX_NAME_CHARS] or "GPU"


def _without_size(name: str) -> str:
    """`A100-SXM4-80GB` without the size, which the second column tells better."""
    return " ".join(name_words(re.sub(r"\b\d{1,4} ?GB\b", " ", name, flags=re.IGNORECASE)))
