"""The front's HTTP: requests are read and checked, answers are handed on as they come."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiohttp import web

from lmpm.server import page
from lmpm.server.parameters import check
from lmpm.server.problem import ApiError, invalid
from lmpm.server.reply import Stall
from lmpm.server.served import CHALLENGE, PROOF, proof_of
from lmpm.server.wire import WIRES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from lmpm.server.guard import Guard
    from lmpm.server.metrics import Metrics
    from lmpm.server.pool import Pool
    from lmpm.server.reply import Chunks
    from lmpm.server.router import Answered, Router
    from lmpm.server.wire import Wire

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY_BYTES: Final = 32 * 1024 * 1024  # pictures travel in it
BODY_S: Final = 60.0  # for a body to arrive
STALL_S: Final = 60.0  # for a client to take the next words
MOST_DEPTH: Final = 100  # of JSON in JSON; real schemas stay below 20
CLIENT_GONE: Final = 499
TOKENS: Final = {
    "lmpm_prompt_tokens_total": ("prompt_tokens", "input_tokens"),
    "lmpm_completion_tokens_total": ("completion_tokens", "output_tokens"),
}

log = logging.getLogger("lmpm.server")


class Front:
    """The endpoints over a pool and its routes. While `is_draining` it takes no new requests."""

    def __init__(self, pool: Pool, router: Router, guard: Guard, metrics: Metrics) -> None:
        self.pool, self.router, self.metrics = pool, router, metrics
        self._guard = guard
        self.is_draining = False
        self.active = 0
        self.secret = ""  # by which it proves that it left its note

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._outermost], client_max_size=MAX_BODY_BYTES)
        for wire in WIRES:
            app.router.add_post(wire.path, self._handler(wire))
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name}", self._model)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics_text)
        page.add_to(app.router)
        return app

    @web.middleware
    async def _outermost(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The guard, and every error in the form of its API."""
        is_anthropic = request.path.startswith("/v1/messages")
        try:
            self._guard.check(request.method, request.path, request.headers)
            self._require_open(request.path)
            return await handler(request)
        except ApiError as error:
            return _refusal(error, is_anthropic)
        except web.HTTPException as error:
            said = f"{request.method} {request.path[:200]}: {error.reason}"
            if any(f"/v1{request.path}" == wire.path for wire in WIRES):
                said += ". The base URL of this server ends in /v1"
            response = _refusal(ApiError(error.status, said, code="http_error"), is_anthropic)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return _refusal(ApiError(500, f"lmpm failed unexpectedly: {type(error).__name__}"), is_anthropic)

    def _require_open(self, path: str) -> None:
        if self.is_draining and path != "/metrics":
            raise ApiError(503, "The server is stopping", code="stopping", retry_after_s=5)

    def _handler(self, wire: Wire) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.active += 1
            try:
                return await self._answer(request, wire)
            finally:
                self.active -= 1
                self.pool.look_again()

        return handle

    async def _answer(self, request: web.Request, wire: Wire) -> web.StreamResponse:
        began = time.monotonic()
        body = await _read(request)
        check(wire, body)
        body = {name: value for name, value in body.items() if value is not None}
        route = self.router.find(body.get("model"))
        privacy = self.router.privacy_of(route, request.headers.get("x-lmpm-privacy"))
        try:
            answered = await self.router.answer(route, wire, body, privacy)
        except ApiError as error:
            labels = {"model": route.name, "target": "none", "status": str(error.status)}
            self.metrics.add("lmpm_requests_total", 1, labels)
            raise
        labels = {"model": route.name, "target": answered.target}
        status = CLIENT_GONE
        try:
            self.metrics.add("lmpm_first_token_seconds_sum", answered.reply.began_at - began, labels)
            self.metrics.add("lmpm_first_token_seconds_count", 1, labels)
            response = await self._hand_on(request, answered)
            status = 502 if answered.reply.is_cut else answered.reply.status
            return response
        finally:
            self.metrics.add("lmpm_requests_total", 1, labels | {"status": str(status)})
            self._count_tokens(answered, labels)
            await asyncio.shield(answered.reply.close())

    async def _hand_on(self, request: web.Request, answered: Answered) -> web.StreamResponse:
        reply = answered.reply
        headers = {
            "x-lmpm-model": quote(answered.model, safe=" /:.,"),
            "x-lmpm-target": quote(answered.target, safe=":"),
            "x-lmpm-reason": quote(answered.reason, safe=":,"),
            "Content-Type": reply.content_type,
            "Cache-Control": "no-store",
        }
        if reply.content_type == "application/json":
            return web.Response(body=reply.first, status=reply.status, headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        await response.prepare(request)
        await response.write(reply.first)
        if reply.rest is not None:
            await _pass_on(reply.rest, response, request.transport)
        await response.write_eof()
        return response

    def _count_tokens(self, answered: Answered, labels: Mapping[str, str]) -> None:
        try:
            figures = answered.reply.figures()
        except ValueError:
            return
        usage, timings = figures.get("usage") or {}, figures.get("timings") or {}
        counted = {
            "prompt_tokens": timings.get("prompt_n", 0) + timings.get("cache_n", 0),
            "completion_tokens": timings.get("predicted_n", 0),
        } | {name: value for name, value in usage.items() if isinstance(value, int)}
        for metric, names in TOKENS.items():
            self.metrics.add(metric, max(counted.get(name, 0) for name in names), labels)

    # -- what there is -----------------------------------------------------------------------------

    async def _models(self, _request: web.Request) -> web.Response:
        rows = [self._row(name) for name in (*self.pool.served, *self.router.routes)]
        memory = {"taken": self.pool.taken, "budget": self.pool.budget}
        return web.json_response({"object": "list", "data": rows, "lmpm": {"memory": memory}})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.pool.served and name not in self.router.routes:
            raise ApiError(404, f"The model `{name[:200]}` does not exist here", code="model_not_found", param="model")
        return web.json_response(self._row(name), headers=self._proof(request))

    def _row(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = {"id": name, "object": "model", "created": 0, "owned_by": "lmpm"}
        route = self.router.routes.get(name)
        if route is not None:
            fields = {key: list(item) if isinstance(item, tuple) else item for key, item in route.fields().items()}
            return row | {"lmpm": {"kind": "route", **fields}}
        worker = self.pool.workers[name]
        made = worker.deployment
        done, size = worker.brought or (0, 0)
        return row | {
            "lmpm": {
                "kind": made.kind, "task": made.task, "title": made.title, "state": worker.state,
                "progress": done / size if size else None, "problem": worker.problem or None,
                "context": made.context, "slots": made.slots, "memory": made.need, "active": worker.active,
                "waiting": worker.waiting, "bridge": self.router.bridge_of(name), **made.facts(),
            }
        }  # fmt: skip

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"}, headers=self._proof(request))

    def _proof(self, request: web.Request) -> dict[str, str]:
        """That this front left its note, for who read it there and asks."""
        challenge = request.headers.get(CHALLENGE, "")
        return {PROOF: proof_of(self.secret, challenge)} if self.secret and challenge else {}

    async def _metrics_text(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.metrics.text(self._gauges()), content_type="text/plain", charset="utf-8")

    def _gauges(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        for name, worker in self.pool.workers.items():
            labels = {"model": name}
            yield "lmpm_model_ready", labels, float(worker.state == "ready")
            yield "lmpm_model_active", labels, worker.active
            yield "lmpm_model_waiting", labels, worker.waiting
            yield "lmpm_model_starts_total", labels, worker.starts
        yield "lmpm_memory_bytes", {}, self.pool.taken
        yield "lmpm_memory_budget_bytes", {}, self.pool.budget


async def _pass_on(rest: Chunks, response: web.StreamResponse, transport: asyncio.Transport | None) -> None:
    """The rest of an answer to its client. One that takes nothing for a while is cut off: it keeps a slot from others.

    The loop is run for every token.
    """
    is_taking = False

    def cut_off() -> None:
        if is_taking and transport is not None:
            transport.abort()

    stall = Stall(STALL_S, cut_off)
    try:
        while chunk := await rest.read():
            is_taking = True
            await response.write(chunk)
            is_taking = False
            stall.moves += 1
    finally:
        stall.forget()


def _refusal(error: ApiError, is_anthropic: bool) -> web.Response:
    return web.json_response(error.body(anthropic=is_anthropic), status=error.status, headers=error.headers)


async def _read(request: web.Request) -> dict[str, Any]:
    """The object in a body. Raises ApiError for what is too large, too slow, cut off, too deep, or not an object."""
    try:
        async with asyncio.timeout(BODY_S):
            data = await request.read()
    except TimeoutError:
        raise ApiError(408, f"The body did not arrive within {BODY_S:g} s", code="timeout") from None
    except web.RequestPayloadError:
        raise invalid("The body is not whole: its encoding is broken", code="invalid_body") from None
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, f"The body is larger than {MAX_BODY_BYTES} bytes", code="too_large") from None
    try:
        body = json.loads(data)
        json.dumps(body, allow_nan=False).encode()  # lone surrogates and numbers that JSON has not
        depth = _depth(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body is not valid JSON: {type(error).__name__}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object", code="invalid_json")
    if depth > MOST_DEPTH:
        raise invalid(f"The body is nested deeper than {MOST_DEPTH}", code="invalid_json")
    return body


def _depth(value: Any) -> int:
    """How deep lists and objects are nested."""
    depth, level = 0, [value]
    while level := [
        item
        for holder in level
        if isinstance(holder, dict | list)
        for item in (holder.values() if isinstance(holder, dict) else holder)
    ]:
        depth += 1
        if depth > MOST_DEPTH:
            break
    return depth
