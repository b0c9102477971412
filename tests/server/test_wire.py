"""Streams whose beginning llama-server leaves out."""

from __future__ import annotations

from typing import Any

from lmpm.server.wire import CHAT, MESSAGES, events_of, says_something, with_opening

DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
)


def test_a_stream_of_messages_begins_as_its_clients_need() -> None:
    opened = with_opening(MESSAGES, DELTA)
    kinds = [event["type"] for event in events_of(opened)]
    assert kinds == ["message_start", "content_block_start", "content_block_delta"]
    assert with_opening(MESSAGES, opened) == opened
    assert with_opening(CHAT, DELTA) == DELTA


def test_only_words_begin_an_answer() -> None:
    silent: list[dict[str, Any]] = [
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"type": "message_start"},
        {"choices": []},
    ]
    assert not any(map(says_something, silent))
    spoken: list[dict[str, Any]] = [
        {"choices": [{"delta": {"content": "a"}}]},
        {"choices": [{"delta": {"tool_calls": [{}]}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"type": "response.output_text.delta"},
    ]
    assert all(map(says_something, spoken))
