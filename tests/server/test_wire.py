"""Streams whose beginning llama-server leaves out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import web

from lmpm.server.problem import from_llama
from lmpm.server.responses import Placed
from lmpm.server.upstream import ask, connect
from lmpm.server.wire import CHAT, MESSAGES, events_of, says_or_reads, says_something, with_opening

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
    thought = DELTA.replace(b'"text_delta","text"', b'"thinking_delta","thinking"')
    (_, start, _) = events_of(with_opening(MESSAGES, thought))
    assert start["content_block"] == {"type": "thinking", "thinking": ""}


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


def test_a_response_is_opened_once_and_its_events_have_places() -> None:
    created = {"type": "response.created", "response": {"id": "r"}}
    said: list[dict[str, Any]] = [
        created,
        {"type": "response.output_item.added", "item": {"id": "rs_1", "type": "reasoning"}},
        created,
        {"type": "response.output_item.added", "item": {"call_id": "fc_1", "type": "function_call"}},
        {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{"},
        {"type": "response.output_text.delta", "item_id": "rs_1", "delta": "a"},
    ]
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in said]
    error = b'\n\ndata: {"error": {"message": "x"}}\n\n'
    placed = Placed()
    data = placed(b"".join(lines[:3])) + placed(b"".join(lines[3:])) + placed(error)
    events = list(events_of(data))
    assert [event.get("type") for event in events] == [event["type"] for event in (*said[:2], *said[3:])] + [None]
    assert [event.get("output_index") for event in events] == [None, 0, 1, 1, 0, None]
    assert [event.get("sequence_number") for event in events] == [0, 1, 2, 3, 4, None]
    assert data.count(b"event: ") == 5


def test_progress_is_handed_on_before_the_first_word_to_who_asked_for_it() -> None:
    """And held back where another target may still answer."""

    async def main() -> None:
        seen = asyncio.Event()

        async def chat(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b'data: {"choices":[{"delta":{}}],"prompt_progress":{"processed":1,"total":2}}\n\n')
            await seen.wait()
            await response.write(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n')
            return response

        app = web.Application()
        app.router.add_post(CHAT.path, chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session, base = connect(f"http://127.0.0.1:{runner.addresses[0][1]}", silence_s=60)
        async with session, contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(runner.cleanup)
            asked = {"stream": True}
            reply = await ask(session, base + CHAT.path, asked, {}, CHAT, from_llama, begins=says_or_reads)
            assert b"prompt_progress" in reply.first
            assert reply.rest is not None
            held = asyncio.create_task(ask(session, base + CHAT.path, asked, {}, CHAT, from_llama))
            await asyncio.wait([held], timeout=0.2)
            assert not held.done()
            seen.set()
            assert b"[DONE]" in await reply.rest.read()
            assert b'"content":"a"' in (await held).first
            for item in (reply, await held):
                await item.close()

    asyncio.run(main())
