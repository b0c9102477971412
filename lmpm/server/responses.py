"""Streams of the Responses API as its clients need them.

llama-server leaves out where in the answer an event belongs, which OpenAI's own client looks up, and opens an answer
again where its first token is a part of a character.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ONCE: Final = frozenset({"response.created", "response.in_progress"})
OF_TEXT: Final = ("response.content_part.", "response.output_text.", "response.reasoning_text.")


class Placed:
    """Changes the whole events in a piece of one stream."""

    def __init__(self) -> None:
        self._number = 0
        self._items: dict[str, int] = {}  # where in the output an item is
        self._opened: set[str] = set()

    def __call__(self, data: bytes) -> bytes:
        """The events with their numbers and places."""
        return b"".join(map(self._event, data.split(b"\n\n")))

    def _event(self, said: bytes) -> bytes:
        head, found, data = said.partition(b"data: {")
        if not found:
            return said and said + b"\n\n"
        event = json.loads(b"{" + data)
        kind = event.get("type", "")
        if kind in self._opened:
            return b""
        if kind in ONCE:
            self._opened.add(kind)
        if kind:
            self._place(kind, event)
        return head + b"data: " + json.dumps(event).encode() + b"\n\n"

    def _place(self, kind: str, event: dict[str, Any]) -> None:
        event["sequence_number"] = self._number
        self._number += 1
        item: Mapping[str, Any] = event.get("item") or {}
        name = item.get("id") or item.get("call_id") or event.get("item_id")
        if name:
            event["output_index"] = self._items.setdefault(str(name), len(self._items))
        if kind.startswith(OF_TEXT):
            event.setdefault("content_index", 0)
        if kind.startswith("response.output_text."):
            event.setdefault("logprobs", [])
        if isinstance(event.get("part"), dict):
            event["part"].setdefault("annotations", [])
