"""How a session is asked by a recipe: questions of named inputs, conversations, texts, documents and holes in code."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from lmpm.engine.exchange import timed
from lmpm.engine.protocol import Sampling
from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from lmpm.engine.exchange import Writing
    from lmpm.engine.protocol import Generation
    from lmpm.engine.session import Session
    from lmpm.recipe import Inputs, Recipe, Sampling as RecipeSampling
    from lmpm.run_config import Pooling

FinishReason = Literal["stop", "length", "tool_calls"]
TextKind = Literal["", "query", "document"]

TEXTS_AT_ONCE: Final = 64  # of one request, so that each has its own time
SEEDS: Final = 2**31
RANGES: Final = (  # of options; above the seeds llama.cpp draws one itself
    ("max_tokens", 1, 1_000_000),
    ("temperature", 0, 5),
    ("seed", 0, SEEDS - 1),
    ("time_s", 0, 86_400),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that were read and written; `cached_tokens` of those read were known from the question before."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered, its thoughts apart.

    `finish_reason` is `length` where its limit cut it. `first_token_s` are seconds until the first token, `decode` and
    `prefill` tokens a second written and read; None: too few to tell. `message` is the answer as OpenAI's API has it.
    With `seed` it can be had again.
    """

    text: str
    thinking: str = ""
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    first_token_s: float | None = None
    decode: float | None = None
    prefill: float | None = None
    seed: int = 0
    message: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text

    @property
    def is_cut(self) -> bool:
        """Whether its limit, or that of the context, ended it."""
        return self.finish_reason == "length"

    @property
    def tool_calls(self) -> tuple[Mapping[str, Any], ...]:
        """The functions that the model wants to have called, as OpenAI's API has them."""
        return tuple(self.message.get("tool_calls") or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one question has otherwise than its recipe; None is as the recipe has it.

    `grammar` is GBNF, `schema` a JSON schema: an answer is held to it, by an empty grammar to nothing. `tools` and
    `tool_choice` are those of OpenAI's API. `progress` hears how many tokens of the prompt are read, and of how many.
    `thinks` switches thoughts.
    """

    max_tokens: int | None = None
    sampling: RecipeSampling | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: Sequence[str] | None = None
    thinks: bool | None = None
    grammar: str | None = None
    schema: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] | None = None
    tool_choice: str | Mapping[str, Any] | None = None
    progress: Callable[[int, int], None] | None = None
    time_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what llama.cpp would take for something else, or not at all. Raises SpecError."""
        for name, low, high in RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:  # NaN is in none
                raise SpecError(f"`{name}` is {value}, expected a number from {low:,} to {high:,}")
        if isinstance(self.stop, str) or not all(isinstance(text, str) and text for text in self.stop or ()):
            raise SpecError("`stop` is a list of texts that are not empty")


USUAL: Final = Options()


def ask(session: Session, recipe: Recipe, inputs: Inputs, options: Options = USUAL) -> Answer:
    """The answer to named inputs. Raises SpecError for inputs that the recipe does not have, and EngineError."""
    return answer(stream(session, recipe, inputs, options))


def stream(session: Session, recipe: Recipe, inputs: Inputs, options: Options = USUAL) -> AnswerStream:
    """The answer to named inputs as it is written. What is wrong with the inputs is raised here and now."""
    recipe = asked_as(session, recipe)
    if recipe.kind == "infill":
        return _infilled(session, recipe, inputs, options)
    if recipe.raw:
        return _raw(session, recipe, recipe.prompt(inputs), options)
    return _chat(session, recipe, recipe.messages(inputs), options)


def stream_chat(
    session: Session, recipe: Recipe, messages: Sequence[Mapping[str, Any]], options: Options = USUAL
) -> AnswerStream:
    """The answer to a conversation as it is written."""
    if recipe.raw or recipe.kind not in ("chat", "complete"):
        names = ", ".join(f"`{item.name}`" for item in recipe.inputs)
        raise SpecError("The model is not for conversations", hint=f"Ask it by the inputs of its recipe: {names}")
    return _chat(session, recipe, recipe.with_system(messages), options)


def asked_as(session: Session, recipe: Recipe) -> Recipe:
    """The recipe as the file can be asked by it: without a chat template in it the same words are plain text."""
    return recipe if session.has_template or not recipe.writes else recipe.without_template()


def pooling_of(recipe: Recipe, model: Path) -> Pooling | None:
    """How the vectors of a text become one: by the recipe where the file itself does not say; None leaves it to it."""
    from lmpm.gguf import read_file

    if recipe.kind == "rerank":
        return "rank"
    if recipe.kind != "embed" or not recipe.pooling:
        return None
    header = read_file(model, tensors=False)
    return None if f"{header.architecture}.pooling_type" in header.metadata else recipe.pooling


def embed(
    session: Session, recipe: Recipe, texts: Sequence[str], *, kind: TextKind = "", time_s: float | None = None
) -> list[tuple[float, ...]]:
    """A vector for each text, put as a query or as a document where the model tells them apart. Raises EngineError."""
    prefix = {"": "", "query": recipe.query_prefix, "document": recipe.document_prefix}[kind]
    found: list[tuple[float, ...]] = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        asked = [prefix + text for text in texts[start : start + TEXTS_AT_ONCE]]
        found += session.embed(asked, time_s=time_s)
    return [_normalized(vector) for vector in found] if recipe.normalize else found


def _normalized(vector: tuple[float, ...]) -> tuple[float, ...]:
    length = math.hypot(*vector)
    return tuple(value / length for value in vector) if length else vector


class AnswerStream:
    """The pieces of an answer's text. `answer` is the whole of it once they are all taken; closing it ends it there."""

    def __init__(self, pieces: Generator[tuple[str, str], None, Answer]) -> None:
        self._pieces = pieces
        self.answer: Answer | None = None

    def __iter__(self) -> Iterator[str]:
        return (text for kind, text in self.pieces() if kind == "text")

    def pieces(self) -> Iterator[tuple[str, str]]:
        """Each piece with what it is of: `thinking` or `text`."""
        self.answer = yield from self._pieces

    def close(self) -> None:
        """End the answer."""
        self._pieces.close()


def answer(stream: AnswerStream) -> Answer:
    """The whole answer of a stream."""
    for _ in stream.pieces():
        pass
    return cast("Answer", stream.answer)


def _sampling(recipe: Recipe, options: Options) -> Sampling:
    """How tokens are taken. Of an answer left to chance the seed is drawn here, so that it can be told."""
    wanted = options.sampling or recipe.sampling
    if options.temperature is not None:
        wanted = dataclasses.replace(wanted, temperature=options.temperature)
    seed = options.seed
    if seed is None:
        seed = 0 if wanted.is_greedy else random.randrange(SEEDS)  # noqa: S311 - no secret
    return Sampling(
        temperature=wanted.temperature, top_k=wanted.top_k, top_p=wanted.top_p, min_p=wanted.min_p, seed=seed
    )


def _writing(recipe: Recipe, options: Options, sampling: Sampling) -> Writing:
    """How a text is continued, by the recipe and what is asked otherwise."""
    return {
        "max_tokens": options.max_tokens or recipe.max_tokens,
        "stop": recipe.stop if options.stop is None else options.stop,
        "sampling": sampling,
        "grammar": options.grammar,
        "schema": options.schema,
    }


def _raw(session: Session, recipe: Recipe, prompt: str, options: Options) -> AnswerStream:
    sampling = _sampling(recipe, options)
    began = time.perf_counter()

    def pieces() -> Generator[tuple[str, str], None, Answer]:
        first_s = None
        written = session.stream(
            prompt, progress=options.progress, time_s=options.time_s, **_writing(recipe, options, sampling)
        )
        try:
            for text in written:
                first_s = first_s or time.perf_counter() - began
                yield "text", text
        finally:
            written.close()
        result = cast("Generation", written.result)
        return _answer(result, text=result.text.strip(), first_s=first_s, seed=sampling.seed)

    return AnswerStream(pieces())


def _infilled(session: Session, recipe: Recipe, inputs: Inputs, options: Options) -> AnswerStream:
    values = recipe.checked(inputs)
    sampling = _sampling(recipe, options)

    def pieces() -> Generator[tuple[str, str], None, Answer]:
        prefix, suffix = str(values["prefix"]), str(values.get("suffix", ""))
        made = session.infill(prefix, suffix, time_s=options.time_s, **_writing(recipe, options, sampling))
        yield "text", made.text
        return _answer(made, text=made.text, first_s=made.first_token_s, seed=sampling.seed)

    return AnswerStream(pieces())


def _answer(made: Generation, *, text: str, first_s: float | None, seed: int) -> Answer:
    return Answer(
        text=text,
        finish_reason=made.ended_by,
        usage=Usage(prompt_tokens=made.prompt_tokens, completion_tokens=made.tokens, cached_tokens=made.cached_tokens),
        first_token_s=first_s,
        decode=made.decode,
        prefill=made.prefill,
        seed=seed,
        message={"role": "assistant", "content": text},
    )


def _chat(session: Session, recipe: Recipe, messages: Sequence[Mapping[str, Any]], options: Options) -> AnswerStream:
    sampling = _sampling(recipe, options)
    thinks = recipe.mode == "thinking" if options.thinks is None else options.thinks
    longest = recipe.max_tokens + (recipe.thinking_tokens if thinks else 0)
    body: dict[str, Any] = {
        "max_tokens": options.max_tokens or longest,
        "stop": list(recipe.stop if options.stop is None else options.stop),
    }
    if recipe.mode or options.thinks is not None:
        body["chat_template_kwargs"] = {"enable_thinking": thinks}
    if options.grammar is not None:
        body["grammar"] = options.grammar
    if options.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": options.schema}}
    if options.tools:
        body |= {"tools": list(options.tools), "tool_choice": options.tool_choice or "auto"}
    events = session.stream_chat(messages, sampling=sampling, progress=options.progress, time_s=options.time_s, **body)
    return AnswerStream(_said(events, sampling.seed))


def answer_of(events: Iterator[Mapping[str, Any]]) -> Answer:
    """The answer that the events of OpenAI's API make, from whomever they come: tokens as its `usage` counts them."""
    usage: dict[str, Any] = {}

    def heard() -> Iterator[Mapping[str, Any]]:
        for event in events:
            usage.update(event.get("usage") or {})
            yield event

    found = answer(AnswerStream(_said(heard(), 0)))
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    counted = Usage(
        prompt_tokens=int(usage.get("prompt_tokens") or 0), completion_tokens=int(usage.get("completion_tokens") or 0),
        cached_tokens=int(cached),
    )  # fmt: skip
    return dataclasses.replace(found, usage=counted)


def _said(events: Iterator[Mapping[str, Any]], seed: int) -> Generator[tuple[str, str], None, Answer]:
    """The pieces of a streamed message, and the whole of it."""
    began, first_s = time.perf_counter(), None
    text, thoughts, reason = "", "", "stop"
    calls: dict[int, dict[str, Any]] = {}
    last: Mapping[str, Any] = {}
    try:
        for event in events:
            last = event if "timings" in event else last
            for choice in event.get("choices", ()):
                delta = choice.get("delta") or {}
                reason = choice.get("finish_reason") or reason
                for part in delta.get("tool_calls") or ():
                    _join_call(calls.setdefault(int(part.get("index", 0)), {}), part)
                for kind, key in (("thinking", "reasoning_content"), ("text", "content")):
                    if piece := delta.get(key):
                        first_s = first_s or time.perf_counter() - began
                        text, thoughts = (text + piece, thoughts) if kind == "text" else (text, thoughts + piece)
                        yield kind, piece
    finally:
        if close := getattr(events, "close", None):
            close()
    figures = timed(last.get("timings", {}), last)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    message |= {"reasoning_content": thoughts} if thoughts else {}
    message |= {"tool_calls": [calls[index] for index in sorted(calls)]} if calls else {}
    made = _answer(figures, text=text, first_s=first_s, seed=seed)
    finish: FinishReason = "length" if reason == "length" else "tool_calls" if calls else "stop"
    return dataclasses.replace(made, thinking=thoughts, finish_reason=finish, message=message)


def _join_call(call: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add a piece of a call of a function to what there is of it."""
    call.setdefault("type", "function")
    if part.get("id"):
        call["id"] = part["id"]
    function = call.setdefault("function", {"name": "", "arguments": ""})
    for key in ("name", "arguments"):
        function[key] += (part.get("function") or {}).get(key) or ""
