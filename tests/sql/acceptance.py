"""Whether llama.cpp itself takes a text under a grammar: the tokens are offered to it one by one."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Any, Self

STARTER = Path(__file__).resolve().parents[2] / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"


class Acceptance:
    """The vocabulary of a model, with a grammar on it. Needs llama-cpp-python."""

    def __init__(self, model: Path = STARTER) -> None:
        import llama_cpp

        self.c: Any = llama_cpp
        self.llm = llama_cpp.Llama(str(model), vocab_only=True, verbose=False)
        self.vocabulary = self.c.llama_model_get_vocab(self.llm.model)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.llm.close()

    def takes(self, grammar: str, text: str) -> str | None:
        """None where the text is a sentence of the grammar, else where it stops being one."""
        sampler = self.c.llama_sampler_init_grammar(self.vocabulary, grammar.encode(), b"root")
        assert sampler, "llama.cpp cannot read the grammar"
        try:
            tokens = self.llm.tokenize(text.encode(), add_bos=False, special=False)
            for number, token in enumerate([*tokens, self.c.llama_vocab_eos(self.vocabulary)]):
                if not self._allows(sampler, token):
                    return str(self.llm.detokenize(tokens[:number]).decode(errors="replace"))
                if number < len(tokens):
                    self.c.llama_sampler_accept(sampler, token)
            return None
        finally:
            self.c.llama_sampler_free(sampler)

    def _allows(self, sampler: Any, token: int) -> bool:
        one = (self.c.llama_token_data * 1)(self.c.llama_token_data(id=token, logit=1.0, p=0.0))
        array = self.c.llama_token_data_array(data=one, size=1, selected=-1, sorted=False)
        self.c.llama_sampler_apply(sampler, ctypes.byref(array))
        return bool(one[0].logit > 0)
