"""What is asked of a choice beside the reference, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What the user asks beside the reference; None leaves it to the task."""

    task: str | None = None
    context: int | None = None
    quant: str | None = None
    min_speed: float | None = None
    max_size: int | None = None
    licenses_allowed: frozenset[str] | None = None
    licenses_denied: frozenset[str] = frozenset()
    publishers_allowed: frozenset[str] | None = None
    publishers_denied: frozenset[str] = frozenset()
    prefer: Literal["quality", "speed", "small"] = "quality"
    model: str | None = None  # which of the models that words may mean, by its key
