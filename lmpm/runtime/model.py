"""A loaded model as programs use it: asked by its recipe, in conversations, for vectors, ranks and holes in code."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypedDict, Unpack, cast

from lmpm.engine import AnswerStream, Options, asking
from lmpm.errors import SpecError
from lmpm.recipe import constraint_of
from lmpm.runtime.pictures import Picture, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from lmpm.engine import Answer, Session
    from lmpm.recipe import Inputs, Recipe
    from lmpm.runtime.subject import Subject

log = logging.getLogger("lmpm")

Kind = Literal["", "query", "document"]
Given = Picture | Sequence[str] | Sequence[Picture]


class ChatOptions(TypedDict, total=False):
    """What may be said beside the messages of a conversation.

    `tools` and `tool_choice` are as in OpenAI's API. `response_format` is a JSON schema, or a class with a
    `model_json_schema` such as those of pydantic: the text of the answer is then JSON that obeys it.
    """

    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    response_format: Any
    options: Options | None


class Model:
    """A model in a child of this process. Its methods may be called from several threads, and after a fork.

    Called with the inputs of its recipe it answers. They raise SpecError for inputs that the recipe does not have,
    ContextExceededError for a prompt that is too long, and EngineError.
    """

    def __init__(self, subject: Subject, session: Session, *, on_close: Callable[[], None]) -> None:
        self.subject = subject
        self.session = session
        self.recipe: Recipe = asking.asked_as(session, subject.recipe)
        self._on_close = on_close
        self._closing = threading.Lock()
        self._closed = False
        if self.recipe != subject.recipe:
            log.warning("`%s` holds no chat template: it is asked in plain text", subject.files.model.name)

    # -- what it is ------------------------------------------------------------

    @property
    def name(self) -> str:
        """Its name in the project."""
        return self.subject.name

    @property
    def title(self) -> str:
        """What model it is."""
        return f"{self.subject.title} {self.subject.quant}".strip()

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer have together."""
        return self.session.config.context

    def __repr__(self) -> str:
        return f"<lmpm.Model {self.name}: {self.title}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be sent to another process, which has no such child. Raises TypeError."""
        raise TypeError(f"{self!r} cannot be pickled: call `lmpm.load({self.name!r})` in each process")

    # -- its end ---------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Give the model back; its memory is freed with the last that uses it."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self.session.close()
        self._on_close()

    # -- answers ---------------------------------------------------------------

    def __call__(self, *main: Given, options: Options | None = None, **inputs: Given) -> Answer:
        """The answer to the inputs; the main one may be given without its name. A picture is a path or its bytes."""
        return asking.answer(self.stream(*main, options=options, **inputs))

    def stream(self, *main: Given, options: Options | None = None, **inputs: Given) -> AnswerStream:
        """The answer to the inputs, piece by piece; `.answer` is the whole once it has ended."""
        given = cast("Inputs", shown(self.recipe, self._given(main, inputs)))
        return asking.stream(self.session, self.recipe, given, self._held(given, options or Options()))

    def chat(self, messages: Sequence[Mapping[str, Any]], **options: Unpack[ChatOptions]) -> Answer:
        """The answer to a conversation, as OpenAI's API has messages and tools."""
        return asking.answer(self.stream_chat(messages, **options))

    def stream_chat(self, messages: Sequence[Mapping[str, Any]], **options: Unpack[ChatOptions]) -> AnswerStream:
        """The answer to a conversation, piece by piece."""
        return asking.stream_chat(self.session, self.recipe, messages, _told(**options))

    def count_tokens(self, *main: Given, **inputs: Given) -> int:
        """Tokens of the prompt that the inputs make, before it is asked; pictures count by their text alone."""
        given = cast("Inputs", shown(self.recipe, self._given(main, inputs)))
        if self.recipe.raw:
            return len(self.session.tokenize(self.recipe.prompt(given)))
        return len(self.session.tokenize(self.session.apply_template(self.recipe.messages(given))))

    def infill(self, prefix: str, suffix: str = "", *, options: Options | None = None) -> Answer:
        """What stands between two pieces of code."""
        self._require("infill", "fills no holes in code")
        return self(prefix, suffix=suffix, options=options)

    # -- vectors and ranks -----------------------------------------------------

    def embed(self, texts: str | Sequence[str], *, kind: Kind = "document") -> Any:
        """A vector for each text: rows of a numpy array where numpy is installed, else a list of lists.

        `kind` says whether they are queries or documents, which some models tell apart; empty is neither. A single
        text gives a single vector.
        """
        self._require("embed", "makes no vectors")
        vectors = asking.embed(self.session, self.recipe, [texts] if isinstance(texts, str) else texts, kind=kind)
        made = _array(vectors)
        return made[0] if isinstance(texts, str) else made

    def rerank(self, query: str, documents: Sequence[str]) -> list[tuple[int, float]]:
        """The number of each document, from 0, with its score, the best answer to the query first."""
        self._require("rerank", "ranks no documents")
        scores = self.session.rerank(query, documents)
        return sorted(enumerate(scores), key=lambda item: -item[1])

    # -- the same for asyncio --------------------------------------------------

    async def acall(self, *main: Given, options: Options | None = None, **inputs: Given) -> Answer:
        """`model(…)`. Cancelled, it ends the answer."""
        return await _finished(self.stream(*main, options=options, **inputs))

    def astream(self, *main: Given, options: Options | None = None, **inputs: Given) -> AsyncIterator[str]:
        """The pieces of `stream`."""
        return _pieces(self.stream(*main, options=options, **inputs))

    async def achat(self, messages: Sequence[Mapping[str, Any]], **options: Unpack[ChatOptions]) -> Answer:
        """`chat`. Cancelled, it ends the answer."""
        return await _finished(self.stream_chat(messages, **options))

    def astream_chat(self, messages: Sequence[Mapping[str, Any]], **options: Unpack[ChatOptions]) -> AsyncIterator[str]:
        """The pieces of `stream_chat`."""
        return _pieces(self.stream_chat(messages, **options))

    async def aembed(self, texts: str | Sequence[str], *, kind: Kind = "document") -> Any:
        """`embed`."""
        return await asyncio.to_thread(self.embed, texts, kind=kind)

    async def arerank(self, query: str, documents: Sequence[str]) -> list[tuple[int, float]]:
        """`rerank`."""
        return await asyncio.to_thread(self.rerank, query, documents)

    async def ainfill(self, prefix: str, suffix: str = "", *, options: Options | None = None) -> Answer:
        """`infill`. Cancelled, it ends the answer."""
        self._require("infill", "fills no holes in code")
        return await _finished(self.stream(prefix, suffix=suffix, options=options))

    # -------------------------------------------------------------------------

    def _given(self, main: tuple[Given, ...], inputs: Mapping[str, Given]) -> dict[str, Given]:
        """All inputs by their names."""
        if not main:
            return dict(inputs)
        named = self.recipe.main
        if len(main) > 1 or named is None or named.name in inputs:
            names = ", ".join(f"`{item.name}`" for item in self.recipe.inputs)
            raise SpecError("One input goes without its name", hint=f"Name the others: {names}")
        return {named.name: main[0], **inputs}

    def _held(self, given: Inputs, options: Options) -> Options:
        """The options, with what the recipe holds an answer to, unless they say something themselves."""
        if options.grammar is not None or options.schema is not None or not self.recipe.grammar:
            return options
        if self.recipe.grammar == "sql":
            return dataclasses.replace(options, grammar=_grammar_of(str(given.get("schema", ""))))
        held = constraint_of(self.recipe, given)
        return dataclasses.replace(options, grammar=held.grammar, schema=held.schema)

    def _require(self, kind: str, lack: str) -> None:
        if self.recipe.kind != kind:
            raise SpecError(f"`{self.name}` {lack}: its recipe is of the kind `{self.recipe.kind}`")


def _grammar_of(ddl: str) -> str | None:
    """The grammar of what can be asked of a schema; None where it is not SQLite's, which is asked without."""
    from lmpm.sql import gbnf, read_ddl

    try:
        return gbnf(read_ddl(ddl))
    except SpecError:
        return None


def _told(
    tools: Sequence[Mapping[str, Any]] | None = None,
    tool_choice: str | Mapping[str, Any] | None = None,
    response_format: Any = None,
    options: Options | None = None,
) -> Options:
    told = options or Options()
    if tools:
        told = dataclasses.replace(told, tools=tools, tool_choice=tool_choice)
    return told if response_format is None else dataclasses.replace(told, schema=schema_of(response_format))


def schema_of(response_format: Any) -> Mapping[str, Any]:
    """The JSON schema that is meant: itself, in one of the wrappings of OpenAI's API, or that of a class of pydantic.

    Raises SpecError for anything else.
    """
    make = getattr(response_format, "model_json_schema", None)
    found = make() if callable(make) else response_format
    if isinstance(found, dict) and found.get("type") == "json_schema" and isinstance(found.get("json_schema"), dict):
        found = found["json_schema"].get("schema")
    elif isinstance(found, dict) and found.get("type") == "json_object":
        found = {"type": "object"}
    if not isinstance(found, dict):
        raise SpecError(
            "`response_format` is not a JSON schema", hint="Give a dict with a schema, or a class of pydantic"
        )
    return found


def _array(vectors: list[tuple[float, ...]]) -> Any:
    try:
        import numpy as np
    except ImportError:
        return [list(vector) for vector in vectors]
    return np.asarray(vectors, dtype=np.float32)


async def _finished(stream: AnswerStream) -> Answer:
    """The whole answer, taken in a thread; a cancelled task ends it."""
    async for _ in _pieces(stream):
        pass
    if stream.answer is None:
        raise asyncio.CancelledError
    return stream.answer


async def _pieces(stream: AnswerStream) -> AsyncIterator[str]:
    """The pieces of an answer as they come, each awaited in a thread; left early, the answer is ended."""
    pieces: Iterator[str] = iter(stream)
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        await asyncio.shield(asyncio.to_thread(_close, stream))


def _close(stream: AnswerStream) -> None:
    """End an answer, also while a thread still waits for its next piece."""
    for _ in range(1000):
        try:
            stream.close()
        except ValueError:  # the generator runs in the other thread
            threading.Event().wait(0.005)
        else:
            return
