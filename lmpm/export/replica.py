"""A replica of Ray Serve: it makes a project of the lock that it is given, loads the model, and answers over HTTP.

Ray imports this module by name on each node (`import_path` in the file of `lmpm export ray`): lmpm is installed there.
What it serves: `POST /` with the inputs of the recipe, `POST /v1/chat/completions` (also streamed) and
`POST /v1/embeddings` as OpenAI's API has them, `GET /v1/models`.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from lmpm.errors import LmpmError, SpecError
from lmpm.fs import atomic, disk_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from lmpm.project import Workspace
    from lmpm.runtime import Model


def build(args: Mapping[str, Any]) -> Any:
    """The application: `args` hold the `name` of the model and the text of the `lock` that pins it."""
    from ray import serve

    # the settings of the deployment, such as its number of replicas, are those of the file
    return serve.deployment(name="Replica")(Replica).bind(str(args["name"]), str(args["lock"]))


class Replica:
    """A loaded model that answers requests; Ray makes as many of them as there is work for."""

    def __init__(self, name: str, lock: str) -> None:
        from lmpm.runtime import find_subject, open_model

        workspace = _workspace(lock)
        self._model: Model = open_model(workspace, find_subject(workspace, name))

    def __del__(self) -> None:
        with suppress(AttributeError):  # it was not loaded
            self._model.close()

    async def __call__(self, request: Any) -> Any:
        """Answer an HTTP request of starlette's."""
        from starlette.responses import JSONResponse, StreamingResponse

        path, model = request.url.path.rstrip("/") or "/", self._model
        if request.method == "GET" and path in ("/", "/health"):
            return JSONResponse({"status": "ok", "model": model.name, "replica": os.getpid()})
        if request.method == "GET" and path == "/v1/models":
            return JSONResponse({"object": "list", "data": [{"id": model.name, "object": "model", "owned_by": "lmpm"}]})
        if request.method != "POST":
            return _error(JSONResponse, 405, "Ask with POST")
        try:
            asked = _object(await request.body())
            if path == "/":
                answer = await model.acall(**asked)
                return JSONResponse(_facts(model) | {"text": answer.text, "finish_reason": answer.finish_reason})
            if path == "/v1/embeddings":
                return JSONResponse(await _vectors(model, asked))
            if path != "/v1/chat/completions":
                return _error(JSONResponse, 404, f"Nothing is at {path}")
            if asked.get("stream"):
                return StreamingResponse(_events(model, asked), media_type="text/event-stream")
            return JSONResponse(await _completion(model, asked))
        except (SpecError, TypeError, ValueError, KeyError) as error:
            return _error(JSONResponse, 400, str(error))
        except LmpmError as error:
            return _error(JSONResponse, 500, error.message)


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise SpecError("The body is not an object of JSON")
    return found


def _workspace(lock: str) -> Workspace:
    """A project of the lock: the same for every replica of a node, so that what it names is kept there."""
    from lmpm.project import Environment, Workspace, hub_token

    environment = Environment.read(os.environ)
    folder = environment.home / "ray" / hashlib.sha256(lock.encode()).hexdigest()[:16]
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / "lmpm.lock", lock)
    return Workspace(
        environment=environment,
        directory=folder,
        offline=environment.offline_by is not None,
        token=partial(hub_token, environment),
    )


def _facts(model: Model) -> dict[str, Any]:
    return {"model": model.name, "replica": os.getpid()}


def _error(response: Any, status: int, message: str) -> Any:
    return response({"error": {"message": message, "code": status}}, status_code=status)


def _options(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request of OpenAI's API goes beside the messages."""
    from lmpm.engine import Options

    most = asked.get("max_completion_tokens", asked.get("max_tokens"))
    told: dict[str, Any] = {"options": Options(max_tokens=most, temperature=asked.get("temperature"))}
    return told | {key: asked[key] for key in ("tools", "tool_choice", "response_format") if asked.get(key) is not None}


async def _completion(model: Model, asked: Mapping[str, Any]) -> dict[str, Any]:
    answer = await model.achat(asked["messages"], **_options(asked))
    usage = answer.usage
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        **_facts(model),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text, **answer.message},
                "finish_reason": answer.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        },
    }


async def _events(model: Model, asked: Mapping[str, Any]) -> AsyncIterator[str]:
    """The answer as server-sent events; an error in the middle of it is one, too."""
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk", "created": int(time.time())}

    def event(delta: dict[str, Any], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps(head | _facts(model) | {'choices': [choice]})}\n\n"

    try:
        yield event({"role": "assistant", "content": ""})
        async for piece in model.astream_chat(asked["messages"], **_options(asked)):
            yield event({"content": piece})
        yield event({}, "stop")
        yield "data: [DONE]\n\n"
    except (LmpmError, TypeError, KeyError) as error:
        yield f"data: {json.dumps({'error': {'message': str(error), 'code': 500}})}\n\n"


async def _vectors(model: Model, asked: Mapping[str, Any]) -> dict[str, Any]:
    texts = asked["input"]
    rows = await model.aembed([texts] if isinstance(texts, str) else texts)
    data = [
        {"object": "embedding", "index": number, "embedding": [float(value) for value in row]}
        for number, row in enumerate(rows)
    ]
    return {"object": "list", **_facts(model), "data": data}
