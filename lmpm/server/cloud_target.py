"""Answering a request with a provider's model. What only lmpm or llama.cpp knows does not go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmpm.server.parameters import FIELDS, LLAMA
from lmpm.server.problem import ApiError
from lmpm.server.upstream import LostError, ask, connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.cloud import Provider
    from lmpm.server.reply import Reply
    from lmpm.server.wire import Wire

SILENCE_S: Final = 120.0
PASSING: Final = frozenset({408, 425, 429})  # beside those of 500 and above


async def answer(provider: Provider, key: str | None, wire: Wire, body: Mapping[str, Any]) -> Reply:
    """The reply once it has begun. Raises ApiError."""
    if key is None:
        why = f"{provider.api_key_env}, which has the key of `{provider.name}`, is not set"
        raise ApiError(503, why, code="provider_key_missing", falls_over=True)
    session, base = connect(provider.base_url, silence_s=SILENCE_S)
    try:
        reply = await ask(
            session,
            base + wire.path.removeprefix("/v1"),
            _body(wire, body, provider),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            wire,
            _refused,
        )
    except LostError as error:
        await session.close()
        raise ApiError(502, f"`{provider.name}` {error}", code="provider_failed", falls_over=True) from error
    except BaseException:
        await session.close()
        raise
    reply.closing.push_async_callback(session.close)
    return reply


def _body(wire: Wire, body: Mapping[str, Any], provider: Provider) -> dict[str, Any]:
    known = FIELDS[wire.path].keys() - LLAMA.keys() - {"lmpm"}
    return {name: value for name, value in body.items() if name in known} | {"model": provider.model}


def _refused(status: int, error: Mapping[str, Any]) -> ApiError:
    """A provider's error: the client's own where the request is to blame, ours where it is the provider or its key."""
    message = str(error.get("message") or f"The provider answered with status {status}")[:2000]
    code = error.get("code") if isinstance(error.get("code"), str) else None
    if status in PASSING or status >= 500:
        return ApiError(429 if status == 429 else 502, message, code=code or "provider_failed", falls_over=True)
    if status in (401, 402, 403):
        return ApiError(502, "The provider does not accept the key", code="provider_refused")
    if not 400 <= status < 500:
        return ApiError(502, f"The provider answered with status {status}", code="provider_failed", falls_over=True)
    param = error.get("param") if isinstance(error.get("param"), str) else None
    return ApiError(status, message, code=code, param=param)
