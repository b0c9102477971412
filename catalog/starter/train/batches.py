"""Batches: schemas packed once with several question/answer pairs, made by background processes."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from catalog.starter.train import conditions, identifiers, questions, schema, tokenizer
from catalog.starter.train.draft import Question
from catalog.starter.train.world import questions as world_questions, tables

PAIRS = 4
WORLD_PAIRS = 6
WORLD_SHARE = 0.8  # of the schemas
TOKENS_PER_BATCH = 4608
POOL = 384
MAX_TOKENS = 1100
MAX_PROMPT = 960  # tokens of a schema with one question and answer: the context is 1,024
# Up to EARLY_STEPS the prompt's own tokens are learnt as well, at this weight.
EARLY_STEPS = 500
FULL_WEIGHTS = (0.1, 0.0)
# Merges dropped at random in a few prompts, so that names are met in other cuts.
DROPOUT = 0.1
DROPOUT_SHARE = 0.08
# Lists of names to be repeated in another order keep copying in use.
COPY_SHARE = 0.03
COPY_WEIGHT = 0.99


@dataclass
class Batch:
    """Arrays [rows, time]; segment 0 is the schema, -1 padding, n the n-th pair."""

    tokens: np.ndarray
    positions: np.ndarray
    segments: np.ndarray
    weights: np.ndarray

    def part(self, rank: int, of: int) -> Batch:
        """Every of-th row, from the rank-th: one process's part."""
        return Batch(self.tokens[rank::of], self.positions[rank::of], self.segments[rank::of], self.weights[rank::of])


Row = tuple[list[int], list[int], list[int], list[float]]


def prompt_parts(schema_text: str, question: str) -> tuple[str, str]:
    """Split the prompt where schemas can be shared; no token crosses the cut."""
    return schema_text + "\n\n", f"Question: {question}\nSQL:"


def _draw(rng: random.Random, shown: bool) -> tuple[str, list[Question]]:
    """A schema's text, with values now and then if they may be shown, and questions about it."""
    if rng.random() < WORLD_SHARE:
        world = tables.draw(rng, shown=None if shown else False)
        return world.schema.text, [world_questions.build(rng, world) for _ in range(WORLD_PAIRS)]
    drawn = schema.draw(rng)
    return drawn.text, [questions.build(rng, drawn) for _ in range(PAIRS)]


def make_row(rng: random.Random, plain: Tokenizer, dropped: Tokenizer, late: bool, shown: bool) -> Row:
    """Draw a schema with its pairs and tokenise them."""
    text, asked = _draw(rng, shown)
    noisy = dropped if rng.random() < DROPOUT_SHARE else plain
    head = noisy.encode(text + "\n\n", add_special_tokens=False).ids
    tokens, positions, segments = list(head), list(range(len(head))), [0] * len(head)
    weights = [FULL_WEIGHTS[late] / len(asked)] * len(head)
    for pair, question in enumerate(asked, 1):
        ask = noisy.encode(prompt_parts("", question.text)[1], add_special_tokens=False).ids
        answer = [*plain.encode(" " + question.sql, add_special_tokens=False).ids, tokenizer.EOS_ID]
        ids = ask + answer
        if len(tokens) + len(ids) > MAX_TOKENS or len(head) + len(ids) > MAX_PROMPT:
            continue
        tokens += ids
        positions += range(len(head), len(head) + len(ids))
        segments += [pair] * len(ids)
        weights += [FULL_WEIGHTS[late]] * len(ask) + [1.0] * len(answer)
    return tokens, positions, segments, weights


def copy_row(rng: random.Random, plain: Tokenizer) -> Row:
    """Make a list of names and four parts of it in other orders."""
    style = identifiers.choose_style(rng)
    names = []
    for _ in range(rng.randint(6, 14)):
        name = identifiers.table_name(rng, rng.choice(("real", "invented")), style, False, rng.random() < 0.5).sql
        value = conditions.number(rng, True) if rng.random() < 0.5 else conditions.novel_text(rng, False)
        names.append(name if rng.random() < 0.75 else value)
    mark = rng.choice((", ", " ", "\n", "; ", "' '"))
    head = plain.encode(mark.join(names) + "\n\n", add_special_tokens=False).ids
    tokens, positions, segments, weights = list(head), list(range(len(head))), [0] * len(head), [0.0] * len(head)
    for pair in range(1, PAIRS + 1):
        text = "Copy:" + mark + mark.join(rng.sample(names, min(len(names), rng.randint(4, 7))))
        ids = [*plain.encode(text, add_special_tokens=False).ids, tokenizer.EOS_ID]
        tokens += ids
        positions += range(len(head), len(head) + len(ids))
        segments += [pair] * len(ids)
        weights += [COPY_WEIGHT] * len(ids)
    return tokens, positions, segments, weights


def collate(rows: list[Row]) -> Batch:
    """Pad rows to one length."""
    longest = -(-max(len(r[0]) for r in rows) // 64) * 64
    made = Batch(
        *(
            np.full((len(rows), longest), fill, dtype)
            for fill, dtype in ((tokenizer.PAD_ID, np.int64), (0, np.int64), (-1, np.int64), (0, np.float32))
        )
    )
    for at, (tokens, positions, segments, weights) in enumerate(rows):
        for array, values in (
            (made.tokens, tokens),
            (made.positions, positions),
            (made.segments, segments),
            (made.weights, weights),
        ):
            array[at, : len(values)] = values
    return made


def stream(seed: int, path: Path, step: int = 0, shown: bool = True) -> Iterator[Batch]:
    """Yield batches of like-long rows for ever."""
    rng = random.Random(seed)
    plain, dropped = tokenizer.load(path), tokenizer.load(path, DROPOUT)
    while True:
        drawn = (
            copy_row(rng, plain)
            if rng.random() < COPY_SHARE
            else make_row(rng, plain, dropped, step >= EARLY_STEPS, shown)
            for _ in range(POOL)
        )
        pool = [row for row in drawn if len(row[0]) <= MAX_TOKENS and any(row[2])]
        pool.sort(key=lambda row: len(row[0]))
        batches: list[list[Row]] = [[]]
        for row in pool:
            if len(batches[-1]) * len(row[0]) >= TOKENS_PER_BATCH and len(batches[-1]) % 2 == 0:
                batches.append([])
            batches[-1].append(row)
        rng.shuffle(batches)
        for rows in batches:
            if len(rows) > 1:
                step += 1
                yield collate(rows)


def _work(seed: int, path: Path, step: int, shown: bool, queue: multiprocessing.Queue[Batch]) -> None:
    """Fill a queue with batches."""
    for batch in stream(seed, path, step, shown):
        queue.put(batch)


def background(seed: int, path: Path, step: int, shown: bool) -> Iterator[Batch]:
    """Yield batches made by another process."""
    queue: multiprocessing.Queue[Batch] = multiprocessing.Queue(maxsize=64)
    multiprocessing.Process(
        target=_work, args=(seed, path, step, shown, queue), daemon=True
    ).start()  # daemon: ends with the trainer
    while True:
        yield queue.get()
