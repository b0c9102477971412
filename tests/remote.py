"""Models of true shapes on the Hub of the tests: a real header with a vocabulary, and zeros instead of weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from lmpm.gguf.header import read_file
from tests.loopback.content import Sparse, listed
from tests.shapes import MODELS, write

TOKENS = 150_000


@cache
def served(
    name: str, quant: str, *, file: str, tokens: int = 0, keys: tuple[tuple[str, str | int], ...] = ()
) -> tuple[Sparse, int]:
    """A file to serve under a name, and the bytes of its header. The vocabulary stands behind the keys, then `keys`."""
    shape = MODELS[name]()
    if tokens:
        words = [f"token number {number}" for number in range(tokens)]
        merges = [f"{number} {number}" for number in range(tokens)]
        vocabulary = {
            "tokenizer.ggml.tokens": words,
            "tokenizer.ggml.scores": [0.5] * tokens,
            "tokenizer.ggml.merges": merges,
        }
        shape = replace(shape, keys={**shape.keys, **vocabulary})
    shape = replace(shape, keys={**shape.keys, **dict(keys)})
    with TemporaryDirectory() as folder:
        path = write(Path(folder, "model.gguf"), shape, quant)
        header = read_file(path).size
        with path.open("rb") as front:
            return listed(path.stat().st_size, file, front.read(header)), header
