"""What a smoke test showed, as frozen records. Sizes are bytes, times seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

NOTABLE_SHARE: Final = 0.02  # by which a prediction of memory may be off without a word
ROUNDING_BYTES: Final = 64 * 1024  # of llama.cpp's messages together: each is rounded to a hundredth of a MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCheck:
    """Bytes of llama.cpp's buffers, known in three ways: by the formula, by its own plan, and once loaded.

    The first two are None where they could not be had.
    """

    estimated: int | None
    planned: int | None
    measured: int

    @property
    def difference(self) -> float:
        """By what share of it the measured size is missed, by the worse of the two; negative: it is larger."""
        known = [size for size in (self.estimated, self.planned) if size is not None]
        missed = [(size - self.measured) / self.measured for size in known if self.measured]
        return max(missed, key=abs, default=0.0)

    @property
    def is_notable(self) -> bool:
        """Whether the prediction is worth a word: it misses by more than the rounding of llama.cpp's messages."""
        return abs(self.difference) > NOTABLE_SHARE and abs(self.difference) * self.measured > ROUNDING_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeResult:
    """What a smoke test showed: the questions, answers and figures of the run."""

    passed: bool
    detail: str  # one line: what was checked, or what was wrong
    question: str = ""
    answer: str = ""
    first_token_s: float | None = None
    decode: float | None = None  # tokens per second
    peak_memory: int | None = None
    engine_build: str = ""
    memory: MemoryCheck | None = None
    checks: tuple[str, ...] = field(default=())
