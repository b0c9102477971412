"""How `lmpm run` asks a model that is loaded: once, line by line, or in a conversation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmpm.cli.output.answer import Writer, speed_words
from lmpm.cli.output.console import put, put_json, put_raw, style
from lmpm.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lmpm.cli.app import App
    from lmpm.cli.inputs import Given
    from lmpm.cli.loaded import Model
    from lmpm.engine import Answer, AnswerStream, Options


@dataclass(frozen=True, slots=True)
class Asker:
    """A loaded model, and how its answers are wanted."""

    app: App
    model: Model
    options: Options

    def once(self, given: Given) -> None:
        """Ask once, and show the answer as it is written."""
        if self.app.as_json:
            put_json(answer_json(self.model, self.model.ask(given, self.options)))
            return
        writer = Writer(self.app.console)
        self._show(writer, self.model.stream(given, self.options, progress=writer.read))

    def lines(self, given: Given, main: str, texts: Iterable[str]) -> None:
        """Ask once for each text, and write one JSON object a line."""
        for text in texts:
            answer = self.model.ask({**given, main: text}, self.options)
            put_raw(json.dumps({main: text, **_line(self.model, answer)}, ensure_ascii=False))

    def embed(self, texts: Sequence[str], kind: str) -> None:
        """Write the vector of each text, one JSON object a line."""
        for text, vector in zip(texts, self.model.vectors(texts, kind=kind), strict=True):
            put_raw(json.dumps({"text": text, "embedding": [round(value, 7) for value in vector]}, ensure_ascii=False))

    def rerank(self, query: str, documents: Sequence[str]) -> None:
        """Write the documents, the best answer to the query first."""
        scores = self.model.scores(query, documents)
        ranked = sorted(range(len(documents)), key=lambda number: -scores[number])
        if self.app.as_json:
            found = [{"index": at, "score": scores[at], "document": documents[at]} for at in ranked]
            put_json({"model": self.model.name, "query": query, "results": found})
            return
        for at in ranked:
            put(f"{scores[at]:8.3f}  {documents[at]}")

    def converse(self, history: Path) -> None:
        """Talk until the user ends it."""
        from lmpm.cli.output.conversation import converse

        console, said = self.app.console, list[dict[str, Any]]()
        console.say("", style(f"{self.model.title} · context {self.model.context:,} · /help", dim=True))

        def answer(text: str) -> None:
            writer = Writer(console)
            asked = [*said, {"role": "user", "content": text}]
            stream = self.model.stream_chat(asked, self.options, progress=writer.read)
            try:
                found = self._show(writer, stream)
            except EngineError as error:
                if error.kind != "context-exceeded":
                    raise
                console.note(f"{error.message}. `/reset` begins anew")
                return
            said.extend((asked[-1], {"role": "assistant", "content": found.text}))

        converse(console, history, answer, said.clear)

    def _show(self, writer: Writer, stream: AnswerStream) -> Answer:
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
            self.app.console.say("", style(words, dim=True))
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
