"""What a lock keeps of a smoke test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What the smoke test showed when the rung was pinned.

    `engine` is the build of llama.cpp. The figures are kept where the machine was of the class of the
    declared target `on`, and only then: nothing else about a machine enters the lock.
    """

    engine: str
    on: str | None = None
    decode: float | None = None  # tokens per second
    first_token_s: float | None = None
