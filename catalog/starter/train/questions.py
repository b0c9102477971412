"""Questions: one question about a schema with its SQL, for every kind of the grammar."""

from __future__ import annotations

import random

from catalog.starter.train.builders import BUILDERS
from catalog.starter.train.draft import Draft, ImpossibleError, Question
from catalog.starter.train.schema import Schema

# How often each kind is drawn; conditions and joins get the most.
WEIGHTS: dict[str, float] = {
    "count_all": 2.5,
    "count_where": 12,
    "select_all": 2.5,
    "select_where": 12,
    "columns": 9,
    "columns2": 4,
    "avg": 4,
    "sum": 4,
    "max": 3,
    "min": 3,
    "distinct": 3,
    "count_distinct": 3,
    "group_count": 5,
    "group_agg": 4,
    "having": 4,
    "ordered": 4,
    "columns_ordered": 5,
    "top_n": 5,
    "superlative": 4,
    "columns_top": 4,
    "value_of": 4,
    "join_count": 5,
    "join_agg": 5,
    "join_where": 7,
    "join_count_where": 6,
}
RESULT_LIMIT = 320
# How often a question of the held-out phrasings has a held-out head; the others have a held-out condition.
HEAD_SHARE = 0.7


def build(rng: random.Random, schema: Schema, heldout: bool = False, kind: str | None = None) -> Question:
    """Draw a question about a schema; `heldout` draws the phrasings never used in training."""
    has_join = any(t.parent for t in schema.tables)
    names = [name for name in WEIGHTS if has_join or not name.startswith("join")]
    while True:
        chosen = kind or rng.choices(names, [WEIGHTS[name] for name in names])[0]
        try:
            head = heldout and rng.random() < HEAD_SHARE
            draft = Draft(rng, schema, chosen, (head, heldout and (not head or rng.random() < 0.25)))
            question = draft.finish(BUILDERS[chosen](draft))
        except ImpossibleError:
            continue
        if draft.novel == heldout and len(question.text) <= RESULT_LIMIT and "{" not in question.text:
            return question
