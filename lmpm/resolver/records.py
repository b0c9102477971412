"""What is chosen among, as frozen records: requests, candidates, and the choice.

Sizes are bytes, speeds tokens per second, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from lmpm.resolver.rule import Judged
    from lmpm.resolver.waiting import Waiting
    from lmpm.types import Machine, MemoryPlan, Speed, Variant

Kind = Literal[
    "memory", "speed", "wait", "license", "gated", "context", "capability", "engine", "quant", "size", "disk", "worse",
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
    min_speed: float = 0.0  # tokens a second that were asked for, written or, where it is silent, read
    max_wait: float | None = None  # seconds to the first token that were asked for
    waiting: Waiting | None = None  # what a request of the task takes, and how long people wait; None: not known
    useful: float | None = None  # the quality below which a model is of little use for the task
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

    @property
    def is_silent(self) -> bool:
        """Whether nothing is written: vectors and scores."""
        return self.waiting is not None and not self.waiting.answer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant judged on a machine."""

    variant: Variant
    memory: MemoryPlan
    judged: Judged

    @property
    def speed(self) -> Speed | None:
        """Its predicted speed; None where the machine's bandwidth is not known."""
        return self.judged.speed


@dataclass(frozen=True, slots=True)
class Rejected(Verdict):
    """The verdict on a candidate that was not taken."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class LeftOut(Verdict):
    """The verdict on a repository that was not looked at or not taken."""

    repo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What would be of use: `larger` in so many bytes of unified memory, and `hosted`, the best of the large ones.

    `larger` is None where no Mac takes a candidate that is of use; `hosted` where none is, or none better than that.
    """

    larger: Candidate | None
    memory: int
    hosted: Candidate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer to a request on a machine: what is taken, and everything that was not.

    `chosen` is None when nothing can be taken; the reasons stand in `rejected`, nearest first. `greatest` has the
    greatest value of those that the choice fell among, `remedy` is what would do better where the choice is of little
    use. `sibling` is another model of the repository that was named, which can be taken where none of the one that was
    meant can. `notes` are sentences for the user.
    """

    request: Request
    machine: Machine
    chosen: Candidate | None
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    greatest: Candidate | None = None
    remedy: Remedy | None = None
    sibling: Candidate | None = None

    @property
    def considered(self) -> int:
        """How many candidates were judged."""
        return len(self.rejected) + (self.chosen is not None)
