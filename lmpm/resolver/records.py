"""What is chosen among, as frozen records: requests, candidates, and the choice.

Sizes are bytes, speeds tokens per second, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lmpm.types import Machine, MemoryPlan, Speed, Variant

Reason = Literal[
    "memory", "speed", "license", "gated", "context", "capability", "engine",
    "quant", "size", "disk", "worse", "untrusted", "unreadable",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user wants, completed with the task's defaults."""

    ref: str
    task: str | None
    context: int  # tokens to plan for
    min_context: int  # tokens that the model must be trained for
    min_speed: float
    speed_kind: Literal["decode", "prefill"] = "decode"  # which speed `min_speed` means
    typical_prompt: int = 512  # tokens of a usual prompt of the task, for the first-token time
    quant: str | None = None
    model: str | None = None
    max_size: int | None = None
    licenses_allowed: frozenset[str] | None = None  # None: every licence that permits commercial use
    licenses_denied: frozenset[str] = frozenset()
    publishers_allowed: frozenset[str] | None = None
    publishers_denied: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    prefer: Literal["quality", "speed", "small"] = "quality"
    engine_build: int | None = None
    embeddings: bool = False  # vectors of texts are wanted instead of answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant judged on a machine."""

    variant: Variant
    memory: MemoryPlan
    speed: Speed | None  # None: the machine's bandwidth is not known


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was not taken, with the reason and its figures in words."""

    candidate: Candidate
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer to a request on a machine: what is taken, and everything that was not.

    `chosen` is None when nothing can be taken; the reasons stand in `rejected`, nearest first.
    `notes` are sentences for the user: below the speed floor, offline, pins still to be looked up.
    """

    request: Request
    machine: Machine
    chosen: Candidate | None
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def considered(self) -> int:
        """How many candidates were judged."""
        return len(self.rejected) + (self.chosen is not None)
