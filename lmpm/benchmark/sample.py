"""One request as a client sees it, and the figures of many.

- TTFT: from sending the request to the first delta that is not empty (thoughts count: they are what is waited for).
- TPOT: of the time after the first arrival of text, the share of each later token. Decode speed is its inverse.
- ITL: the gaps between two arrivals of text, which hold a token each for llama.cpp.
- E2EL: from sending to the end. Goodput: requests a second that keep every limit.
Deltas that come at once say when they were sent, not how fast they were written: of an answer less than half of whose
deltas came apart there is no TPOT and no ITL, and its decode speed is the server's own figure, or none.
Percentiles are those of `numpy.percentile` (linear between neighbours); p95 and p99 are not given below 20 samples, as
one slow answer would make them. Field names are those of vLLM's `vllm bench serve` (its `benchmarks/serve.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEAST_FOR_TAIL: Final = 20  # samples, for p95 and p99
# Deltas nearer than this came at once: waking a client takes about as long, and Chromium's clock is no finer where a
# page is not isolated (developer.mozilla.org, Performance.now).
APART_S: Final = 0.0001


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A request and its answer. Times are seconds from sending; `error` is why there is none, or not a whole one.

    `is_refused` says that none was begun. `sent_s` is when it was sent, on a clock that all samples of a run share.
    `deltas` are when text came. `tokens` are as many as there are deltas unless the server `counted` them. The server's
    own figures are milliseconds and tokens as llama.cpp states them, None from others.
    """

    sent_s: float
    ended_s: float = 0.0
    deltas: tuple[float, ...] = ()
    prompt_tokens: int = 0
    tokens: int = 0
    counted: bool = True
    cached_tokens: int = 0
    server_prompt_ms: float | None = None
    server_decode_ms: float | None = None
    error: str = ""
    is_refused: bool = False

    @property
    def first_token_s(self) -> float | None:
        """TTFT; None where no text came."""
        return self.deltas[0] if self.deltas else None

    @property
    def arrivals(self) -> list[float]:
        """When text came, deltas that came at once as one; empty where less than half of them came apart."""
        found: list[float] = []
        for moment in self.deltas:
            if not found or moment - found[-1] >= APART_S:
                found.append(moment)
        return found if 2 * len(found) >= len(self.deltas) else []

    @property
    def token_s(self) -> float | None:
        """TPOT; None for an answer that came at once, as one of a single token does."""
        arrivals = self.arrivals
        if len(arrivals) < 2 or self.tokens < 2:
            return None
        later = sum(moment >= arrivals[1] for moment in self.deltas)
        return (arrivals[-1] - arrivals[0]) / (self.tokens * later / len(self.deltas))

    @property
    def server_decode(self) -> float | None:
        """Tokens a second as the server says; its clock starts with the first token."""
        return _rate(self.tokens - 1, self.server_decode_ms)

    @property
    def decode(self) -> float | None:
        """Tokens a second of this answer: as they came, else as the server says, None where neither is known."""
        return 1 / self.token_s if self.token_s else self.server_decode

    @property
    def prefill(self) -> float | None:
        """Tokens a second of the prompt as the server says; None where half of it or more was kept from before."""
        if 2 * self.cached_tokens >= self.prompt_tokens:
            return None
        return _rate(self.prompt_tokens - self.cached_tokens, self.server_prompt_ms)

    def keeps(self, limits: Mapping[str, float]) -> bool:
        """Whether it is no slower than the limits, which are milliseconds by `ttft`, `tpot`, `e2el`.

        What came at once was not waited for token by token, and keeps any `tpot`.
        """
        found = {"ttft": self.first_token_s, "tpot": self.token_s, "e2el": self.ended_s}
        return not self.error and all((found[name] or 0.0) * 1000 <= most for name, most in limits.items())


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds of many samples; `p95` and `p99` are None below 20."""

    mean: float
    median: float
    std: float
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread | None:
        """The spread of times in seconds; None of none."""
        if not seconds:
            return None
        values = sorted(value * 1000 for value in seconds)
        mean = sum(values) / len(values)
        tail = len(values) >= LEAST_FOR_TAIL
        return cls(
            mean=mean,
            median=percentile(values, 50),
            std=math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)),
            p95=percentile(values, 95) if tail else None,
            p99=percentile(values, 99) if tail else None,
        )

    def as_json(self, name: str) -> dict[str, float]:
        """The spread by the field names of vLLM's benchmark; what is not given is left out."""
        found = {f"mean_{name}_ms": self.mean, f"median_{name}_ms": self.median, f"std_{name}_ms": self.std}
        tails = {f"p95_{name}_ms": self.p95, f"p99_{name}_ms": self.p99}
        return found | {key: value for key, value in tails.items() if value is not None}


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` per cent of ordered values lie, linear between neighbours."""
    at = (len(ordered) - 1) * share / 100
    below = math.floor(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a run at one concurrency showed. Speeds are tokens a second, `duration_s` from first sending to last end."""

    concurrency: int
    completed: int
    failed: int
    errors: Mapping[str, int]  # by what they say
    duration_s: float
    prompt_tokens: int
    tokens: int
    answer_tokens: float | None  # of one answer, in the median
    ttft: Spread | None
    tpot: Spread | None
    itl: Spread | None
    e2el: Spread | None
    decode: float | None  # of one answer, in the median
    decode_from_server: int  # of so many answers by the server's clock, since their text came at once
    uncounted: int  # answers whose tokens the server did not count
    prefill: float | None  # as the server says, in the median
    server_decode: float | None
    goodput: float | None  # requests a second

    def as_json(self) -> dict[str, Any]:
        """The figures by the field names of vLLM's benchmark, with lmpm's own beside them."""
        found: dict[str, Any] = {
            "max_concurrency": self.concurrency,
            "completed": self.completed,
            "failed": self.failed,
            "errors": dict(self.errors),
            "duration": self.duration_s,
            "total_input_tokens": self.prompt_tokens,
            "total_output_tokens": self.tokens,
            "median_answer_tokens": self.answer_tokens,
            "request_throughput": self.completed / self.duration_s if self.duration_s else 0.0,
            "output_throughput": self.throughput,
            "total_token_throughput": (self.tokens + self.prompt_tokens) / self.duration_s if self.duration_s else 0.0,
            "request_goodput": self.goodput,
            "decode_tok_s": self.decode,
            "decode_from_server": self.decode_from_server,
            "uncounted": self.uncounted,
            "server_prefill_tok_s": self.prefill,
            "server_decode_tok_s": self.server_decode,
        }
        for name, spread in (("ttft", self.ttft), ("tpot", self.tpot), ("itl", self.itl), ("e2el", self.e2el)):
            found |= spread.as_json(name) if spread else {}
        return found

    @property
    def throughput(self) -> float:
        """Tokens a second of all answers together."""
        return self.tokens / self.duration_s if self.duration_s else 0.0


def summarize(samples: Sequence[Sample], concurrency: int, limits: Mapping[str, float] | None = None) -> Figures:
    """The figures of a run. What failed is counted apart and is in no figure of time."""
    good = [sample for sample in samples if not sample.error]
    errors: dict[str, int] = {}
    for sample in samples:
        if sample.error:
            errors[sample.error] = errors.get(sample.error, 0) + 1
    began = min((sample.sent_s for sample in samples), default=0.0)
    ended = max((sample.sent_s + sample.ended_s for sample in samples), default=0.0)
    duration = max(ended - began, 0.0)
    per_token = [(sample, sample.token_s) for sample in good]
    kept = sum(sample.keeps(limits) for sample in good) if limits else 0
    return Figures(
        concurrency=concurrency,
        completed=len(good),
        failed=len(samples) - len(good),
        errors=errors,
        duration_s=duration,
        prompt_tokens=sum(sample.prompt_tokens for sample in good),
        tokens=sum(sample.tokens for sample in good),
        answer_tokens=_median([sample.tokens for sample in good]),
        ttft=Spread.of([sample.first_token_s for sample in good if sample.first_token_s is not None]),
        tpot=Spread.of([value for _, value in per_token if value is not None]),
        itl=Spread.of([gap for sample in good for gap in _gaps(sample.arrivals)]),
        e2el=Spread.of([sample.ended_s for sample in good]),
        decode=_median([sample.decode for sample in good]),
        decode_from_server=sum(value is None and sample.decode is not None for sample, value in per_token),
        uncounted=sum(not sample.counted for sample in good),
        prefill=_median([sample.prefill for sample in good]),
        server_decode=_median([sample.server_decode for sample in good]),
        goodput=kept / duration if limits and duration else None,
    )


def _gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def _rate(tokens: int, milliseconds: float | None) -> float | None:
    return tokens / milliseconds * 1000 if milliseconds and tokens > 0 else None


def _median(values: Sequence[float | None]) -> float | None:
    found = sorted(value for value in values if value is not None)
    return percentile(found, 50) if found else None
