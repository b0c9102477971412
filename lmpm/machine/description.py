"""A machine in one line for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from lmpm.limits import GIB, MIB

if TYPE_CHECKING:
    from lmpm.types import Machine

SOLD_LESS: Final = 0.07  # a system counts up to this much less than was sold: firmware and kernel took it first


def describe(machine: Machine) -> str:
    """`Apple M2 · 16 GB unified · 10.7 GiB for models · 100 GB/s`."""
    parts = [machine.name]
    if machine.vram:
        parts.append(f"{sold_size(machine.vram)} VRAM")
    elif machine.memory:
        parts.append(sold_size(machine.memory) + (" unified" if machine.accelerator != "cpu" else ""))
    else:
        parts.append("memory not known")
    parts.append(f"{machine.budget / GIB:.1f} GiB for models")
    if machine.bandwidth and machine.accelerator != "cpu":
        parts.append(f"{machine.bandwidth / 1e9:,.0f} GB/s")
    if machine.vram and machine.memory:
        parts.append(f"{sold_size(machine.memory)} RAM")
    return " · ".join(parts)


def sold_size(size: int) -> str:
    """Bytes as a shop says them: the 15.5 GiB that a kernel counts are `16 GB`."""
    gib = size / GIB
    if gib < 1 - SOLD_LESS:
        return f"{size / MIB:.0f} MB"
    if gib >= 1000:
        return f"{gib / 1024:.3g} TB"
    # a step of an eighth of the power of two below: 16 to 32 in steps of 2, 64 to 128 in steps of 8
    step = max(1.0, 2.0 ** math.floor(math.log2(gib)) / 8)
    if abs(gib - round(gib)) < 0.01:
        return f"{round(gib)} GB"
    sold = math.ceil(gib / step) * step
    return f"{sold:.0f} GB" if gib >= sold * (1 - SOLD_LESS) else f"{gib:.1f} GB"
