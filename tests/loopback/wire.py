"""Writes one answer to a socket, as well or as badly as the answer says."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from tests.loopback.content import CHUNK, File
from tests.loopback.log import LoggedRequest
from tests.loopback.message import BEFORE_HEADERS, Answer

_SENDFILE_PIECE: Final = 1 << 22  # bytes
_TICK: Final = 0.02  # seconds between two pieces of a throttled body
_DRAIN: Final = 2.0  # seconds that a reset waits for the client to have read what was sent


class Wire:
    """One answer on one connection."""

    def __init__(self, connection: socket.socket, stopping: threading.Event, logged: LoggedRequest) -> None:
        self._connection = connection
        self._stopping = stopping
        self._logged = logged

    def send(self, answer: Answer, *, head_only: bool) -> bool:
        """Send the answer; False if the connection is of no use afterwards."""
        self._pause(answer.delay)
        if answer.cut_at == BEFORE_HEADERS:
            return self._cut(answer)
        keeps_alive = answer.framing != "close" and answer.content_length is None
        self._logged.status = answer.status
        self._send_head(_head(answer, keeps_alive), answer.head_rate)
        if head_only:
            return keeps_alive
        stop = answer.end if answer.cut_at is None else min(answer.start + answer.cut_at, answer.end)
        self._body(answer, stop)
        if answer.cut_at is not None:
            return self._cut(answer) and keeps_alive and self._rest(answer, stop)
        while answer.endless and not self._stopping.is_set():
            self._body(answer, answer.end)
        if answer.framing == "chunked":
            self._connection.sendall(b"0\r\n\r\n")
        return keeps_alive

    def _send_head(self, head: bytes, rate: float | None) -> None:
        if rate is None:
            self._connection.sendall(head)
            return
        for byte in head:
            self._pause(1 / rate)
            self._connection.sendall(bytes([byte]))

    def _rest(self, answer: Answer, start: int) -> bool:
        """What follows a stall that has an end."""
        for piece in answer.content.chunks(start, answer.end):
            self._push(piece)
        return True

    def _body(self, answer: Answer, stop: int) -> None:
        if answer.rate is not None:
            self._throttled(answer, stop, answer.rate)
        elif isinstance(answer.content, File) and answer.framing != "chunked" and hasattr(os, "sendfile"):
            self._send_file(answer.content, answer.start, stop)
        else:
            for piece in answer.content.chunks(answer.start, stop):
                self._framed(piece, answer)

    def _framed(self, piece: bytes, answer: Answer) -> None:
        if answer.framing == "chunked":
            self._connection.sendall(b"%x\r\n" % len(piece))
        self._push(piece)
        if answer.framing == "chunked":
            self._connection.sendall(b"\r\n")

    def _push(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            self._logged.sending(len(left))
            sent = 0
            try:
                sent = self._connection.send(left)
            finally:
                self._logged.sent -= len(left) - sent
            left = left[sent:]

    def _send_file(self, content: File, start: int, stop: int) -> None:
        with content.path.open("rb") as file:
            while start < stop:
                piece = min(_SENDFILE_PIECE, stop - start)
                self._logged.sending(piece)
                sent = 0
                try:
                    sent = os.sendfile(self._connection.fileno(), file.fileno(), start, piece)
                finally:
                    self._logged.sent -= piece - sent
                if sent == 0:
                    raise ConnectionError(f"{content.path} became shorter")
                start += sent

    def _throttled(self, answer: Answer, stop: int, rate: float) -> None:
        """Send tick by tick: who asks each moment how much may go keeps a core busy that the client needs."""
        began, at = time.monotonic(), answer.start
        most = min(max(1, int(rate * _TICK)), CHUNK)
        while at < stop:
            piece = answer.content.read(at, min(most, stop - at))
            at += len(piece)
            self._pause(began + (at - answer.start) / rate - time.monotonic())
            self._framed(piece, answer)

    def _cut(self, answer: Answer) -> bool:
        """End, reset or stall; True if the answer may go on."""
        if answer.cut == "stall":
            return self._stall(answer.stall)
        if answer.cut == "reset":
            self._wait_until_read()
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self._connection.detach())  # at once: an orderly shutdown first would send FIN, not RST
        return False

    def _stall(self, seconds: float | None) -> bool:
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._pause(min(left, _TICK * 5))
            if self._client_is_gone():
                return False
        return True

    def _client_is_gone(self) -> bool:
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False

    def _wait_until_read(self) -> None:
        """A reset throws away what is still queued; wait, so that the client gets every byte before it."""
        until = time.monotonic() + _DRAIN
        while time.monotonic() < until:
            try:
                queued = fcntl.ioctl(self._connection, termios.TIOCOUTQ, b"\0\0\0\0")
            except OSError:
                return  # not to be asked here: the reset may then come a little early
            if queued == b"\0\0\0\0":
                return
            self._pause(0.001)

    def _pause(self, seconds: float) -> None:
        """Sleep, unless the hub ends."""
        if seconds > 0 and self._stopping.wait(seconds):
            raise ConnectionAbortedError("the hub ends")


def _head(answer: Answer, keeps_alive: bool) -> bytes:
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {reason}", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += _framing_headers(answer)
    lines += [] if keeps_alive else ["Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _framing_headers(answer: Answer) -> Iterator[str]:
    if answer.content_length is not None:
        yield f"Content-Length: {answer.content_length}"
    elif answer.framing == "chunked":
        yield "Transfer-Encoding: chunked"
    elif answer.framing == "length":
        yield f"Content-Length: {answer.length}"
