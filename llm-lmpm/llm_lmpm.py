"""A plugin of `llm`: the models of the project's lock, and the user's own, by their names there."""

from __future__ import annotations

import base64
import json
import os
import tomllib
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import llm
from llm.parts import AttachmentPart, ReasoningPart, StreamEvent, TextPart, ToolCallPart, ToolResultPart
from pydantic import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import lmpm

PREFIX: Final = "lmpm/"
LOCK: Final = "lmpm.lock"
SILENT: Final = frozenset({"embed", "rerank"})  # kinds of recipes that write no text


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """The models that write."""
    for name, entry in _locked().items():
        if _kind(entry) not in SILENT:
            register(Chat(name, sees=any(file.get("role") == "mmproj" for file in _files(entry))))


@llm.hookimpl
def register_embedding_models(register: Callable[..., None]) -> None:
    """The models that make vectors."""
    for name, entry in _locked().items():
        if _kind(entry) == "embed":
            register(Embeddings(name))


class Chat(llm.Model):
    """A model that is talked to. It is loaded when it is first asked."""

    can_stream = True
    supports_schema = True
    supports_tools = True

    class Options(llm.Options):
        """What an answer has otherwise than its recipe."""

        max_tokens: int | None = Field(default=None, ge=1, description="Tokens of an answer at most")
        temperature: float | None = Field(default=None, ge=0, le=5, description="0 takes the likeliest token")
        seed: int | None = Field(default=None, ge=0, description="Draw the same answer again")
        think: bool | None = Field(default=None, description="Let the model think before it answers, or not")

    def __init__(self, name: str, *, sees: bool = False) -> None:
        self.name = name
        self.model_id = PREFIX + name
        if sees:
            self.attachment_types = {"image/png", "image/jpeg", "image/gif", "image/bmp"}

    def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.Response, conversation: llm.Conversation | None = None
    ) -> Iterator[StreamEvent]:
        """The events of an answer."""
        with _failures():
            yield from self._events(prompt, response)

    def _events(self, prompt: llm.Prompt, response: llm.Response) -> Iterator[StreamEvent]:
        from lmpm.engine import Options

        model = _model(self.name)
        asked = prompt.options
        options = Options(
            max_tokens=asked.max_tokens, temperature=asked.temperature, seed=asked.seed, thinks=asked.think
        )
        messages = [said for message in prompt.messages for said in _wire(message)]
        if model.recipe.raw or model.recipe.kind == "infill":
            written = model.stream(str(prompt.prompt), options=options)
        else:
            tools = [_function(tool) for tool in prompt.tools]
            written = model.stream_chat(messages, tools=tools, response_format=prompt.schema, options=options)
        try:
            for kind, piece in written.pieces():
                yield StreamEvent(type="reasoning" if kind == "thinking" else "text", chunk=piece)
        finally:
            written.close()
        answer = written.answer
        if answer is None:
            return
        for call in answer.tool_calls:
            function = call["function"]
            yield StreamEvent(type="tool_call_name", chunk=function["name"], tool_call_id=call.get("id"))
            yield StreamEvent(type="tool_call_args", chunk=function["arguments"], tool_call_id=call.get("id"))
            response.add_tool_call(
                llm.ToolCall(
                    name=function["name"],
                    arguments=json.loads(function["arguments"] or "{}"),
                    tool_call_id=call.get("id"),
                )
            )
        response.set_usage(input=answer.usage.prompt_tokens, output=answer.usage.completion_tokens)


class Embeddings(llm.EmbeddingModel):
    """A model that makes vectors."""

    batch_size = 64

    def __init__(self, name: str) -> None:
        self.name = name
        self.model_id = PREFIX + name

    def embed_batch(self, items: Iterable[str | bytes]) -> Iterator[list[float]]:
        """A vector for each text."""
        texts = [item.decode() if isinstance(item, bytes) else item for item in items]
        with _failures():
            vectors = _model(self.name).embed(texts)
        for vector in vectors:
            yield [float(value) for value in vector]


@lru_cache(maxsize=4)
def _model(name: str) -> lmpm.Model:
    """The loaded model."""
    import lmpm

    return lmpm.load(name)


@contextmanager
def _failures() -> Iterator[None]:
    """Show what lmpm says of a failure as `llm` shows its own."""
    import lmpm

    try:
        yield
    except lmpm.LmpmError as error:
        raise llm.ModelError(f"{error.message}. {error.hint}" if error.hint else error.message) from error


def _locked() -> dict[str, dict[str, Any]]:
    """The entries of the project's lock and of the user's own by name, read as plain TOML without importing lmpm."""
    found: dict[str, dict[str, Any]] = {}
    for path in _locks():
        try:
            document = tomllib.loads(path.read_text("utf-8"))
            for entry in document["model"]:
                found.setdefault(str(entry["name"]), entry)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return found


def _locks() -> Iterator[Path]:
    """The lock of the directory or of the nearest one above it, then that of the user's own models."""
    here = Path.cwd()
    project = next((folder / LOCK for folder in (here, *here.parents) if (folder / LOCK).is_file()), None)
    if project is not None:
        yield project
    import platformdirs

    home = os.environ.get("LMPM_HOME") or platformdirs.user_state_dir("lmpm", appauthor=False)
    yield Path(home).expanduser() / "global" / LOCK


def _kind(entry: dict[str, Any]) -> str:
    recipe = entry.get("recipe")
    return str(recipe.get("kind", "chat")) if isinstance(recipe, dict) else "chat"


def _files(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return [file for candidate in entry.get("candidate", ()) for file in candidate.get("files", ())]


def _function(tool: Any) -> dict[str, Any]:
    """A tool as OpenAI's API has it."""
    schema = tool.input_schema or {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description or "", "parameters": schema},
    }


def _wire(message: Any) -> Iterator[dict[str, Any]]:
    """The messages of OpenAI's API that a message of `llm` is: each result of a tool is one of its own."""
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    thoughts = ""
    for part in message.parts:
        if isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, AttachmentPart) and part.attachment is not None:
            data = base64.b64encode(part.attachment.content_bytes()).decode()
            url = f"data:{part.attachment.resolve_type()};base64,{data}"
            content.append({"type": "image_url", "image_url": {"url": url}})
        elif isinstance(part, ReasoningPart):
            thoughts += part.text
        elif isinstance(part, ToolCallPart):
            function = {"name": part.name, "arguments": json.dumps(part.arguments)}
            calls.append({"id": part.tool_call_id or part.name, "type": "function", "function": function})
        elif isinstance(part, ToolResultPart):
            result = part.exception or part.output
            yield {"role": "tool", "tool_call_id": part.tool_call_id or part.name, "content": result}
    if not content and not calls:
        return
    plain = all(item["type"] == "text" for item in content)
    said: dict[str, Any] = {"role": message.role}
    said["content"] = "".join(item["text"] for item in content) if plain else content
    if calls:
        said["tool_calls"] = calls
    if thoughts:
        said["reasoning_content"] = thoughts
    yield said
