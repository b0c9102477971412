"""Answering a request with a model of this machine."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lmpm.server import logprobs, raw, tool_choice
from lmpm.server.asking import thoughts_asked
from lmpm.server.parameters import media_in
from lmpm.server.problem import ApiError, from_llama, invalid
from lmpm.server.reply import Reply
from lmpm.server.responses import Placed
from lmpm.server.upstream import LostError, ask
from lmpm.server.wire import (
    APPLY_TEMPLATE,
    CHAT,
    COMPLETION,
    COMPLETIONS,
    COUNT_TOKENS,
    RESPONSES,
    TOKENIZE,
    Wire,
    says_or_reads,
    says_something,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmpm.server.worker import Loaded, Worker

ATTEMPTS: Final = 2  # a request whose worker dies before the first byte is sent once more
PROMPT_ONLY: Final = frozenset({TOKENIZE.path, COUNT_TOKENS.path, APPLY_TEMPLATE.path})


async def answer(
    worker: Worker, wire: Wire, body: Mapping[str, Any], patience_s: float | None = None, *, is_last: bool = True
) -> Reply:
    """The reply once it has begun. `patience_s` bounds how long loading is waited for. Raises ApiError.

    Where it is the last that may answer, its progress in reading the prompt is handed on to who asked for it.
    """
    deployment = worker.deployment
    if deployment.kind not in wire.kinds:
        raise invalid(f"`{worker.name}` is a model for {deployment.task or deployment.kind}: it does not answer at "
                      f"{wire.path}", "model", "unsupported")  # fmt: skip
    tools = tool_choice.demanded_tools(wire, body)
    asked = {name: value for name, value in body.items() if name != "model"}
    begins = says_or_reads if is_last and body.get("return_progress") else says_something
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(worker.use(generates=wire.path not in PROMPT_ONLY))
        reply = await _with_retry(worker, wire, asked, tools, patience_s, begins)
        reply.closing.push_async_exit(stack.pop_all())
        return reply
    raise AssertionError  # the stack swallows nothing


async def _with_retry(
    worker: Worker, wire: Wire, body: dict[str, Any], tools: list[Mapping[str, Any]], patience_s: float | None,
    begins: Callable[[Mapping[str, Any]], bool],
) -> Reply:  # fmt: skip
    lost = ""
    for _ in range(ATTEMPTS):
        loaded = await worker.ready(patience_s)
        _require_abilities(worker, loaded, body)
        try:
            reply = await _asked(worker, loaded, wire, worker.deployment.adapt(wire.path, body), tools, begins)
        except LostError as error:
            lost = str(error)
            await worker.lost(loaded, is_silent=error.is_silent)
            continue
        worker.succeeded()

        async def see_whether_cut(_loaded: Loaded = loaded, _reply: Reply = reply) -> None:
            if _reply.is_cut:
                await worker.lost(_loaded, is_silent=False)

        reply.closing.push_async_callback(see_whether_cut)
        return reply
    raise ApiError(502, f"`{worker.name}` failed: its process {lost}", code="model_crashed", falls_over=True)


async def _asked(
    worker: Worker, loaded: Loaded, wire: Wire, body: dict[str, Any], tools: list[Mapping[str, Any]],
    begins: Callable[[Mapping[str, Any]], bool],
) -> Reply:  # fmt: skip
    if tools:
        return await _call_of(worker, loaded, body, tools)
    rewrite: Callable[[bytes], bytes] | None = None
    if wire.path == CHAT.path and "messages" not in body:  # the recipe made a plain prompt of them
        rewrite = partial(raw.as_chat_events, begun=set()) if body.get("stream") else raw.as_chat
        wire = COMPLETIONS
    elif wire.path == COMPLETIONS.path and body.get("logprobs"):
        rewrite = partial(logprobs.reshape_events if body.get("stream") else _reshaped, offsets={})
    elif wire.path == RESPONSES.path and body.get("stream"):
        rewrite = Placed()
    url = loaded.base + (wire.upstream or wire.path)
    return await ask(loaded.session, url, body, loaded.headers, wire, from_llama, rewrite=rewrite, begins=begins)


def _reshaped(data: bytes, offsets: dict[int, int]) -> bytes:
    answer = json.loads(data)
    logprobs.reshape(answer, offsets)
    return json.dumps(answer).encode()


async def _call_of(worker: Worker, loaded: Loaded, body: dict[str, Any], tools: list[Mapping[str, Any]]) -> Reply:
    """A call of one of the tools."""
    template = await _json(loaded, "/apply-template", tool_choice.template_body(body))
    if not all(tool["name"] in str(template["prompt"]) for tool in tools):
        template = await _json(loaded, "/apply-template", tool_choice.template_body(body, tools))
    prompt, tool = str(template["prompt"]), tools[0]
    if len(tools) > 1:
        chosen = await _json(loaded, COMPLETION.path, tool_choice.choosing_body(body, tools, prompt))
        tool = next((tool for tool in tools if tool["name"] == chosen.get("content")), tool)
    said = await _json(loaded, COMPLETION.path, tool_choice.arguments_body(body, tool, prompt))
    answer = tool_choice.as_chat(str(tool["name"]), said, worker.name)
    if not body.get("stream"):
        return Reply(200, "application/json", json.dumps(answer).encode())
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    return Reply(200, "text/event-stream", tool_choice.as_stream(answer, with_usage=with_usage))


async def _json(loaded: Loaded, path: str, body: dict[str, Any]) -> dict[str, Any]:
    reply = await ask(loaded.session, loaded.base + path, body, loaded.headers, COMPLETION, from_llama)
    await reply.close()
    found: dict[str, Any] = json.loads(reply.first)
    return found


def _require_abilities(worker: Worker, loaded: Loaded, body: Mapping[str, Any]) -> None:
    """Raise ApiError for pictures to a model without eyes, sounds to one without ears, and thoughts of one without."""
    can = loaded.properties.get("modalities") or {}
    for sense in sorted(media_in(body)):
        if not can.get(sense):
            what = "pictures" if sense == "vision" else "sound"
            raise invalid(f"`{worker.name}` takes no {what}", "messages", "unsupported")
    template = str(loaded.properties.get("chat_template") or "")
    if thoughts_asked(body) and not any(word in template for word in ("think", "reason")):
        field = next(name for name in ("thinking", "reasoning", "reasoning_effort") if name in body)
        raise invalid(f"`{worker.name}` does not think before it answers", field, "unsupported")
