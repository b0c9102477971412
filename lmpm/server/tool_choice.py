"""`tool_choice` that demands a call, held to by a grammar: llama-server takes such a demand and answers with prose.

The prompt is what the model's chat template makes of the conversation and the tools, and the beginning of a call. Which
function it is the model says under a grammar of their names, and the arguments under the schema of that function.
"""

from __future__ import annotations

import contextlib
import json
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
LONGEST_NAME: Final = 64  # tokens
ALONE: Final = {"n": 1, "logprobs": False}  # what a demanded call has not, and what asks for none of it
PASSED_ON: Final = frozenset(LLAMA) | {
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias",
}  # fmt: skip


def demanded_tools(wire: Wire, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tools one of which must be called; empty where none must. Raises ApiError for a demand without sense."""
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
    for field, harmless in ALONE.items():
        if body.get(field, harmless) != harmless:
            raise invalid(f"`{field}` does not go with a `tool_choice` that demands a call", field, "unsupported")
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


def template_body(body: Mapping[str, Any], told: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What `/apply-template` is asked; a template that knows of no tools has them `told` in words."""
    asked = {name: body[name] for name in ("messages", "tools", "chat_template_kwargs") if name in body}
    if told:
        listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in told)
        words = f"Call one of these functions. Answer with JSON that holds its `name` and `arguments`.\n{listed}"
        asked["messages"] = [{"role": "system", "content": words}, *asked["messages"]]
    return asked | {"tool_choice": "auto"}


def choosing_body(body: Mapping[str, Any], tools: Sequence[Mapping[str, Any]], prompt: str) -> dict[str, Any]:
    """What `/completion` is asked for the name of the function."""
    names = " | ".join(json.dumps(str(tool["name"]), ensure_ascii=False) for tool in tools)
    # a JSON string is a literal of GBNF: the same escapes (llama.cpp, grammars/README.md)
    return _asked(body) | {"prompt": f'{prompt}{{"name": "', "grammar": f"root ::= {names}", "n_predict": LONGEST_NAME}


def arguments_body(body: Mapping[str, Any], tool: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """What `/completion` is asked for the arguments of the function."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    begun = f'{prompt}{{"name": {json.dumps(tool["name"])}, "arguments": '
    schema = tool.get("parameters") or {"type": "object"}
    return _asked(body) | {"prompt": begun, "json_schema": schema, **({"n_predict": limit} if limit else {})}


def _asked(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in PASSED_ON}


def as_chat(name: str, said: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The arguments that `/completion` gave, as an answer of chat; an answer may be cut at its longest."""
    text, end = str(said.get("content", "")).strip(), "length"
    with contextlib.suppress(ValueError):
        text, end = json.dumps(json.loads(text), ensure_ascii=False), "tool_calls"
    call = {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": {"name": name, "arguments": text}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    prompt, answer = int(said.get("tokens_evaluated", 0)), int(said.get("tokens_predicted", 0))
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": end}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer},
        "timings": said.get("timings", {}),
    }


def as_stream(answer: Mapping[str, Any], *, with_usage: bool) -> bytes:
    """A whole answer as the events of a stream."""
    head = {name: answer[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    choice = answer["choices"][0]
    calls = [{"index": number, **call} for number, call in enumerate(choice["message"]["tool_calls"])]
    deltas: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": None, "tool_calls": calls}, None),
        ({}, choice["finish_reason"]),
    ]
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas]
    if with_usage:
        events.append({**head, "choices": [], "usage": answer["usage"], "timings": answer["timings"]})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
