"""Conversations with a model that has no chat template: its words go to it as they are, and it answers as in a chat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lmpm.server.problem import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def text_of(messages: Iterable[Mapping[str, Any]]) -> str:
    """The words of a conversation, one message after the other. Raises ApiError for what is no text."""
    texts = []
    for number, message in enumerate(messages):
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        for part in parts:
            if not isinstance(part, dict) or not isinstance(part.get("text"), str):
                raise invalid("This model takes text alone", f"messages[{number}].content", "unsupported")
            texts.append(part["text"])
    return "\n\n".join(filter(None, texts))


def as_chat(data: bytes) -> bytes:
    """A whole answer of `/v1/completions` as one of chat."""
    answer = json.loads(data)
    answer["object"] = "chat.completion"
    for choice in answer.get("choices", ()):
        choice["message"] = {"role": "assistant", "content": choice.pop("text", "").strip()}
    return json.dumps(answer).encode()


def as_chat_events(data: bytes, begun: set[int]) -> bytes:
    """The same for the whole events in a piece of a stream. `begun` keeps which choices have said something."""
    lines = []
    for line in data.split(b"\n"):
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            event["object"] = "chat.completion.chunk"
            for choice in event.get("choices", ()):
                text = choice.pop("text", "")
                if choice["index"] not in begun:
                    text = text.lstrip()
                if text:
                    begun.add(choice["index"])
                choice["delta"] = {"role": "assistant", "content": text} if text else {}
            line = b"data: " + json.dumps(event).encode()
        lines.append(line)
    return b"\n".join(lines)
