"""`tool_choice` that demands a call, held to by a grammar: llama-server takes such a demand and answers with prose.

The prompt is what the model's chat template makes of the conversation and the tools. The answer is then written under
a JSON schema that allows a call of one of the tools and nothing else.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from lmpm.server.parameters import LLAMA
from lmpm.server.problem import invalid
from lmpm.server.wire import CHAT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.server.wire import Wire

CHOICES: Final = ("auto", "none", "required")
BEGUN: Final = re.compile(r'\s*\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"arguments"\s*:\s*(.*?)\s*\}?\s*', re.DOTALL)
PASSED_ON: Final = frozenset(LLAMA) | {
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias",
}  # fmt: skip


def demanded_tools(wire: Wire, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tools one of which must be called; empty where none must. Raises ApiError for a demand that makes no sense."""
    choice = body.get("tool_choice")
    if wire.path != CHAT.path:
        kind = choice.get("type") if isinstance(choice, dict) else choice
        if kind not in (None, "auto", "none"):
            raise invalid(
                f"`tool_choice` that demands a call is supported at {CHAT.path} alone", "tool_choice", "unsupported"
            )
        return []
    tools = [_checked(tool, f"tools[{number}]") for number, tool in enumerate(body.get("tools") or ())]
    if isinstance(choice, str) and choice not in CHOICES:
        raise invalid("`tool_choice` must be `auto`, `none`, `required` or a function", "tool_choice", "invalid_value")
    if choice in (None, "auto", "none"):
        return []
    if not tools:
        raise invalid("`tool_choice` is only allowed when `tools` are specified", "tool_choice", "invalid_value")
    if choice == "required":
        return tools
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    named = [tool for tool in tools if tool["name"] == name]
    if not named:
        raise invalid("`tool_choice` names a function that is not among `tools`", "tool_choice", "invalid_value")
    return named


def _checked(tool: Any, place: str) -> Mapping[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise invalid(f"`{place}` must be a function with a name", place, "invalid_type")
    if not isinstance(function.get("parameters", {}), dict):
        raise invalid(f"`{place}.function.parameters` must be an object", place, "invalid_type")
    return function


def template_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """What `/apply-template` is asked."""
    asked = {name: body[name] for name in ("messages", "tools", "chat_template_kwargs") if name in body}
    return asked | {"tool_choice": "auto"}


def completion_body(body: Mapping[str, Any], tools: Sequence[Mapping[str, Any]], prompt: str) -> dict[str, Any]:
    """What `/completion` is asked."""
    asked = {name: value for name, value in body.items() if name in PASSED_ON}
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    calls = [
        {
            "type": "object",
            "properties": {"name": {"const": tool["name"]}, "arguments": tool.get("parameters") or {"type": "object"}},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in tools
    ]
    schema = calls[0] if len(calls) == 1 else {"anyOf": calls}
    return asked | {"prompt": prompt, "json_schema": schema, **({"n_predict": limit} if limit else {})}


def as_chat(said: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The answer of `/completion` as one of chat."""
    text = str(said.get("content", ""))
    name, arguments, is_whole = _call(text)
    call = {"id": f"call_{secrets.token_hex(12)}", "type": "function"}
    call |= {"function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call] if name else []}
    prompt, answer = int(said.get("tokens_evaluated", 0)), int(said.get("tokens_predicted", 0))
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if is_whole else "length"}
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer},
        "timings": said.get("timings", {}),
    }


def _call(text: str) -> tuple[str, str, bool]:
    """Name and arguments of a call, and whether it is whole: an answer may be cut at its longest."""
    try:
        found = json.loads(text)
        return str(found["name"]), json.dumps(found["arguments"], ensure_ascii=False), True
    except (ValueError, KeyError, TypeError):
        begun = BEGUN.fullmatch(text)
        return (begun[1], begun[2], False) if begun else ("", "", False)


def as_stream(answer: Mapping[str, Any], *, with_usage: bool) -> bytes:
    """A whole answer as the events of a stream."""
    head = {name: answer[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    choice = answer["choices"][0]
    calls = [{"index": number, **call} for number, call in enumerate(choice["message"]["tool_calls"])]
    deltas: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": None, **({"tool_calls": calls} if calls else {})}, None),
        ({}, choice["finish_reason"]),
    ]
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas]
    if with_usage:
        events.append({**head, "choices": [], "usage": answer["usage"], "timings": answer["timings"]})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
