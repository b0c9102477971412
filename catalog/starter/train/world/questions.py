"""Questions: one question about a world with its SQL."""

from __future__ import annotations

import random

from catalog.starter.train.draft import ImpossibleError, Question
from catalog.starter.train.world import figures, joins, kinds
from catalog.starter.train.world.ask import Ask
from catalog.starter.train.world.things import World

OF_ONE = kinds.KINDS | figures.KINDS
KINDS = OF_ONE | joins.KINDS
JOIN_SHARE = 0.22  # of questions about schemas with keys
MOST_CHARS = 300


def build(rng: random.Random, world: World) -> Question:
    """Draw a question about a world."""
    linked = any(thing.links for thing in world.things)
    while True:
        some = joins.KINDS if linked and rng.random() < JOIN_SHARE else OF_ONE
        kind = rng.choices(list(some), [weight for weight, _ in some.values()])[0]
        for _ in range(4):
            ask = Ask(rng, world, kind)
            try:
                made = ask.finish(*KINDS[kind][1](ask))
            except ImpossibleError:
                continue
            if len(made.text) <= MOST_CHARS and "{" not in made.text:
                return made
