"""How long failures that may pass are borne: the one rule for metadata and bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lmpm import limits
from lmpm.errors import NetworkError, OfflineError, RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Patience:
    """How often a request is tried, how long is waited in between, and how long silence is borne.

    Tests set the pauses to zero.
    """

    attempts: int = limits.TRANSFER_ATTEMPTS
    backoff_s: float = limits.BACKOFF_BASE_S
    backoff_cap_s: float = limits.BACKOFF_CAP_S
    stall_window_s: float = limits.SILENCE_S
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int, asked_s: float | None = None) -> float:
        """Seconds before the next try: what the server asked for, else doubling, capped, and spread.

        Spread, so that many clients of a server that comes back do not march in step.
        """
        if asked_s is not None:
            return asked_s
        import random  # of use after a failure alone

        wait = min(self.backoff_s * 2.0 ** (failures - 1), self.backoff_cap_s)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it

    def retry(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns, tried again after a NetworkError until the last attempt.

        A server that asks for a longer wait than is reasonable, and a network that is switched off, end it at once.
        """
        for failures in range(1, self.attempts):
            try:
                return ask()
            except OfflineError:
                raise
            except RateLimitedError as error:
                if (error.retry_after_s or 0.0) > limits.RETRY_AFTER_CAP_S:
                    raise
                wait = self.pause(failures, error.retry_after_s)
            except NetworkError:
                wait = self.pause(failures)
            self.sleep(wait)
        return ask()
