"""Examples as token ids: the prompt exactly as the engine will read it, then the answer and the token that ends it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError
from lmpm.sql import prepare, read_ddl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.recipe import Inputs, Recipe
    from lmpm.tuner.examples import Example

MARK: Final = "lmpmanswer"
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example in tokens, of which those before `begin` are read and the others learnt."""

    ids: tuple[int, ...]
    begin: int


@dataclass(frozen=True, eq=False)
class Encoder:
    """`tokenizer` is one of transformers; `adds_bos` says whether llama.cpp puts a token of its own before a prompt."""

    tokenizer: Any
    recipe: Recipe
    adds_bos: bool

    @property
    def is_raw(self) -> bool:
        """Whether prompts are plain text: by the recipe, or because the file has no chat template."""
        return self.recipe.raw or not self.tokenizer.chat_template

    def prompt(self, example: Example) -> str:
        """The text that the engine makes of an example."""
        inputs = self.inputs(example)
        return self.recipe.prompt(inputs) if self.is_raw else self._rendered(self.recipe.messages(inputs))

    def inputs(self, example: Example) -> Inputs:
        """What the recipe is given: of a schema the tables that a small model is shown, and those of the answer."""
        schema, question = example.inputs.get("schema"), example.inputs.get("question")
        if self.recipe.grammar != "sql" or not isinstance(schema, str) or not isinstance(question, str):
            return example.inputs
        try:
            whole = read_ddl(schema)
            shown = prepare(whole, question, is_small=True, constrained=False)
            words = set(_WORD.findall(example.answer.casefold()))
            if unseen := [name for name in shown.left_out if name.casefold() in words]:  # else it would learn to invent
                shown = prepare(whole, question, tables=[*shown.tables, *unseen], constrained=False)
        except LmpmError:  # another dialect: as it is written
            return example.inputs
        return {**example.inputs, "schema": shown.schema}

    def encode(self, example: Example) -> Encoded:
        """The example in tokens."""
        prompt = self.prompt(example)
        spaced = self.is_raw and not prompt[-1:].isspace()  # what a model writes after a prompt begins with a space
        answer = self._ids(f" {example.answer}" if spaced else example.answer)
        asked = self.prompt_ids(prompt)
        return Encoded((*asked, *answer, self.end), len(asked))

    def prompt_ids(self, prompt: str) -> tuple[int, ...]:
        """The tokens of a prompt."""
        ids, bos = self._ids(prompt), self.tokenizer.bos_token_id
        return (bos, *ids) if self.adds_bos and bos is not None and ids[:1] != (bos,) else ids

    @cached_property
    def end(self) -> int:
        """The token after an answer: the first one that the chat template puts there, else the end of a text."""
        if not self.is_raw:
            said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": MARK}]
            tail = self._ids(self._rendered(said, ask=False).rpartition(MARK)[2])
            special = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
            if tail and tail[0] in special:
                return tail[0]
        return int(self.tokenizer.eos_token_id)

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def _rendered(self, messages: Sequence[Any], *, ask: bool = True) -> str:
        more = {"enable_thinking": self.recipe.mode == "thinking"} if self.recipe.mode else {}
        text: str = self.tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=ask, **more
        )
        return text
