"""Transplant: the weights of an earlier starter as the beginning of a new one, whatever the vocabularies.

A token that the earlier one lacks begins as the mean of those that spell it there.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

from catalog.starter.train import tokenizer
from catalog.starter.train.export import tensor_name
from catalog.starter.train.model import Decoder


def _tokenizer(reader: gguf.GGUFReader) -> tuple[Tokenizer, dict[str, int]]:
    """The tokenizer of a GGUF file and its vocabulary."""
    tokens: list[str] = reader.fields["tokenizer.ggml.tokens"].contents()
    merges: list[str] = reader.fields["tokenizer.ggml.merges"].contents()
    vocab = {token: at for at, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    return tokenizer.assemble(vocab, pairs, None), vocab


def fill(model: Decoder, words: Tokenizer, path: Path) -> None:
    """Give the model, of the same shape but for its vocabulary, the weights of a GGUF file."""
    reader = gguf.GGUFReader(str(path))
    held = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    spelt, vocab = _tokenizer(reader)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            values = torch.from_numpy(np.array(held[tensor_name(name)], dtype=np.float32))
            if name != "embedding.weight":
                weight.copy_(values.view_as(weight))
                continue
            for token, at in words.get_vocab().items():
                if token in vocab:
                    weight[at] = values[vocab[token]]
                else:
                    ids = spelt.encode(words.decode([at]), add_special_tokens=False).ids
                    weight[at] = values[ids].mean(0)
