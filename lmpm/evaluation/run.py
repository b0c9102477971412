"""Asking contenders the cases, one after another; each answer is kept, so that a second run asks what is new."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Protocol

from lmpm.evaluation.records import Evaluation, Result, Score
from lmpm.fs import JsonCache
from lmpm.limits import MIB
from lmpm.proof import CaseAnswer, Code, judge_case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lmpm.cloud import Price
    from lmpm.proof import Case, CaseSet

SEED: Final = 0  # of every answer
MOST_ANSWERS: Final = 100_000
MOST_ANSWER_BYTES: Final = 256 * MIB


class Asker(Protocol):
    """A model that is loaded."""

    @property
    def load_s(self) -> float | None:
        """Seconds that loading took; None where nothing was loaded."""

    def ask(self, case: Case) -> CaseAnswer:
        """Its answer to a case. Raises EngineError and NetworkError."""

    def peak_memory(self) -> int | None:
        """The most memory that it took so far, in bytes; None where nobody says."""


class Contender(Protocol):
    """What is evaluated: a model's files, or a service, and a recipe. Opening it loads the model."""

    @property
    def label(self) -> str:
        """How it is shown."""

    @property
    def quant(self) -> str:
        """The quant of its file, empty where it has none."""

    @property
    def identity(self) -> str:
        """The SHA-256 of the files, or what a service calls the model."""

    @property
    def recipe(self) -> str:
        """A hash of how it is asked."""

    @property
    def build(self) -> str:
        """The build of its engine."""

    @property
    def price(self) -> Price | None:
        """What its answers cost; None for what is asked here, and where nobody says."""

    def open(self) -> AbstractContextManager[Asker]:
        """The loaded model. Raises EngineError."""


class Watcher:
    """Told how far an evaluation is. Every method does nothing here."""

    def began(self, contender: Contender, kept: int, number: int) -> None:
        """Called before a contender is asked; `kept` of the `number` answers are known from an earlier run."""

    def answered(self, contender: Contender, result: Result, done: int, number: int) -> None:
        """Called after each answer."""

    def ended(self, score: Score) -> None:
        """Called when a contender has answered all."""


def evaluate(
    name: str,
    cases: CaseSet,
    contenders: Sequence[Contender],
    *,
    kept: Path,
    machine: str,
    runs_code: bool = False,
    watcher: Watcher | None = None,
) -> Evaluation:
    """Ask each contender each case; answers are kept in the folder `kept`.

    A `KeyboardInterrupt` ends it: what was answered by then is in the result. Raises EngineError when a contender
    cannot be loaded.
    """
    told = watcher or Watcher()
    asked = tuple(case for case in cases.cases if runs_code or not isinstance(case.check, Code))
    answers = JsonCache(kept, most_bytes=MOST_ANSWER_BYTES, most_notes=MOST_ANSWERS)
    scores = []
    for contender in contenders:
        score = _score(contender, asked, answers, told)
        scores.append(score)
        told.ended(score)
        if score.is_cut_short:
            break
    return Evaluation(name=name, cases=cases, machine=machine, scores=tuple(scores), left_out=len(cases) - len(asked))


def unanswered(cases: CaseSet, contender: Contender, kept: Path) -> tuple[Case, ...]:
    """The cases that a contender has not answered in earlier runs."""
    answers = JsonCache(kept, most_bytes=MOST_ANSWER_BYTES, most_notes=MOST_ANSWERS)
    return tuple(case for case in cases.cases if _known(answers, contender, case) is None)


def _score(contender: Contender, cases: Sequence[Case], answers: JsonCache, told: Watcher) -> Score:
    known = {case.id: answer for case in cases if (answer := _known(answers, contender, case)) is not None}
    told.began(contender, len(known), len(cases))
    results: list[Result] = []
    asker: Asker | None = None
    is_cut_short = False
    with ExitStack() as stack:
        try:
            for case in cases:
                answer = known.get(case.id)
                if answer is None:
                    asker = asker or stack.enter_context(contender.open())
                    answer = asker.ask(case)
                    if not answer.error:
                        answers.put(answer.as_json(), *_key(contender, case))
                results.append(
                    Result(case=case, answer=answer, verdict=judge_case(case, answer), is_kept=case.id in known)
                )
                told.answered(contender, results[-1], len(results), len(cases))
        except KeyboardInterrupt:
            is_cut_short = True
        peak = asker.peak_memory() if asker and not is_cut_short else None
        load_s = asker.load_s if asker and not is_cut_short else None
    peak = _kept_peak(answers, contender, peak)
    return Score(
        label=contender.label,
        quant=contender.quant,
        build=contender.build,
        identity=contender.identity,
        recipe=contender.recipe,
        results=tuple(results),
        peak_memory=peak,
        load_s=load_s,
        is_cut_short=is_cut_short,
        cost=_cost(contender.price, results),
    )


def _cost(price: Price | None, results: Sequence[Result]) -> float | None:
    """Dollars for all answers; None without a price, and where the provider did not say of each what it took."""
    answers = [result.answer for result in results]
    if price is None or not all(answer.prompt_tokens for answer in answers):
        return None
    return price.of(sum(answer.prompt_tokens for answer in answers), sum(answer.tokens for answer in answers))


def _known(answers: JsonCache, contender: Contender, case: Case) -> CaseAnswer | None:
    found = answers.get(*_key(contender, case))
    try:
        return CaseAnswer.from_json(found)
    except (TypeError, ValueError, KeyError):
        return None


def _kept_peak(answers: JsonCache, contender: Contender, peak: int | None) -> int | None:
    """The most memory that a contender took in this run or, where it was not loaded, in the last one."""
    key = ("peak", contender.identity, contender.recipe, contender.build)
    if peak is not None:
        answers.put(peak, *key)
        return peak
    found = answers.get(*key)
    return found if isinstance(found, int) else None


def _key(contender: Contender, case: Case) -> tuple[str, ...]:
    return contender.identity, contender.recipe, case.asked, contender.build, str(SEED)
