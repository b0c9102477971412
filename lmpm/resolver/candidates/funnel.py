"""How many matches became one: what was found at each step, and why every other repository was left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmpm.units import count

if TYPE_CHECKING:
    from lmpm.resolver.records import LeftOut
    from lmpm.types import Variant


@dataclass(frozen=True, slots=True)
class OtherModel:
    """A group that matches, and was not meant."""

    name: str
    repos: int
    downloads: int
    is_derived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """The way from what was typed to the candidates. `age_s` tells how old the Hub's answer was."""

    typed: str
    model: str
    matches: int
    is_complete: bool
    of_model: int
    trusted: int
    looked_at: int
    variants: int
    taken: tuple[tuple[str, tuple[str, ...]], ...]  # repositories whose variants are candidates, with the reasons
    left_out: tuple[LeftOut, ...]
    others: tuple[OtherModel, ...]  # the likeliest of them
    other_models: int = 0  # all of them
    derived_models: int = 0  # those that are derived, by their names or cards
    age_s: float = 0.0

    def steps(self) -> tuple[str, ...]:
        """`663 repositories`, `41 of this model`, `9 trusted`, `74 variants`."""
        found = f"{'' if self.is_complete else 'the first '}{count(self.matches, 'repository', 'repositories')}"
        return (
            found,
            f"{self.of_model} of {self.model}",
            f"{self.trusted} trusted",
            f"{self.looked_at} looked at",
            count(self.variants, "variant"),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Variants to choose among, best trusted first, what they are called, and how they were found."""

    model: str
    variants: tuple[Variant, ...]
    funnel: Funnel | None = None
    notes: tuple[str, ...] = ()
    spare: tuple[Variant, ...] = ()  # the same quants from less trusted repositories, most trusted first
    siblings: tuple[Variant, ...] = ()  # of other models in the repository that was named
    is_unproven: bool = False  # nobody has looked into its files yet
