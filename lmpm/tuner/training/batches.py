"""Which examples a step learns: a function of the seed and the step, so that a run can go on where it was."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.tuner.training.encoding import Encoded

POOL: Final = 16  # batches that are sorted by length together, so that little of a batch is padding


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of each epoch: every example once, in an order drawn anew."""

    examples: Sequence[Encoded]
    size: int
    seed: int

    @property
    def in_epoch(self) -> int:
        """Steps of one epoch."""
        return -(-len(self.examples) // self.size)

    def at(self, step: int) -> list[Encoded]:
        """The examples of a step, counted from 0."""
        epoch, place = divmod(step, self.in_epoch)
        return [self.examples[number] for number in _epoch(self, epoch)[place]]


@lru_cache(maxsize=2)
def _epoch(batches: Batches, epoch: int) -> list[list[int]]:
    draw = random.Random(f"{batches.seed} {epoch}")  # noqa: S311 - to shuffle, not to keep secret
    order = list(range(len(batches.examples)))
    draw.shuffle(order)
    made = []
    for start in range(0, len(order), POOL * batches.size):
        pool = sorted(order[start : start + POOL * batches.size], key=lambda number: len(batches.examples[number].ids))
        made += [pool[at : at + batches.size] for at in range(0, len(pool), batches.size)]
    draw.shuffle(made)
    return made
