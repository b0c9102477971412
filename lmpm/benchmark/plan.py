"""What is measured how often: targets in turns, phases, and concurrencies, in one run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from lmpm.benchmark.client import ask_all
from lmpm.benchmark.prompts import make_prompts
from lmpm.benchmark.sample import LEAST_FOR_TAIL, summarize
from lmpm.cloud import Cost
from lmpm.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lmpm.benchmark.sample import Figures, Sample
    from lmpm.benchmark.target import Target
    from lmpm.cloud import Price

Phase = Literal["warm", "hot"]
REQUESTS_A_CLIENT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run is made.

    `words` is how many of a prompt come to its tokens, 0: as many. `limits` are milliseconds by `ttft`, `tpot`, `e2el`,
    for goodput.
    """

    prompt_tokens: int
    answer_tokens: int
    concurrencies: tuple[int, ...] = (1,)
    rounds: int = 3
    requests: int | None = None  # of each round and concurrency; None: enough for percentiles
    turn_s: float = 60.0  # of each target, phase and concurrency in a round; what was not asked by then is left out
    phases: tuple[Phase, ...] = ("warm", "hot")
    limits: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    words: int = 0

    def number(self, concurrency: int) -> int:
        """Requests of a round."""
        return self.requests or max(math.ceil(LEAST_FOR_TAIL / self.rounds), REQUESTS_A_CLIENT * concurrency)

    def cost(self, price: Price | None) -> Cost:
        """What it takes to ask a provider, at most: what is not counted is asked and paid, too."""
        rounds = self.rounds * len(self.phases)
        number = 1 + sum(map(self.number, self.concurrencies)) * rounds
        first = self.rounds * len(self.concurrencies) * ("hot" in self.phases)  # of one token each
        return Cost.at(
            price,
            requests=number + first,
            read=(number + first) * self.prompt_tokens,
            written=number * self.answer_tokens + first,
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """What a target showed in one phase at one concurrency, over all rounds."""

    target: Target
    phase: Phase
    figures: Figures

    @property
    def cost(self) -> float | None:
        """US dollars for the answers; None where no price is stated, or tokens were not counted."""
        price, figures = self.target.price, self.figures
        return price.of(figures.prompt_tokens, figures.tokens) if price and not figures.uncounted else None


def measure(
    targets: Sequence[Target],
    settings: Settings,
    *,
    began: Callable[[Target, Phase, int, float], None] = lambda *_: None,
) -> list[Measured]:
    """Measure targets in turns: a round of each after the other, so that what the machine does besides meets all.

    In the phase `warm` every prompt is new; in `hot` all share their beginning, which was asked once before. What only
    the first request of a server pays for is paid before, by one that is not counted. `began` hears of each target,
    phase and concurrency whose turn it is, and which share of all turns is over. Raises NetworkError
    where a target refuses the very first request.
    """
    first = make_prompts(1, settings.words or settings.prompt_tokens, seed="first")
    for target in targets:
        (answer,) = ask_all(target, first, concurrency=1, max_tokens=settings.answer_tokens)
        if answer.is_refused:
            raise NetworkError(
                f"{target.label} does not answer: {answer.error}",
                hint=f"Is it running at {target.base_url}, and does it know the model `{target.model}`?",
            )
    alone = sum(target.is_single for target in targets)
    steps = len(targets) * len(settings.concurrencies) - alone * sum(number > 1 for number in settings.concurrencies)
    over, turns = 0, settings.rounds * len(settings.phases) * steps
    found: dict[tuple[str, Phase, int], list[Sample]] = {}
    for turn in range(settings.rounds):
        for phase in settings.phases:
            for concurrency in settings.concurrencies:
                prompts = make_prompts(
                    settings.number(concurrency), settings.words or settings.prompt_tokens,
                    seed=f"{settings.seed} {turn} {phase} {concurrency}", same_prefix=phase == "hot",
                )  # fmt: skip
                for target in _turned(targets, turn):
                    if target.is_single and concurrency > 1:
                        continue
                    began(target, phase, concurrency, over / turns)
                    over += 1
                    if phase == "hot":
                        ask_all(target, prompts[:1], concurrency=1, max_tokens=1)
                    samples = ask_all(
                        target, prompts, concurrency=concurrency, max_tokens=settings.answer_tokens,
                        most_s=settings.turn_s,
                    )  # fmt: skip
                    kept = found.setdefault((target.label, phase, concurrency), [])
                    kept += _joined(kept, samples)
    by_label = {target.label: target for target in targets}
    return [
        Measured(by_label[label], phase, summarize(samples, concurrency, settings.limits))
        for (label, phase, concurrency), samples in found.items()
    ]


def _turned(targets: Sequence[Target], turn: int) -> list[Target]:
    """The targets, another one first each time."""
    first = turn % len(targets)
    return [*targets[first:], *targets[:first]]


def _joined(before: Sequence[Sample], samples: Sequence[Sample]) -> list[Sample]:
    """Samples of a round as if it had begun when the last one ended: the time of other targets is not theirs."""
    end = max((sample.sent_s + sample.ended_s for sample in before), default=0.0)
    first = min((sample.sent_s for sample in samples), default=0.0)
    return [replace(sample, sent_s=sample.sent_s - first + end) for sample in samples]
