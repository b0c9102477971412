"""A deadline for the head of an answer, which HTTP clients do not have: their timeout begins anew with every byte."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

LOOK_S: Final = 0.2  # between two looks at whether an answer has begun


def limit_head(manager: Any, seconds: float) -> None:
    """Make the connections of a urllib3 pool manager end when the head of an answer takes longer than this."""
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Limited:
        def getresponse(self) -> Any:
            timer = threading.Timer(seconds, self._end)
            timer.daemon = True
            timer.start()
            try:
                return super().getresponse()  # type: ignore[misc]
            finally:
                timer.cancel()

        def _end(self) -> None:
            with contextlib.suppress(OSError, AttributeError):  # it has ended by itself
                self.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]

    plain = type("Plain", (Limited, HTTPConnection), {})
    secure = type("Secure", (Limited, HTTPSConnection), {})
    manager.pool_classes_by_scheme = {
        "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class HeadDeadline:
    """The same for huggingface_hub's client, which offers no way to end a connection: it is waited for no longer.

    Its hooks call `asked` and `answered`; `redirected` says whether an answer led elsewhere. The thread that is left
    waiting holds nothing that is needed.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.redirected = False
        self._asked_at: float | None = None

    def asked(self, _request: object) -> None:
        """Called when a request is about to be sent."""
        self._asked_at = time.monotonic()

    def answered(self, response: Any) -> None:
        """Called when the head of an answer is here."""
        self._asked_at = None
        self.redirected = self.redirected or response.has_redirect_location

    def call(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns or raises; TimeoutError when an answer does not begin in time."""
        done: SimpleQueue[tuple[Answer | None, BaseException | None]] = SimpleQueue()

        def work() -> None:
            try:
                done.put((ask(), None))
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                done.put((None, error))

        self._asked_at = None
        threading.Thread(target=work, name="metadata", daemon=True).start()
        while True:
            with contextlib.suppress(Empty):
                answer, error = done.get(timeout=LOOK_S)
                if error is not None:
                    raise error
                return answer  # type: ignore[return-value]
            since = self._asked_at
            if since is not None and time.monotonic() - since > self.seconds:
                raise TimeoutError(f"no answer in {self.seconds:g} s")
