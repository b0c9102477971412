"""llama-server's HTTP for a library that has none: the part of it that lmpm itself speaks, one answer at a time.

Runs in the child of a session. Chat templates are rendered by jinja2's sandbox, which comes with
llama-cpp-python; a JSON schema is turned into a grammar by llama-cpp-python's own code.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.native.child import load_library
from lmpm.engine.native.library import LlamaError
from lmpm.engine.native.model import Model, Reader, Writer
from lmpm.engine.native.prompts import query_with_document, with_hole
from lmpm.engine.protocol import Sampling
from lmpm.engine.worker import Listening
from lmpm.run_config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lmpm.engine.native.library import Library
    from lmpm.engine.protocol import Generation

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_GENERATED: Final = 1 << 20  # tokens, where the request does not say how many
STATUS: Final = {"prompt": 400, "grammar": 400, "template": 400, "unsupported": 501, "key": 401, "path": 404}
TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    501: "not_supported_error",
}


def prepare(_task: Mapping[str, Any]) -> None:
    """What is needed is imported with this module."""


def serve(task: Mapping[str, Any]) -> Listening:
    """Load the model and listen in a thread."""
    config = RunConfig(**task["config"])
    settings = task["settings"]
    library = load_library(task["library"])
    model = Served(library, settings["model.path"], config, adapters=settings.get("lora_adapters", ()))

    class Handler(_Handler):
        served, key = model, task["key"]

    server: ThreadingHTTPServer
    if task["socket"]:
        server = _UnixServer(task["socket"], Handler)
        url = f"unix://{task['socket']}"
    else:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Listening(url, os.getpid(), build=model.library.build)


class _UnixServer(ThreadingHTTPServer):
    address_family = getattr(socket, "AF_UNIX", socket.AF_INET)
    daemon_threads = True

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


class Served:
    """One loaded model; a lock lets one request in at a time."""

    def __init__(self, library: Library, path: str, config: RunConfig, *, adapters: Sequence[str] = ()) -> None:
        self.library, self.config = library, config
        self.model = Model(library, path, config, adapters=adapters)
        self.lock = threading.Lock()
        self.reader = Reader(self.model) if config.embeddings else None
        self.writer = None if config.embeddings else Writer(self.model)
        for name, size in library.buffers:  # as llama-server's log has them
            os.write(2, f"0.00.000.000 I {name} buffer size = {size / 1024 / 1024:.2f} MiB\n".encode())

    def complete(self, body: Mapping[str, Any], tell: Callable[[str], bool]) -> dict[str, Any]:
        """`/completion`."""
        prompt = body.get("prompt", "")
        parts = [prompt] if isinstance(prompt, str) else list(prompt)
        return self._write(self._tokens(parts), body, tell)

    def infill(self, body: Mapping[str, Any], tell: Callable[[str], bool]) -> dict[str, Any]:
        """`/infill`."""
        tokens = with_hole(self.model, str(body["input_prefix"]), str(body["input_suffix"]))
        if tokens is None:
            raise LlamaError("unsupported", "the file names no tokens for filling in the middle")
        return self._write(tokens, body, tell)

    def _tokens(self, parts: Sequence[int | str]) -> list[int]:
        tokens: list[int] = []
        for number, part in enumerate(parts):
            if isinstance(part, int):
                tokens.append(part)
            else:
                tokens += self.model.tokenize(part) if number == 0 else self.model.tokenize_part(part)
        return tokens

    def _write(self, tokens: Sequence[int], body: Mapping[str, Any], tell: Callable[[str], bool]) -> dict[str, Any]:
        if self.writer is None:
            raise LlamaError("unsupported", "the model was loaded for embeddings")
        room = self.config.context
        if len(tokens) >= room:
            raise _TooLongError(len(tokens), room)
        sampling = Sampling(
            temperature=float(body.get("temperature", 0.0)),
            top_k=body.get("top_k"),
            top_p=body.get("top_p"),
            min_p=body.get("min_p"),
            seed=int(body.get("seed", 0)),
        )
        limit = int(body.get("n_predict", -1))
        found = self.writer.complete(
            tokens,
            limit if limit >= 0 else MAX_GENERATED,
            tuple(body.get("stop") or ()),
            sampling,
            grammar=self._grammar(body),
            tell=tell,
        )
        return _completion(found, is_checked=bool(body.get("n_probs")))

    def _grammar(self, body: Mapping[str, Any]) -> str:
        schema = body.get("json_schema")
        if schema is None:
            return str(body.get("grammar") or "")
        from lmpm.engine.native.templates import grammar_of

        return grammar_of(schema)

    def embed(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """`/embeddings`."""
        reader = self._reader()
        vectors = [reader.embed(self.model.tokenize(text)) for text in texts]
        return [{"index": index, "embedding": [list(vector)]} for index, vector in enumerate(vectors)]

    def rerank(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        """`/rerank`."""
        if self.config.pooling != "rank":
            raise LlamaError("unsupported", "the model was not loaded for ranking")
        reader = self._reader()
        scores = [reader.embed(query_with_document(self.model, query, document))[0] for document in documents]
        return {"results": [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]}

    def _reader(self) -> Reader:
        if self.reader is None:
            raise LlamaError("unsupported", "the model was not loaded for embeddings")
        return self.reader

    @cached_property
    def template(self) -> Callable[[Mapping[str, Any]], str]:
        """The chat template of the file."""
        from lmpm.engine.native.templates import renderer

        return renderer(self.model)

    def chat(self, body: Mapping[str, Any], tell: Callable[[str], bool]) -> dict[str, Any]:
        """`/v1/chat/completions`, for words: calls of tools are not read out of the answer."""
        prompt = self.template(body)
        stop = body.get("stop") or ()
        asked = {
            **body,
            "n_predict": body.get("max_completion_tokens", body.get("max_tokens", -1)),
            "temperature": body.get("temperature", 0.8),
            "stop": (stop,) if isinstance(stop, str) else stop,
            "json_schema": _schema(body),
        }
        said = self._write(self.model.tokenize_prompt(prompt), asked, tell)
        finish = "length" if said["stop_type"] == "limit" else "stop"
        message = {"role": "assistant", "content": said["content"]}
        usage = {"prompt_tokens": said["tokens_evaluated"], "completion_tokens": said["tokens_predicted"]}
        return {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {**usage, "total_tokens": sum(usage.values())},
            "timings": said["timings"],
        }


class _TooLongError(Exception):
    """Raised for a prompt that leaves no room for an answer."""

    def __init__(self, tokens: int, room: int) -> None:
        super().__init__(f"request ({tokens} tokens) exceeds the available context size ({room} tokens)")
        self.tokens, self.room = tokens, room


def _schema(body: Mapping[str, Any]) -> object:
    wanted = body.get("response_format")
    if not isinstance(wanted, dict) or wanted.get("type") == "text":
        return None
    inner = wanted.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, dict) else wanted.get("schema")
    return schema if schema is not None else {"type": "object"}


def _completion(found: Generation, *, is_checked: bool) -> dict[str, Any]:
    prompt_ms = (found.first_token_s or 0.0) * 1000
    predicted_ms = (found.tokens - 1) / found.decode * 1000 if found.decode else 0.0
    timings = {
        "cache_n": 0,
        "prompt_n": found.prompt_tokens,
        "prompt_ms": prompt_ms,
        "prompt_per_second": found.prompt_tokens / prompt_ms * 1000 if prompt_ms else 0.0,
        "predicted_n": found.tokens,
        "predicted_ms": predicted_ms,
        "predicted_per_second": found.decode or 0.0,
    }
    return {
        "content": found.text,
        "stop": True,
        "stop_type": "limit" if found.ended_by == "length" else "eos",
        "tokens_predicted": found.tokens,
        "tokens_evaluated": found.prompt_tokens,
        "timings": timings,
        **({"completion_probabilities": [{"logprob": 0.0 if found.finite else None}]} if is_checked else {}),
    }


class _Handler(BaseHTTPRequestHandler):
    """Requests of one client, whose key is known."""

    served: Served
    key: str
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def address_string(self) -> str:
        """The other end of a UNIX socket has no address."""
        return "local"

    def do_GET(self) -> None:
        """`/health` and `/props`."""
        self._guarded(lambda: self._read(self.path))

    def do_POST(self) -> None:
        """Everything else."""
        self._guarded(self._post)

    def _read(self, path: str) -> object:
        if path == "/health":
            return {"status": "ok"}
        if path == "/props":
            config = self.served.config
            return {
                "total_slots": 1,
                "modalities": {"vision": False},
                "default_generation_settings": {"n_ctx": config.context},
            }
        raise LlamaError("path", "File Not Found")

    def _post(self) -> object:
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY_BYTES:
            raise LlamaError("prompt", "the request is too large")
        body = json.loads(self.rfile.read(size) or b"{}")
        if self.headers.get("Authorization") != f"Bearer {self.key}":
            raise LlamaError("key", "Invalid API Key")
        served, path = self.served, self.path
        if path == "/tokenize":
            take = served.model.tokenize if body.get("add_special") else served.model.tokenize_part
            return {"tokens": list(take(str(body["content"])))}
        if path == "/apply-template":
            return {"prompt": served.template(body)}
        with served.lock:
            if path == "/embeddings":
                texts = body["content"]
                return served.embed([texts] if isinstance(texts, str) else texts)
            if path == "/rerank":
                return served.rerank(body["query"], body["documents"])
            answers = {"/completion": served.complete, "/infill": served.infill, "/v1/chat/completions": served.chat}
            if path not in answers:
                raise LlamaError("path", "File Not Found")
            if body.get("stream"):
                self._streamed(answers[path], body, is_chat=path.startswith("/v1"))
                return None
            return answers[path](body, lambda _: True)

    def _streamed(self, answer: Callable[..., dict[str, Any]], body: Mapping[str, Any], *, is_chat: bool) -> None:
        """Events as llama-server sends them; a client that leaves ends the answer."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

        def tell(text: str) -> bool:
            piece = (
                {"choices": [{"index": 0, "delta": {"content": text}}]} if is_chat else {"content": text, "stop": False}
            )
            return self._event(piece)

        try:
            last = answer(body, tell)
        except Exception as error:  # noqa: BLE001 - the status line is already sent
            self._event({"error": _error(error)[1]})
            return
        if is_chat:
            choice = {"index": 0, "delta": {}, "finish_reason": last["choices"][0]["finish_reason"]}
            self._event({"choices": [choice], "usage": last["usage"], "timings": last["timings"]})
            self.wfile.write(b"data: [DONE]\n\n")
        else:
            self._event({**last, "content": ""})

    def _event(self, value: object) -> bool:
        try:
            self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
            self.wfile.flush()
        except OSError:
            return False
        return True

    def _guarded(self, answer: Callable[[], object]) -> None:
        try:
            status, said = 200, answer()
        except Exception as error:  # noqa: BLE001 - every failure is an answer
            status, said = _error(error)[0], {"error": _error(error)[1]}
        if said is None:
            return  # it was streamed
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _error(error: Exception) -> tuple[int, dict[str, Any]]:
    if isinstance(error, _TooLongError):
        sizes = {"n_prompt_tokens": error.tokens, "n_ctx": error.room}
        return 400, {"code": 400, "type": "exceed_context_size_error", "message": str(error), **sizes}
    status = STATUS.get(
        getattr(error, "kind", ""), 400 if isinstance(error, ValueError | KeyError | TypeError) else 500
    )
    return status, {"code": status, "type": TYPES.get(status, "server_error"), "message": str(error)}
