"""How llama.cpp itself plans its memory, as frozen records."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class PlannedBuffer:
    """What one kind of buffer would hold: `CPU`, `CPU_REPACK`, `CUDA0`."""

    name: str
    on_host: bool
    weights: int
    cache: int  # keys, values and states
    compute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """How llama.cpp plans its memory for a file, without a byte of its weights. Sizes are bytes."""

    build: str
    buffers: tuple[PlannedBuffer, ...]
    output: int  # rows of logits and vectors, in host memory
    recurrent: int  # states, part of the buffers' cache

    @property
    def weights(self) -> int:
        """Weights as they are in the file."""
        return sum(item.weights for item in self.buffers) - self.repack

    @property
    def repack(self) -> int:
        """Weights that the processor wants in another order."""
        return sum(item.weights for item in self.buffers if item.name.endswith("REPACK"))

    @property
    def kv_cache(self) -> int:
        """Keys and values."""
        return sum(item.cache for item in self.buffers) - self.recurrent

    @property
    def compute(self) -> int:
        """Scratch of the largest step."""
        return sum(item.compute for item in self.buffers)

    @property
    def total(self) -> int:
        """All of it."""
        return self.output + sum(item.weights + item.cache + item.compute for item in self.buffers)

    def encode(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> DryRun:
        """The plan that `encode` wrote."""
        return cls(**{**values, "buffers": tuple(PlannedBuffer(**item) for item in values["buffers"])})
