"""Tokenizer: byte-level BPE whose merges never join letters to anything else, with digits split.

The pre-tokenizer is llama.cpp's "qwen2" (src/llama-vocab.cpp), so digits stand alone; merges
are learnt on letter runs only, so that an identifier is cut the same way wherever it stands.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from catalog.starter.train import questions, schema, words
from catalog.starter.train.world import questions as world_questions, tables

VOCAB_SIZE = 2048
EOS, PAD = "<|endoftext|>", "<|pad|>"
EOS_ID, PAD_ID = 0, 1
# llama.cpp, src/llama-vocab.cpp, LLAMA_VOCAB_PRE_TYPE_QWEN2.
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Words that are one token together with the space before them; none begins an identifier.
SPACED: list[str] = (
    words.listed("""SELECT FROM WHERE AND OR ORDER BY GROUP LIMIT LIKE BETWEEN IN IS NOT NULL JOIN ON HAVING DESC
COUNT TEXT INTEGER INT REAL DATE VARCHAR PRIMARY KEY REFERENCES TABLE NUMERIC BOOLEAN which whose where How What Which
the of are and many there with have does than that from what were been each show more give average we all for""")
)


def sample_texts(seed: int, count: int) -> Iterator[str]:
    """Yield schemas and questions to learn the merges from, five of six of the world, with few invented names."""
    rng = random.Random(seed)
    for at in range(count):
        if at % 6:
            world = tables.draw(rng, real=at % 6 > 1)
            yield world.schema.text + "\n\n"
            for _ in range(5):
                asked = world_questions.build(rng, world)
                yield f"Question: {asked.text}\nSQL: {asked.sql}"
            continue
        drawn = schema.draw(rng)
        yield drawn.text + "\n\n"
        for _ in range(3):
            question = questions.build(rng, drawn)
            yield f"Question: {question.text}\nSQL: {question.sql}"


def _pre_tokenizer(learning: bool) -> pre_tokenizers.PreTokenizer:
    """The qwen2 split; while learning, letter runs are split off as well."""
    steps = [pre_tokenizers.Split(Regex(QWEN2), "isolated")]
    if learning:
        steps.append(pre_tokenizers.Split(Regex(r"\p{L}+"), "isolated"))
    return pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def learn(seed: int, count: int) -> Tokenizer:
    """Learn the merges and append the spaced keywords."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _pre_tokenizer(True)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(SPACED),
        special_tokens=[EOS, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learner.train_from_iterator(sample_texts(seed, count), trainer)
    import json

    model = json.loads(learner.to_str())["model"]
    vocab: dict[str, int] = model["vocab"]
    merges = [(a, b) for a, b in (m if isinstance(m, list) else m.split(" ") for m in model["merges"])]
    for word in SPACED:
        if word in vocab:
            vocab["Ġ" + word] = len(vocab)
            merges.append(("Ġ", word))
    return assemble(vocab, merges, None)


def assemble(vocab: dict[str, int], merges: list[tuple[str, str]], dropout: float | None) -> Tokenizer:
    """Build the tokenizer from its tables."""
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges, dropout=dropout))
    made.pre_tokenizer = _pre_tokenizer(False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([EOS, PAD])
    return made


def load(path: Path, dropout: float | None = None) -> Tokenizer:
    """Read a saved tokenizer, with merges dropped at random if asked."""
    made = Tokenizer.from_file(str(path))
    made.model.dropout = dropout
    return made
