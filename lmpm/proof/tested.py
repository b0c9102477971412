"""What a lock keeps of a smoke test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What the smoke test showed when the rung was pinned.

    `engine` is the build of llama.cpp. The figures are kept where the machine was of the class of the
    declared target `on`, and only then: nothing else about a machine enters the lock.

    Where the project has checks, `score` is the share of `cases` that was right, and `checks` the sha256 of their file.
    """

    engine: str
    on: str | None = None
    decode: float | None = None  # tokens per second
    first_token_s: float | None = None
    score: float | None = None
    cases: int | None = None
    checks: str | None = None
