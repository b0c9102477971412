"""What is chosen among, as frozen records: requests, candidates, and the choice.

Sizes are bytes, speeds tokens per second, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from lmpm.types import Machine, MemoryPlan, Speed, Variant

Kind = Literal[
    "memory", "speed", "license", "gated", "context", "capability", "engine", "quant", "size", "disk", "worse",
    "untrusted", "unreadable", "publisher", "withdrawn", "contradiction", "other model", "less trusted",
]  # fmt: skip

# Kinds that programs read as `untrusted` in the JSON: whom the policy forbids, what was withdrawn, what is not what
# it is called.
UNTRUSTED: Final = frozenset({"untrusted", "publisher", "withdrawn", "contradiction"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why something is not taken: its kind, and the figures in words."""

    kind: Kind
    detail: str

    @property
    def reason(self) -> str:
        """The word for the kind in the JSON."""
        return "untrusted" if self.kind in UNTRUSTED else self.kind


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
    asked: frozenset[Kind] = frozenset()  # kinds of rejection that follow from what the user set
    asked_in: Literal["options", "manifest"] = "options"  # where
    policy: frozenset[Kind] = frozenset()  # what [policy] of the project narrows


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant judged on a machine."""

    variant: Variant
    memory: MemoryPlan
    speed: Speed | None  # None: the machine's bandwidth is not known


@dataclass(frozen=True, slots=True)
class Rejected(Verdict):
    """The verdict on a candidate that was not taken."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class LeftOut(Verdict):
    """The verdict on a repository that was not looked at or not taken."""

    repo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer to a request on a machine: what is taken, and everything that was not.

    `chosen` is None when nothing can be taken; the reasons stand in `rejected`, nearest first. `below_floor` says that
    nothing able reaches the speed floor, so that the fastest was taken. `notes` are sentences for the user.
    """

    request: Request
    machine: Machine
    chosen: Candidate | None
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    below_floor: bool = False

    @property
    def considered(self) -> int:
        """How many candidates were judged."""
        return len(self.rejected) + (self.chosen is not None)
