"""What a request is refused or failed with, in the form that its client understands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error",
}  # fmt: skip


class ApiError(Exception):
    """An answer that is an error. `code` is a stable word for programs, `param` the field that is to blame.

    `retry_after_s` says when it may be worth trying again. `falls_over` says whether another target may do better.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,  # noqa: A002 - OpenAI's field
        retry_after_s: float | None = None,
        falls_over: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.type = type or ("invalid_request_error" if status < 500 else "server_error")
        self.retry_after_s, self.falls_over = retry_after_s, falls_over

    @property
    def headers(self) -> dict[str, str]:
        """When to try again, where that is known."""
        return {} if self.retry_after_s is None else {"Retry-After": str(max(1, round(self.retry_after_s)))}

    def body(self, *, anthropic: bool = False) -> dict[str, Any]:
        """The error as OpenAI's API has it, or as Anthropic's."""
        if anthropic:
            kind = ANTHROPIC_TYPES.get(self.status, "api_error")
            return {"type": "error", "error": {"type": kind, "message": self.message}}
        fields = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": fields}

    def event(self, *, anthropic: bool = False) -> bytes:
        """The error as the last event of a stream."""
        data = json.dumps(self.body(anthropic=anthropic))
        return (f"event: error\ndata: {data}\n\n" if anthropic else f"data: {data}\n\n").encode()


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400."""
    return ApiError(400, message, param=param, code=code)


def from_llama(status: int, error: Mapping[str, Any]) -> ApiError:
    """llama-server's error as OpenAI would say it: what the request asks for in vain is the request's fault."""
    message = str(error.get("message") or f"llama.cpp answered with status {status}")
    if error.get("type") == "exceed_context_size_error":
        tokens, room = int(error.get("n_prompt_tokens") or 0), int(error.get("n_ctx") or 0)
        over = f"The prompt has {tokens:,} tokens, {tokens - room:,} more than the context of {room:,}"
        return ApiError(400, over, code="context_length_exceeded", param="messages", falls_over=True)
    if status == 501 or "is not supported - hint" in message:  # what this model cannot do, whoever asks
        return invalid(message.partition(" - hint")[0].capitalize(), code="unsupported")
    if status < 500:
        return ApiError(400 if status in (401, 403) else status, message)
    return ApiError(502, message, code="engine_error", falls_over=True)
