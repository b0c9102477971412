"""The endpoints that models answer at: what a request there may hold, and how its stream begins and ends."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["text", "embeddings", "rerank"]
ALL_KINDS: Final[frozenset[Kind]] = frozenset({"text", "embeddings", "rerank"})
TEXT: Final[frozenset[Kind]] = frozenset({"text"})


@dataclass(frozen=True, slots=True)
class Wire:
    """One endpoint. `kinds` are the models that answer there, `ending` is what only a whole stream holds.

    `required` are the fields without which there is nothing to answer. `has_cloud` says that a provider has it too.
    """

    path: str
    required: tuple[str, ...]
    kinds: frozenset[Kind] = TEXT
    ending: bytes = b""
    has_cloud: bool = False
    upstream: str = ""  # its path at llama-server, where that is another

    @property
    def is_anthropic(self) -> bool:
        """Whether it speaks Anthropic's API."""
        return self.path.startswith("/v1/messages")


CHAT: Final = Wire("/v1/chat/completions", ("messages",), ending=b"data: [DONE]", has_cloud=True)
COMPLETIONS: Final = Wire("/v1/completions", ("prompt",), ending=b"data: [DONE]", has_cloud=True)
RESPONSES: Final = Wire("/v1/responses", ("input",), ending=b"event: response.completed")
MESSAGES: Final = Wire("/v1/messages", ("messages", "max_tokens"), ending=b"event: message_stop")
EMBEDDINGS: Final = Wire("/v1/embeddings", ("input",), kinds=frozenset({"embeddings"}), has_cloud=True)
RERANK: Final = Wire("/v1/rerank", ("query", "documents"), kinds=frozenset({"rerank"}))
INFILL: Final = Wire("/infill", ("input_prefix", "input_suffix"), ending=b'"stop":true')
TOKENIZE: Final = Wire("/tokenize", ("content",), kinds=ALL_KINDS)
COMPLETION: Final = Wire("/completion", ("prompt",), ending=b'"stop":true')  # llama-server's own
APPLY_TEMPLATE: Final = Wire("/apply-template", ("messages",))
COUNT_TOKENS: Final = Wire("/v1/messages/count_tokens", ("messages",))
WIRES: Final = (
    CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT_TOKENS, EMBEDDINGS, RERANK, INFILL, TOKENIZE, COMPLETION,
    APPLY_TEMPLATE,
)  # fmt: skip


def events_of(data: bytes) -> Iterator[Mapping[str, Any]]:
    """The JSON of the whole events in a piece of a stream; what is none is passed over."""
    for line in data.split(b"\n"):
        kind, _, text = line.partition(b":")
        if kind == b"data":
            try:
                event = json.loads(text)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def with_opening(wire: Wire, data: bytes) -> bytes:
    """The beginning of a stream of Anthropic's API with the events that must come first.

    llama-server sends them with the first token, and not at all where that is a part of a character.
    """
    if wire is not MESSAGES or b"event: message_start" in data:
        return data
    usage = {"input_tokens": 0, "output_tokens": 0}
    message: dict[str, Any] = {
        "id": f"msg_{secrets.token_hex(12)}", "type": "message", "role": "assistant", "content": [], "model": "",
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    if b"event: content_block_start" not in data:
        kind = "thinking" if b'"thinking_delta"' in data else "text"
        block = {"type": kind, kind: ""}
        events.append({"type": "content_block_start", "index": 0, "content_block": block})
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events) + data


def error_in(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The error that an event is, None where it is none."""
    found = event.get("error")
    return found if isinstance(found, dict) else None


def says_something(event: Mapping[str, Any]) -> bool:
    """Whether an event holds the first words of an answer, or its end: from there on it is this answer or none."""
    kind = event.get("type")
    if isinstance(kind, str):  # Responses, and Anthropic's
        return kind.endswith((".delta", "_delta")) or kind in ("response.completed", "message_stop")
    if "content" in event:  # llama-server's own
        return bool(event["content"] or event.get("stop"))
    for choice in event.get("choices") or ():
        if not isinstance(choice, dict):
            continue
        delta = choice.get("delta") or {}
        if choice.get("text") or choice.get("finish_reason"):
            return True
        if any(delta.get(name) for name in ("content", "reasoning_content", "tool_calls", "refusal")):
            return True
    return False


def says_or_reads(event: Mapping[str, Any]) -> bool:
    """The same of an event, or that it says how much of the prompt is read, to who asked for that."""
    return "prompt_progress" in event or says_something(event)
