"""What can be set about a training, and what stands in its record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

Device = Literal["auto", "cpu", "cuda"]
Kind = Literal["lora", "scratch"]
PROJECTIONS: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a model that is trained from nothing: by default those of lmpm's own starter, 2.9 M parameters."""

    layers: int = 6
    width: int = 192
    heads: int = 6
    hidden: int = 512
    vocabulary: int = 2048  # at most: less where the examples are few


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a model is trained. The same settings, data, base and threads give the same model on a CPU.

    `rate` None is 2e-4 for a LoRA and 2e-3 from nothing. `max_tokens` bounds an example, `batch` counts examples.
    """

    kind: Kind = "lora"
    epochs: float = 3.0
    batch: int = 8
    rate: float | None = None
    rank: int = 16
    alpha: int = 32
    max_tokens: int = 1024
    seed: int = 0
    device: Device = "auto"
    shape: Shape = field(default_factory=Shape)

    @property
    def learning_rate(self) -> float:
        """The highest rate of the schedule."""
        return self.rate or (2e-4 if self.kind == "lora" else 2e-3)

    def as_json(self) -> dict[str, Any]:
        """What the weights depend on, as JSON values."""
        told = asdict(self) | {"rate": self.learning_rate}
        for name in ("rank", "alpha") if self.kind == "scratch" else ("shape",):
            del told[name]
        return told
