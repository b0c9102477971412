"""Chances of tokens in the shape of `/v1/completions`, where llama-server gives that of chat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def reshape(answer: Any, offsets: dict[int, int]) -> None:
    """Change an answer, or an event of a stream, in place. `offsets` keeps how long the text of each choice is."""
    for choice in answer.get("choices") or () if isinstance(answer, dict) else ():
        found, index = choice.get("logprobs"), int(choice.get("index", 0))
        if isinstance(found, dict) and isinstance(found.get("content"), list):
            choice["logprobs"] = _legacy(found["content"], offsets.get(index, 0))
        offsets[index] = offsets.get(index, 0) + len(str(choice.get("text", "")))


def reshape_events(data: bytes, offsets: dict[int, int]) -> bytes:
    """The same for the whole events in a piece of a stream."""
    lines = []
    for line in data.split(b"\n"):
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            reshape(event, offsets)
            line = b"data: " + json.dumps(event).encode()
        lines.append(line)
    return b"\n".join(lines)


def _legacy(tokens: list[Mapping[str, Any]], offset: int) -> dict[str, Any]:
    places = []
    for token in tokens:
        places.append(offset)
        offset += len(token["token"])
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [
            {other["token"]: other["logprob"] for other in token.get("top_logprobs") or ()} for token in tokens
        ],
        "text_offset": places,
    }
