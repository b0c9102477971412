"""NVIDIA's cards by its own tool: `nvidia-smi` may be missing, hang, tell of a dead driver or print nonsense.

The tool is asked in a child process, not its library in this one: a driver that hangs would take lmpm with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from lmpm.limits import GIB, MIB
from lmpm.machine.visible import NVIDIA_VARIABLES, choose
from lmpm.types import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmpm.machine.chip import Chip
    from lmpm.machine.probes import Probes, Ran

QUERY: Final = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
LIST: Final = ("nvidia-smi", "-L")
MAX_GPUS: Final = 64
MAX_VRAM: Final = 4096 * GIB  # more is a mistake of the driver
MIN_VRAM: Final = 1 * GIB  # what llama.cpp can use at all
SHOWN_CHARS: Final = 100  # of what the tool says instead of a table
NO_DEVICES: Final = "No devices were found"


class Listed(NamedTuple):
    """A GPU in the tool's list: its UUID, and profile and UUID of each of its MIG slices."""

    uuid: str
    slices: tuple[tuple[str, str], ...]


class Device(NamedTuple):
    """A GPU, or the slice of one, that a process here may use; `vram` of the whole, None where it is not said."""

    name: str
    vram: int | None
    profile: str = ""  # of a MIG slice


class Answer(NamedTuple):
    """The devices that the tool names, what hides others, and why it is not to be relied on, if so."""

    devices: tuple[Device, ...] = ()
    hidden: Fact | None = None
    failed: Fact | None = None


def ask(probes: Probes, named: Callable[[str], tuple[Chip, ...]]) -> Answer:
    """The devices that CUDA gives to a process in this environment; `named` looks up the chip of one."""
    ran = probes.run(*QUERY)
    if ran.outcome == "missing":
        return Answer()
    rows = list(_rows(ran.output))
    failed = _failure(ran, rows)
    devices = [device for device in rows if device is not None]
    chosen = choose(probes, NVIDIA_VARIABLES) if devices else None
    may_be_cut = any(device.vram is None or any(chip.mig for chip in named(device.name)) for device in devices)
    listed = list(_listed(probes.run(*LIST).output)) if may_be_cut or (chosen and not chosen.are_numbers) else []
    whole = [(device, listed[n].uuid if n < len(listed) else "") for n, device in enumerate(devices)]
    slices = [
        (Device(device.name, device.vram, profile), uuid)
        for device, one in zip(devices, listed, strict=False)
        for profile, uuid in one.slices
    ]
    if chosen is None:
        # a process sees one slice only, and none of the whole cards beside it
        return Answer((slices[0][0],) if slices else tuple(devices), failed=failed)
    if slices and any(name.startswith("MIG-") for name in chosen.names):
        found = chosen.among([(device, (uuid,)) for device, uuid in slices])[:1]
    else:
        if probes.environment("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":  # the numbers go by speed, fastest first
            whole.sort(key=lambda pair: -max((chip.compute or 0.0 for chip in named(pair[0].name)), default=0.0))
        found = chosen.among([(device, (str(number), uuid)) for number, (device, uuid) in enumerate(whole)])
        if found and slices:
            found = [slices[0][0]]
    return Answer(tuple(found), hidden=chosen.fact, failed=failed)


def _rows(text: str) -> Iterator[Device | None]:
    """A device for each line `NVIDIA GeForce RTX 3090, 24576`, None for a line that is nothing of the kind."""
    for line in text.splitlines()[:MAX_GPUS]:
        if not line.strip():
            continue
        name, comma, size = line.rpartition(",")
        size = size.strip()
        if not comma or not name.strip() or not re.fullmatch(r"\d{1,9}(\.\d+)?|\[.*\]", size):
            yield None
            continue
        vram = 0 if size.startswith("[") else int(float(size)) * MIB
        if 0 < vram < MIN_VRAM or vram > MAX_VRAM:
            yield None
            continue
        yield Device(name.strip(), vram or None)


def _failure(ran: Ran, rows: list[Device | None]) -> Fact | None:
    """What is wrong with the answer; None where it can be believed, as when there is no card."""
    if ran.outcome == "hung":
        return Fact("failed", "nvidia-smi does not answer: the driver hangs")
    if ran.outcome == "failed":
        return Fact("failed", "nvidia-smi cannot be started")
    said = next((line for line in ran.output.splitlines() if line.strip()), "")
    if NO_DEVICES in said or (rows and None not in rows):
        return None
    shown = " ".join("".join(char if char.isprintable() else " " for char in said).split())[:SHOWN_CHARS]
    if not shown and ran.code == 0:
        return None
    return Fact("failed", f"nvidia-smi says `{shown}`" if shown else f"nvidia-smi ends with exit code {ran.code}")


def _listed(text: str) -> Iterator[Listed]:
    """GPUs of `nvidia-smi -L`: `GPU 0: NAME (UUID: GPU-...)`, below it `MIG 1g.10gb Device 0: (UUID: MIG-...)`."""
    for block in re.split(r"^(?=GPU \d)", text, flags=re.MULTILINE):
        found = re.match(r"GPU \d{1,3}:.*?\(UUID: ([\w-]+)\)", block)
        if found:
            slices = re.findall(r"^\s+MIG (\S+?)\s+Device\s+\d+:(?:\s*\(UUID: ([\w/-]+)\))?", block, re.MULTILINE)
            yield Listed(found[1], tuple((profile, uuid) for profile, uuid in slices))
