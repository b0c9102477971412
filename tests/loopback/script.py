"""When faults strike: which requests, how often, in what order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import unquote

from tests.loopback.faults import Fault
from tests.loopback.message import Answer, Request


@dataclass
class _Rule:
    fault: Fault
    match: str
    methods: tuple[str, ...]
    origin: str
    left: int | None
    skip: int

    def fits(self, request: Request) -> bool:
        return (
            request.method in self.methods
            and fnmatchcase(request.origin, self.origin)
            and fnmatchcase(unquote(request.path), self.match)
        )

    def spend(self) -> bool:
        """Whether the fault strikes this time."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


class FaultScript:
    """The faults in force, in the order of their being added; several may strike one request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []

    def add(
        self,
        fault: Fault,
        match: str = "*",
        *,
        times: int | None = None,
        skip: int = 0,
        method: str | None = None,
        origin: str = "*",
    ) -> None:
        """Let `fault` strike the requests whose path matches the shell pattern.

        `times=None` is for ever; the first `skip` requests go unharmed.
        """
        methods = fault.methods if method is None else (method,)
        with self._lock:
            self._rules.append(_Rule(fault, match, methods, origin, times, skip))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def apply(self, request: Request, respond: Callable[[Request], Answer]) -> Answer:
        """Answer the request with every fault that it meets."""
        with self._lock:
            rules = [rule for rule in self._rules if rule.fits(request)]
        if not rules:
            return respond(request)
        # An answer is needed to know whether a fault of bodies is due, and making one changes nothing.
        has_body = respond(request).status in (200, 206)
        with self._lock:
            due = [rule for rule in rules if has_body or not rule.fault.bodies_only]
            faults = [rule.fault for rule in due if rule.spend()]
        asked = request
        for fault in faults:
            asked = fault.on_request(asked)
        answer = respond(asked)
        for fault in faults:
            answer = fault.on_answer(request, answer)
        return answer
