"""A project's own checks: cases that a model is asked where it is installed and verified."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.engine import Service, default_engine
from lmpm.errors import TIMED_OUT, EngineError
from lmpm.proof.cases.ask import SessionModel, ask_case, judge_case
from lmpm.proof.checks.code import Code
from lmpm.units import count, duration

if TYPE_CHECKING:
    from lmpm.engine import Engine, EngineLimits, Files
    from lmpm.proof.cases.ask import CaseAnswer
    from lmpm.proof.cases.records import Case, CaseSet
    from lmpm.recipe import Recipe
    from lmpm.run_config import RunConfig

FEW_CASES: Final = 10  # that are asked unless all are wanted
FEW_CASES_S: Final = 60.0  # within which they are asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the checks showed. `sha256` is that of their file, `needed` the share that must be right; None: any.

    `late` are cases without an answer when the minute was over, `left_out` those that need code to be run.
    """

    right: int
    cases: int
    sha256: str
    needed: float | None = None
    late: int = 0
    left_out: int = 0
    wrong: tuple[str, ...] = ()  # ids of the cases that were not right
    took_s: float = 0.0

    @property
    def score(self) -> float:
        """The share that was right."""
        return self.right / self.cases if self.cases else 0.0

    @property
    def passed(self) -> bool:
        """Whether enough of those that were answered were right; where time let none be, nothing is shown."""
        return self.needed is None or (self.score >= self.needed if self.cases else not self.late)

    @property
    def detail(self) -> str:
        """`8 of 10 checks right, 80 % needed`."""
        words = f"{self.right} of {count(self.cases, 'check')} right"
        if self.late and not self.cases:
            words = f"no check answered within {duration(FEW_CASES_S)}"
        return words if self.needed is None else f"{words}, {self.needed * 100:g} % needed"

    @property
    def details(self) -> tuple[str, ...]:
        """Which cases were wrong, and how many had no answer in time."""
        wrong = f"wrong: {', '.join(self.wrong)}" if self.wrong else ""
        late = f"{self.late} not answered within {duration(FEW_CASES_S)}" if self.late else ""
        return tuple(filter(None, (wrong, late)))


def run_checks(
    files: Files,
    size: int,
    cases: CaseSet,
    recipe: Recipe,
    *,
    plan: RunConfig,
    limits: EngineLimits,
    engine: Engine | None = None,
    needed: float | None = None,
    full: bool = False,
) -> Checked:
    """Ask a model cases: all of them if `full`, else at most ten within a minute, the same ones each time.

    `size` is that of its weights in bytes.
    Code is not run here. Raises EngineError when the engine itself failed.
    """
    able = dataclasses.replace(cases, cases=tuple(case for case in cases.cases if not isinstance(case.check, Code)))
    asked = able if full else able.sample(FEW_CASES)
    plan = dataclasses.replace(plan, embeddings=not recipe.writes, pooling=recipe.pooling or plan.pooling)
    right = 0
    wrong: list[str] = []
    with (engine or default_engine()).open(
        files, plan, limits, Service(chats=recipe.writes and not recipe.raw)
    ) as held:
        began = time.monotonic()
        model = SessionModel(session=held, recipe=recipe, size=size)
        for case in asked.cases:
            left_s = None if full else began + FEW_CASES_S - time.monotonic()
            answer = _answer(model, case, left_s)
            if answer is None:
                break
            if judge_case(case, answer).passed:
                right += 1
            else:
                wrong.append(case.id)
        took_s = time.monotonic() - began
    number = right + len(wrong)
    return Checked(
        right=right,
        cases=number,
        sha256=cases.sha256,
        needed=needed,
        late=len(asked) - number,
        left_out=(len(cases) if full else min(len(cases), FEW_CASES)) - len(asked),
        wrong=tuple(wrong),
        took_s=took_s,
    )


def _answer(model: SessionModel, case: Case, left_s: float | None) -> CaseAnswer | None:
    """The answer, None where it does not come within what is left of the time; then it is stopped."""
    if left_s is not None and left_s <= 0:
        return None
    try:
        return ask_case(model, case, time_s=left_s)
    except EngineError as error:
        if left_s is None or error.kind != TIMED_OUT:
            raise
        return None
