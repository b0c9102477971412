"""What the hub was asked and what it sent: the record that tests assert on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(slots=True)
class LoggedRequest:
    """One request; `status` and `sent` grow while it is answered."""

    origin: str  # "hub" or "cdn"
    method: str
    path: str  # decoded, without the query
    query: str
    headers: dict[str, str]  # names in lower case
    connection: int  # the client's port: equal for requests on one kept-alive connection
    status: int = 0
    sent: int = 0  # bytes of the body handed to the network
    started: float = field(default_factory=time.monotonic)
    last_sent: float = 0.0  # when the latest piece of the body was sent
    finished: float | None = None  # None while it is being answered

    def sending(self, length: int) -> None:
        """Count before the network has the bytes: a client that got the last one must find it here."""
        self.sent += length
        self.last_sent = time.monotonic()

    def finish(self) -> None:
        self.finished = time.monotonic()

    @property
    def range(self) -> str | None:
        return self.headers.get("range")

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        asked = f" [{self.range}]" if self.range else ""
        origin = "" if self.origin == "hub" else f"{self.origin} "
        return f"{origin}{self.method} {self.path}{query}{asked} -> {self.status}, {self.sent:,} bytes"


class RequestLog:
    """Requests in the order in which they came, safe to read while the server works."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[LoggedRequest] = []

    def add(self, request: LoggedRequest) -> None:
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def all(self, method: str = "*", path: str = "*", *, origin: str = "*") -> tuple[LoggedRequest, ...]:
        """The requests whose method, path and origin match these shell patterns."""
        with self._lock:
            requests = tuple(self._requests)
        return tuple(
            request
            for request in requests
            if fnmatchcase(request.method, method)
            and fnmatchcase(request.path, path)
            and fnmatchcase(request.origin, origin)
        )

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(self.all())

    def __len__(self) -> int:
        return len(self.all())

    def __getitem__(self, index: int) -> LoggedRequest:
        return self.all()[index]

    def count(self, method: str = "*", path: str = "*", *, origin: str = "*") -> int:
        return len(self.all(method, path, origin=origin))

    def bytes_sent(self, path_suffix: str = "") -> int:
        return sum(request.sent for request in self.all() if request.path.endswith(path_suffix))

    def most_at_once(self, method: str = "*", path: str = "*") -> int:
        """How many of the matching requests were being answered at the same moment, at most."""
        edges: list[tuple[float, int]] = []
        for request in self.all(method, path):
            edges.append((request.started, 1))
            # Not `finished`: the client's next request may come before this thread gets to note it.
            end = float("inf") if request.finished is None else max(request.started, request.last_sent)
            edges.append((end, -1))
        most = now = 0
        for _, step in sorted(edges):
            now += step
            most = max(most, now)
        return most

    def __str__(self) -> str:
        return "\n".join(str(request) for request in self)
