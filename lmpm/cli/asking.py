"""How `lmpm run` asks a model that is loaded: once, line by line, or in a conversation."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lmpm.cli.output.answer import Writer, speed_words
from lmpm.cli.output.console import flush, put, put_json, put_raw
from lmpm.errors import ContextExceededError, EngineError, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lmpm.cli.app import App
    from lmpm.cli.inputs import Given
    from lmpm.engine import Answer, AnswerStream, Options, TextKind
    from lmpm.runtime import Model, Subject

TEXTS_AT_ONCE: Final = 256


@dataclass(frozen=True)
class Asker:
    """A model, loaded when it is first asked, and how its answers are wanted. `context` is in tokens."""

    app: App
    subject: Subject
    options: Options
    context: int | None = None

    @cached_property
    def model(self) -> Model:
        """The loaded model. Raises EngineError, and NothingFitsError where it does not fit."""
        import logging

        from lmpm.runtime import open_model

        logging.getLogger("lmpm").addHandler(logging.NullHandler())  # what it logs is said below, or by `-v`
        model = open_model(self.app.workspace, self.subject, context=self.context)
        if model.recipe.raw and not self.subject.recipe.raw:
            self.app.console.note(f"`{model.name}` holds no chat template: it is asked in plain text")
        return model

    def close(self) -> None:
        """Give the model back, if it was loaded."""
        if "model" in self.__dict__:
            self.model.close()

    def stream(self, given: Given, writer: Writer, grammar: str | None = None) -> AnswerStream:
        """The answer to inputs as it is written; `writer` shows how far the prompt is read."""
        options = replace(self.options, progress=writer.read, grammar=grammar)
        return self.model.stream(options=options, **given)

    def once(self, given: Given) -> None:
        """Ask once, and show the answer as it is written."""
        if self.app.as_json:
            put_json(answer_json(self.model, self.model(options=self.options, **given)))
            return
        writer = Writer(self.app.console)
        self.show(writer, self.stream(given, writer))

    def lines(self, given: Given, main: str, texts: Iterable[str]) -> None:
        """Ask once for each text, and write one JSON object a line."""
        for text in texts:
            answer = self.model(options=self.options, **{**given, main: text})
            put_raw(json.dumps({main: text, **_line(self.model, answer)}, ensure_ascii=False))

    def embed(self, texts: Sequence[str], kind: TextKind) -> None:
        """Write the vector of each text, one JSON object a line."""
        for start in range(0, len(texts), TEXTS_AT_ONCE):  # written as they come, however many there are
            some = texts[start : start + TEXTS_AT_ONCE]
            for text, vector in zip(some, self.model.embed(some, kind=kind), strict=True):
                found = {"text": text, "embedding": [round(float(value), 7) for value in vector]}
                put_raw(json.dumps(found, ensure_ascii=False))
            flush()

    def rerank(self, query: str, documents: Sequence[str]) -> None:
        """Write the documents, the best answer to the query first."""
        ranked = self.model.rerank(query, documents)
        if self.app.as_json:
            found = [{"index": at, "score": score, "document": documents[at]} for at, score in ranked]
            put_json({"model": self.model.name, "query": query, "results": found})
            return
        for at, score in ranked:
            put(f"{score:8.3f}  {documents[at]}")

    def converse(self, history: Path) -> None:
        """Talk until the user ends it. Raises SpecError for a model without a chat template."""
        from lmpm.cli.output.conversation import converse

        if self.model.recipe.raw:
            raise SpecError("A model without a chat template holds no conversation", hint="Give it a text as INPUT")

        console, said = self.app.console, list[dict[str, Any]]()
        console.aside(f"{self.model.title} · context {self.model.context:,} · /help")

        def answer(text: str) -> None:
            writer = Writer(console)
            asked = [*said, {"role": "user", "content": text}]
            try:
                stream = self.model.stream_chat(asked, options=replace(self.options, progress=writer.read))
                self.show(writer, stream)
            except ContextExceededError as error:
                console.note(f"{error.message}. `/reset` begins anew")
                return
            finally:  # also what was said until it was stopped
                if writer.text:
                    said.extend((asked[-1], {"role": "assistant", "content": writer.text}))

        converse(console, history, answer, said.clear)

    def show(self, writer: Writer, stream: AnswerStream) -> Answer:
        """Write an answer while it comes, then how quick it was, and whether its limit cut it."""
        try:
            for kind, piece in stream.pieces():
                (writer.think if kind == "thinking" else writer.write)(piece)
        finally:
            stream.close()
            writer.end()
        answer = stream.answer
        if answer is None:
            raise EngineError("The answer ended before it was whole")
        if writer.tells and (words := speed_words(answer.first_token_s, answer.decode)):
            self.app.console.aside(words)
        self.remark(answer)
        return answer

    def remark(self, answer: Answer) -> None:
        """Say that an answer was cut by its limit."""
        if answer.is_cut:
            tokens = answer.usage.completion_tokens
            self.app.console.note(f"the answer was cut at {tokens:,} tokens: `--max-tokens` allows more")


def answer_json(model: Model, answer: Answer) -> dict[str, Any]:
    """An answer as programs read it."""
    return {"model": model.name, "title": model.title, **_line(model, answer), "seed": answer.seed}


def _line(model: Model, answer: Answer) -> dict[str, Any]:
    """The text under its own name: the label of a classification, the object of an extraction."""
    data: dict[str, Any] = {"text": answer.text}
    if model.recipe.grammar == "labels":
        data["label"] = answer.text.strip()
    elif model.recipe.grammar == "json":
        data["data"] = _object(answer.text)
    if answer.thinking:
        data["thinking"] = answer.thinking
    usage: Mapping[str, int] = {
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "cached_tokens": answer.usage.cached_tokens,
    }
    return {
        **data,
        "finish_reason": answer.finish_reason,
        "usage": usage,
        "first_token_s": answer.first_token_s,
        "tokens_per_second": answer.decode,
    }


def _object(text: str) -> Any:
    """What a JSON answer says; None where it was cut."""
    try:
        return json.loads(text)
    except ValueError:
        return None
