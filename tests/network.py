"""What stands between a client and the Hub in companies: TLS with a certificate of their own, and a proxy."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Serve = Callable[[socket.socket], None]


class Listener:
    """A server on loopback that handles each connection in a thread of its own."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        self.connections += 1
        with suppress(OSError), connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        """Talk to one client."""
        raise NotImplementedError


class TlsFront(Listener):
    """Speaks TLS, and hands what it hears to the server behind it."""

    def __init__(self, context: ssl.SSLContext, behind: int) -> None:
        super().__init__()
        self.context = context
        self.behind = behind
        self.refused = 0  # clients that did not believe the certificate

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        try:
            secure = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            self.refused += 1
            raise
        with secure, socket.create_connection(("127.0.0.1", self.behind)) as behind:
            pump(secure, behind)


class ConnectProxy(Listener):
    """An HTTP proxy that knows CONNECT alone; `asked` is where it was told to connect to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096) or b"\r\n\r\n"
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.asked.append(target)
        if method != "CONNECT":
            connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as beyond:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pump(connection, beyond)


def pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both ends are done."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join()
