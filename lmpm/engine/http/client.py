"""A client of one llama-server on this machine, at a UNIX socket or a port of 127.0.0.1.

Each request has a connection of its own: llama-server closes an idle one at times just when the next request
goes out. Closing the connection is also what ends an answer that nobody wants any more.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lmpm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024  # vectors of many texts
MAX_LINE_BYTES: Final = 16 * 1024 * 1024  # of a streamed answer
END_OF_STREAM: Final = b"[DONE]"


class RefusedError(Exception):
    """The server answered with an error: its status, the type it gives, its message and what else it says."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "")))
        self.status = status
        self.type = str(error.get("type", ""))
        self.error = error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class Client:
    """Requests to the server at `url` (`unix:///path` or `http://127.0.0.1:port`) with its key.

    The methods raise RefusedError, TimeoutError when the time is over, and other OSError or HTTPException when the
    server is gone or not to be understood.
    """

    url: str
    key: str = field(repr=False)

    def ask(self, path: str, body: Mapping[str, Any] | None, time_s: float) -> Any:
        """The JSON of an answer; a GET without a body."""
        connection, response = self._begin(path, body, time_s)
        try:
            return _decoded(response)
        finally:
            connection.close()

    def stream(self, path: str, body: Mapping[str, Any], time_s: float) -> Iterator[Any]:
        """The JSON of each event of an answer, until it ends or the iterator is closed, which ends it there."""
        deadline = time.monotonic() + time_s
        connection, response = self._begin(path, {**body, "stream": True}, time_s)
        try:
            if response.status != http.client.OK:
                _decoded(response)
            while line := response.readline(MAX_LINE_BYTES):
                if time.monotonic() > deadline:  # the server's pings keep the connection alive
                    raise TimeoutError
                kind, _, data = line.strip().partition(b":")
                if kind == b"error":
                    raise RefusedError(http.client.INTERNAL_SERVER_ERROR, json.loads(data))
                if kind == b"data" and data.strip() != END_OF_STREAM:
                    event = json.loads(data)
                    if isinstance(event, dict) and isinstance(event.get("error"), dict):
                        raise RefusedError(http.client.INTERNAL_SERVER_ERROR, event["error"])
                    yield event
        finally:
            connection.close()

    def _begin(
        self, path: str, body: Mapping[str, Any] | None, time_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urlsplit(self.url)
        connection: http.client.HTTPConnection
        if parts.scheme == "unix":
            connection = _UnixConnection(parts.path, time_s)
        else:
            connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=time_s)
        data = None if body is None else _encoded(body)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", "Connection": "close"}
        try:
            connection.request("GET" if body is None else "POST", path, data, headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise


def _encoded(body: Mapping[str, Any]) -> bytes:
    """The JSON of a request. Raises SpecError for what is none: bytes, half a surrogate pair, NaN, a circle."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise SpecError("A text cannot be written as UTF-8: it has half a surrogate pair in it") from error
    except RecursionError as error:
        raise SpecError("What is asked is nested too deeply, or holds itself") from error
    except (TypeError, ValueError) as error:
        raise SpecError(f"What is asked cannot be written as JSON: {error}") from error


def _decoded(response: http.client.HTTPResponse) -> Any:
    data = response.read(MAX_ANSWER_BYTES)
    if response.status == http.client.OK:
        return json.loads(data)
    try:
        error = json.loads(data)["error"]
    except (ValueError, LookupError, TypeError):
        error = {}
    error = error if isinstance(error, dict) else {"message": str(error)}
    raise RefusedError(response.status, error)
