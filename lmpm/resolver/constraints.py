"""What is asked of a choice beside the reference, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lmpm.resolver.records import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What the user asks beside the reference; None leaves it to the task."""

    task: str | None = None
    context: int | None = None
    quant: str | None = None
    min_speed: float | None = None
    max_wait: float | None = None  # seconds to the first visible token
    max_size: int | None = None
    licenses_allowed: frozenset[str] | None = None
    licenses_denied: frozenset[str] = frozenset()
    publishers_allowed: frozenset[str] | None = None
    publishers_denied: frozenset[str] = frozenset()
    prefer: Literal["quality", "speed", "small"] = "quality"
    model: str | None = None  # which of the models that words may mean, by its key
    asked_in: Literal["options", "manifest"] = "options"  # where it is asked
    policy: frozenset[Kind] = frozenset()  # what [policy] of the project narrows

    @property
    def asked(self) -> frozenset[Kind]:
        """The kinds of rejection that follow from what is asked."""
        found: dict[Kind, object] = {
            "context": self.context,
            "quant": self.quant,
            "speed": self.min_speed,
            "wait": self.max_wait,
            "size": self.max_size,
            "license": self.licenses_allowed,
        }
        return frozenset(kind for kind, value in found.items() if value is not None)
