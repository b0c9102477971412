"""Which graphics cards a computer has: NVIDIA's own tool, and the kernel's list for the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from lmpm.limits import GIB
from lmpm.machine import nvidia
from lmpm.machine.assemble import Card
from lmpm.machine.chip import name_words, pick
from lmpm.machine.visible import AMD_VARIABLES, choose
from lmpm.types import Fact

if TYPE_CHECKING:
    from lmpm.machine.chip import Chip
    from lmpm.machine.chips import Chips
    from lmpm.machine.probes import Probes
    from lmpm.types import Accelerator

DRM: Final = "/sys/class/drm"
MAX_NAME_CHARS: Final = 64
MAX_VRAM: Final = 4096 * GIB  # more is a mistake of the driver
MIN_VRAM: Final = 1 * GIB  # what llama.cpp can use at all; less is a carve-out of an integrated GPU
NVIDIA_VENDOR, AMD_VENDOR, INTEL_VENDOR = "10de", "1002", "8086"


class Shared(NamedTuple):
    """A GPU that shares the computer's memory; `limit` is what its driver lets it take."""

    chip: Chip
    limit: int | None = None
    carved: int = 0  # bytes that the firmware keeps for it, which the system does not count as RAM


@dataclass(slots=True)
class Found:
    """The GPUs of a computer: cards of their own memory, or one that shares it, and where that was read."""

    cards: list[Card]
    shared: Shared | None
    sources: dict[str, Fact]


def find_gpus(probes: Probes, chips: Chips) -> Found:
    """NVIDIA cards if there are any, else cards of the kernel's list; empty without a usable one."""
    found = _nvidia(probes, chips)
    if not found.cards and found.shared is None and probes.system == "linux":
        found = _kernel_list(probes, chips, found.sources)
    return found


def _nvidia(probes: Probes, chips: Chips) -> Found:
    found = Found([], None, {})
    answer = nvidia.ask(probes, lambda name: chips.card(_without_size(name)))
    if answer.failed:
        found.sources["gpu"] = answer.failed
    if answer.hidden:
        found.sources["visible_gpus"] = answer.hidden
    for device in answer.devices:
        builds = chips.card(_without_size(device.name))
        name = _clean(device.name)
        if device.profile:
            card = _slice(chips, name, device, builds, found.sources)
            if card is not None:
                found.cards.append(card)
        elif builds and builds[0].unified:
            found.shared = Shared(builds[0])
        elif device.vram is None:
            found.sources["vram"] = Fact("unknown", f"nvidia-smi does not say the memory of {name}")
        else:
            found.cards.append(_card(chips, name, device.vram, builds, found.sources))
            found.sources["vram"] = Fact("system", "nvidia-smi memory.total")
    if found.cards:
        found.shared = None
    return found


def _slice(
    chips: Chips, name: str, device: nvidia.Device, builds: tuple[Chip, ...], sources: dict[str, Fact]
) -> Card | None:
    """A MIG slice: its part of the memory, of the bandwidth and of the multiprocessors."""
    chip = pick(builds, memory=device.vram).chip if builds else chips.slowest("cuda", device.vram or 0)
    part = chips.slice_of(chip, device.profile) if chip else None
    if chip is None or part is None:
        sources["vram"] = Fact("unknown", f"`{device.profile}` of {name} is not known")
        return None
    source = Fact("table" if part.certain and builds else "assumed", f"MIG {device.profile} of {chip.name}")
    sources["vram"] = sources["bandwidth"] = source
    return Card(
        name=f"{name} {device.profile}",
        accelerator="cuda",
        vram=part.memory,
        bandwidth=round(chip.bandwidth * part.bandwidth),
        compute=chip.compute * part.compute if chip.compute else None,
    )


def _card(
    chips: Chips,
    name: str,
    vram: int,
    builds: tuple[Chip, ...],
    sources: dict[str, Fact],
    kind: Accelerator = "cuda",
) -> Card:
    """A card with the figures of its chip, or with those of the slowest chip that is as large."""
    if builds:
        picked = pick(builds, memory=vram)
        chip, sources["bandwidth"] = picked.chip, picked.source
        return Card(
            name=picked.name,
            accelerator=chip.accelerator,
            vram=vram,
            bandwidth=chip.bandwidth,
            compute=chip.compute,
        )
    slowest = chips.slowest(kind, vram)
    if slowest is None:
        sources["bandwidth"] = Fact("unknown", f"{name} is not in the tables")
        return Card(name=name, accelerator=kind, vram=vram, bandwidth=None, compute=None)
    sources["bandwidth"] = Fact("assumed", f"as {slowest.name}, since {name} is not in the tables")
    return Card(name=name, accelerator=kind, vram=vram, bandwidth=slowest.bandwidth, compute=slowest.compute)


def _kernel_list(probes: Probes, chips: Chips, sources: dict[str, Fact]) -> Found:
    """AMD and Intel cards under `/sys/class/drm`; of two kinds, the one with more memory."""
    found = Found([], None, dict(sources))
    hidden = choose(probes, AMD_VARIABLES)
    amd: list[tuple[Card, tuple[str, ...]]] = []  # with the names that the variables have for it
    for entry in probes.names(DRM):
        if not re.fullmatch(r"card\d{1,3}", entry):
            continue  # connectors are `card0-DP-1`
        device = f"{DRM}/{entry}/device"
        vendor = (probes.read(f"{device}/vendor") or "").strip().lower().removeprefix("0x")
        identity = (probes.read(f"{device}/device") or "").strip().lower().removeprefix("0x")
        builds = chips.with_pci(f"{vendor}:{identity}")
        vram = _bytes(probes.read(f"{device}/mem_info_vram_total"))
        if builds and not builds[0].discrete:
            _integrated(probes, found, device, builds[0], vram)
        elif vendor == AMD_VENDOR and vram is not None and vram >= MIN_VRAM:
            name = builds[0].name if builds else "AMD GPU"
            unique = (probes.read(f"{device}/unique_id") or "").strip()
            card = _card(chips, name, vram, builds, found.sources, "rocm")
            amd.append((card, (str(len(amd)), *((f"GPU-{unique}",) if unique else ()))))
            found.sources["vram"] = Fact("system", f"{device}/mem_info_vram_total")
        elif vendor == INTEL_VENDOR and builds:  # Intel's driver does not tell the size
            vram = min(size for chip in builds for size in chip.memory)
            found.cards.append(_card(chips, builds[0].name, vram, builds, found.sources, "sycl"))
            found.sources["vram"] = Fact("assumed", f"the smallest {builds[0].name} sold")
        elif vendor == NVIDIA_VENDOR:
            found.sources.setdefault("gpu", Fact("unknown", f"{device} is NVIDIA's, but nvidia-smi is not here"))
    if hidden is not None and amd:
        found.sources["visible_gpus"] = hidden.fact
        found.cards += hidden.among(amd)
    else:
        found.cards += [card for card, _ in amd]
    kinds = {card.accelerator for card in found.cards}
    if kinds:
        best = max(kinds, key=lambda kind: (sum(card.vram for card in found.cards if card.accelerator == kind), kind))
        found.cards = [card for card in found.cards if card.accelerator == best]
        found.shared = None
    return found


def _integrated(probes: Probes, found: Found, device: str, chip: Chip, vram: int | None) -> None:
    """A GPU in the CPU: no faster than that, or large enough to count."""
    if chip.accelerator == "cpu":
        found.sources["gpu"] = Fact("system", f"{chip.name} is not counted: it is no faster than the CPU")
        found.shared = found.shared or Shared(chip)
        return
    gtt = _bytes(probes.read(f"{device}/mem_info_gtt_total"))
    found.shared = Shared(chip, (vram or 0) + gtt if gtt else None, vram or 0)
    found.sources["gpu"] = Fact("system", f"{device}/mem_info_gtt_total" if gtt else f"{device}/device")


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
