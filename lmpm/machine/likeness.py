"""Whether two machines are of one class, so that figures measured on one mean something on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lmpm.types import Machine

SAME_SHARE: Final = 0.1  # by which sizes and bandwidths of one class may differ: a kernel keeps some of the RAM


def is_same_class(one: Machine, other: Machine) -> bool:
    """Same kind and number of accelerators, and memory, VRAM and bandwidth alike; names do not count."""
    return (
        one.accelerator == other.accelerator
        and max(one.gpus, 1) == max(other.gpus, 1)
        and _alike(one.memory, other.memory)
        and _alike(one.vram, other.vram)
        and _alike(one.bandwidth or 0, other.bandwidth or 0)
    )


def _alike(one: int, other: int) -> bool:
    return abs(one - other) <= SAME_SHARE * max(one, other)
