"""The loopback hub: real HTTP servers around the repositories, with scripted faults and a log."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tests.loopback.content import ContentLike
from tests.loopback.log import LoggedRequest, RequestLog
from tests.loopback.message import Answer, Request, error
from tests.loopback.repository import Repository
from tests.loopback.routes import route
from tests.loopback.script import FaultScript
from tests.loopback.state import HubState, Token
from tests.loopback.wire import Wire

_POLL: Final = 0.05  # seconds at most until the accepting thread sees that it should end


class LoopbackHub:
    """A Hub on 127.0.0.1.

    `with LoopbackHub() as hub:` serves at `hub.endpoint`. `cdn=True` sends clients to a second origin for
    large files, as the real Hub does. Further options are the fields of `HubState`.
    """

    def __init__(
        self,
        *,
        cdn: bool = False,
        port: int = 0,
        on_request: Callable[[LoggedRequest], None] | None = None,
        **options: Any,
    ) -> None:
        self.state = HubState(**options)
        self.faults = FaultScript()
        self.requests = RequestLog()
        self.on_request = on_request
        self.stopping = threading.Event()
        self.failures: list[Exception] = []
        self._cdn = cdn
        self._port = port
        self._servers: list[_Server] = []

    def __enter__(self) -> LoopbackHub:
        self._start("hub", self._port)
        if self._cdn:
            self.state.cdn_endpoint = self._start("cdn", 0).endpoint
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self.stopping.set()
        for server in self._servers:
            server.stop()
        if self.failures and kind is None:
            raise RuntimeError("the hub itself failed to answer") from self.failures[0]

    def _start(self, origin: str, port: int) -> _Server:
        server = _Server(self, origin, port)
        self._servers.append(server)
        return server

    @property
    def endpoint(self) -> str:
        return self._servers[0].endpoint

    @property
    def cdn_endpoint(self) -> str:
        if self.state.cdn_endpoint is None:
            raise RuntimeError("this hub was started without `cdn=True`")
        return self.state.cdn_endpoint

    @property
    def tokens(self) -> dict[str, Token]:
        return self.state.tokens

    def add_repo(
        self, repo_id: str, files: Mapping[str, ContentLike], *, commit_id: str | None = None, **facts: Any
    ) -> Repository:
        """Add a model repository with one commit; `facts` are the fields of `Repository`.

        The commit's id follows from the files unless it is given.
        """
        return self.state.add_repo(repo_id, files, commit_id=commit_id, **facts)

    def commit(
        self, repo: str | Repository, files: Mapping[str, ContentLike | None], *, title: str = "Update files"
    ) -> str:
        """Change files on `main` (None takes one away) and return the new commit."""
        return self.state.commit(repo, files, title=title)

    def rewrite(self, repo: str | Repository, path: str, source: ContentLike) -> None:
        """Change a file behind the back of its commit: the same revision, other bytes, another sha256."""
        self.state.repo(repo).rewrite(path, source)

    def tag(self, repo: str | Repository, name: str, commit: str | None = None) -> None:
        self.state.tag(repo, name, commit)

    def rename(self, repo: str | Repository, new_id: str) -> Repository:
        return self.state.rename(repo, new_id)

    def delete(self, repo: str | Repository) -> None:
        self.state.delete(repo)

    def expire_signed_urls(self) -> None:
        self.state.expire_signed_urls()

    def url(self, repo: str | Repository, path: str, revision: str = "main") -> str:
        """The resolve address of a file."""
        repo_id = repo if isinstance(repo, str) else repo.id
        return f"{self.endpoint}/{repo_id}/resolve/{revision}/{path}"

    def count(self, method: str = "*", path: str = "*", *, origin: str = "*") -> int:
        return self.requests.count(method, path, origin=origin)

    def bytes_sent(self, path_suffix: str = "") -> int:
        return self.requests.bytes_sent(path_suffix)

    @property
    def cdn_requests(self) -> tuple[LoggedRequest, ...]:
        return self.requests.all(origin="cdn")

    def reset_log(self) -> None:
        self.requests.clear()

    def drop_connections(self) -> None:
        """End every open connection, as a network that goes away does."""
        for server in self._servers:
            server.drop_connections()

    def respond(self, request: Request) -> Answer:
        try:
            return self.faults.apply(request, lambda asked: route(self.state, asked))
        except Exception as failure:  # noqa: BLE001 - a mistake in the hub or its script, shown at the end
            self.failures.append(failure)
            return error(500, f"{type(failure).__name__}: {failure}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a handler that still stalls is ended by its connection, not waited for
    request_queue_size = 128

    def __init__(self, hub: LoopbackHub, origin: str, port: int) -> None:
        self.hub = hub
        self.origin = origin
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(_POLL,), daemon=True, name=origin).start()

    def server_bind(self) -> None:
        # HTTPServer would ask the DNS for its own name here, which takes seconds on some machines.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def opened(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    def drop_connections(self) -> None:
        with self._open_lock:
            for connection in self._open:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)  # wakes a handler that blocks in recv or send

    def stop(self) -> None:
        self.shutdown()
        self.drop_connections()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the game: nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # clients hang up when they please
            super().handle()

    def answer(self) -> None:
        hub = self.server.hub
        parts = urlsplit(self.path)
        request = Request(
            origin=self.server.origin,
            method=self.command,
            path=parts.path,
            query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            endpoint=self.server.endpoint,
        )
        logged = LoggedRequest(
            origin=request.origin,
            method=request.method,
            path=unquote(request.path),
            query=request.query,
            headers=dict(request.headers),
            connection=self.client_address[1],
        )
        hub.requests.add(logged)
        wire = Wire(self.connection, hub.stopping, logged)
        try:
            kept_alive = wire.send(hub.respond(request), head_only=self.command == "HEAD")
            self.close_connection = self.close_connection or not kept_alive
        finally:
            logged.finish()
            if hub.on_request is not None:
                hub.on_request(logged)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - the names are those of http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by http.server
        """Quiet: what was asked stands in `hub.requests`."""
