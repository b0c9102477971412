"""A recipe as a record, and what it makes of the inputs: messages of a conversation, or the text of a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from lmpm.errors import SpecError, did_you_mean, nearest

Kind = Literal["complete", "chat", "embed", "rerank", "infill"]
Mode = Literal["", "direct", "thinking"]
Grammar = Literal["", "sql", "json", "labels"]
Pooling = Literal["", "mean", "cls", "last", "rank"]
Inputs = Mapping[str, str | Sequence[str]]

NAMED: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")  # an input in a template
WRITING: Final[frozenset[Kind]] = frozenset({"complete", "chat"})  # kinds that a template is filled for


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Something that a recipe is given by name.

    `main` is the one that a user gives without naming it. Of a list the items stand in the template with `separator`
    between them. An image is a URL or `data:` URL and stands before the text, not in a template.
    """

    name: str
    required: bool = True
    is_list: bool = False
    is_image: bool = False
    main: bool = False
    separator: str = ", "


# What kinds without a template are given.
FIXED: Final[Mapping[Kind, tuple[Input, ...]]] = {
    "embed": (Input(name="texts", is_list=True, main=True),),
    "rerank": (Input(name="query", main=True), Input(name="documents", is_list=True)),
    "infill": (Input(name="prefix", main=True), Input(name="suffix", required=False)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is taken; the default takes the most likely one. None leaves a step out."""

    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None

    @property
    def is_greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.temperature <= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is asked for a task.

    `system` and `user` are templates with `{names}` of inputs. A `raw` prompt goes to the model as it is, without the
    chat template of its file. `system_role` False puts what `system` says into the first message of the user.
    `mode` is whether a model that can think does so before it answers; `max_tokens` bounds the answer, and
    `thinking_tokens` the thoughts before it. `grammar` names what an answer is held to, built from the inputs. `values`
    wants a schema to be shown with some texts of its columns, where the database is on this machine like the model. Of
    embeddings a query and a document get their prefixes, `pooling` empty is what the file says, and `normalize` gives
    vectors of length 1.
    """

    kind: Kind
    inputs: tuple[Input, ...] = ()
    system: str = ""
    user: str = ""
    raw: bool = False
    system_role: bool = True
    stop: tuple[str, ...] = ()
    mode: Mode = ""
    sampling: Sampling = Sampling()
    max_tokens: int = 1024
    thinking_tokens: int = 8192
    grammar: Grammar = ""
    values: bool = False
    query_prefix: str = ""
    document_prefix: str = ""
    pooling: Pooling = ""
    normalize: bool = True

    def __post_init__(self) -> None:
        if not self.inputs:
            object.__setattr__(self, "inputs", FIXED.get(self.kind, ()))

    @property
    def writes(self) -> bool:
        """Whether the model answers in words."""
        return self.kind in WRITING or self.kind == "infill"

    @property
    def main(self) -> Input | None:
        """The input that need not be named."""
        return next((item for item in self.inputs if item.main), None)

    @property
    def longest(self) -> int:
        """Tokens that an answer may take, thoughts included."""
        return self.max_tokens + (self.thinking_tokens if self.mode == "thinking" else 0)

    def input(self, name: str) -> Input | None:
        """The input of this name."""
        return next((item for item in self.inputs if item.name == name), None)

    def checked(self, inputs: Inputs) -> dict[str, str | tuple[str, ...]]:
        """The inputs, lists as tuples. Raises SpecError naming one that is missing, not known, or of the wrong form."""
        names = [item.name for item in self.inputs]
        for name in inputs:
            if name not in names:
                listing = f"Inputs: {', '.join(f'`{known}`' for known in names)}"
                hint = " ".join(filter(None, (did_you_mean(nearest(name, names)), listing)))
                raise SpecError(f"The recipe has no input `{name}`", hint=hint)
        if lacking := [item.name for item in self.inputs if item.required and item.name not in inputs]:
            listed = ", ".join(f"`{name}`" for name in lacking)
            raise SpecError(f"The recipe needs {listed}", hint=f"Its inputs are {', '.join(names)}")
        return {item.name: _value(item, inputs[item.name]) for item in self.inputs if item.name in inputs}

    def messages(self, inputs: Inputs) -> list[dict[str, Any]]:
        """The conversation that asks for the inputs, as OpenAI's API has it. Raises SpecError."""
        values, texts = self._filled(inputs)
        content: Any = texts[1]
        if images := self._images(values):
            content = [{"type": "image_url", "image_url": {"url": url}} for url in images]
            content += [{"type": "text", "text": texts[1]}] if texts[1] else []
        asked: list[dict[str, Any]] = [{"role": "user", "content": content}]
        return self.with_system(asked, texts[0])

    def with_system(self, messages: Sequence[Mapping[str, Any]], system: str | None = None) -> list[dict[str, Any]]:
        """A conversation with what `system` says before it, unless it begins with a system message of its own.

        `system` None is the recipe's.
        """
        said = [dict(message) for message in messages]
        own = said and said[0].get("role") in ("system", "developer")
        text = self.system if system is None else system
        if own and not self.system_role:
            text, own = _text_of(said.pop(0).get("content")), False
        if own or not text or (system is None and NAMED.search(text)):
            return said
        if self.system_role:
            return [{"role": "system", "content": text}, *said]
        first = next((message for message in said if message.get("role") == "user"), None)
        if first is None:
            return [{"role": "user", "content": text}, *said]
        content = first.get("content")
        first["content"] = (
            [{"type": "text", "text": text}, *content] if isinstance(content, list) else f"{text}\n\n{content}"
        )
        return said

    def prompt(self, inputs: Inputs) -> str:
        """The text that a `raw` recipe gives to the model. Raises SpecError."""
        values, texts = self._filled(inputs)
        if self._images(values):
            raise SpecError("A recipe without a chat template takes no image")
        return "\n\n".join(filter(None, texts))

    def without_template(self) -> Recipe:
        """The recipe for a file that holds no chat template: the same words as plain text."""
        return replace(self, raw=True)

    def _filled(self, inputs: Inputs) -> tuple[dict[str, str | tuple[str, ...]], tuple[str, str]]:
        """The checked inputs, and the texts of the system and of the user."""
        if self.kind not in WRITING:
            raise SpecError(f"A recipe of the kind `{self.kind}` has no messages")
        values = self.checked(inputs)
        words = {item.name: _joined(item, values.get(item.name, "")) for item in self.inputs if not item.is_image}
        # filled once: what an input holds is not looked through for names
        system, user = (
            NAMED.sub(lambda found: words.get(found[1], found[0]), text) for text in (self.system, self.user)
        )
        return values, (system, user)

    def _images(self, values: Mapping[str, str | tuple[str, ...]]) -> tuple[str, ...]:
        found: list[str] = []
        for item in self.inputs:
            if item.is_image and (value := values.get(item.name)):
                found += [value] if isinstance(value, str) else value
        return tuple(found)


def _value(item: Input, given: str | Sequence[str]) -> str | tuple[str, ...]:
    if isinstance(given, str):
        return (given,) if item.is_list else given
    if not item.is_list:
        raise SpecError(f"`{item.name}` is one text, found a {type(given).__name__}", hint="Give a string")
    if not isinstance(given, Sequence) or not all(isinstance(part, str) for part in given):
        raise SpecError(f"`{item.name}` is a list of texts", hint="Give a list of strings")
    return tuple(given)


def _joined(item: Input, value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else item.separator.join(value)


def _text_of(content: Any) -> str:
    """The words of a message, whose content may be a list of parts."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
