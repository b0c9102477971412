"""Asking a loaded model a case, and judging what it answers."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from lmpm.engine import Options, asking
from lmpm.errors import TIMED_OUT, EngineError, LmpmError
from lmpm.proof.checks.code import Code
from lmpm.proof.checks.ranking import Ranking
from lmpm.proof.checks.rows import Rows
from lmpm.proof.judge import Verdict, cosine
from lmpm.recipe import constraint_of
from lmpm.sql import SMALL_BYTES, prepare, read_ddl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.engine import Answer, Session, TextKind
    from lmpm.proof.cases.records import Case
    from lmpm.recipe import Inputs, Recipe

SEED: Final = 0
ROOM_FOR_ANSWER: Final = 0.25  # of the context at most, where a recipe allows a longer one
GREEDY: Final = Options(temperature=0.0, seed=SEED)  # whatever the recipe says: an answer must be had again


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswer:
    """What a model answered and what that took; `scores` are those of documents, of a model that ranks them."""

    text: str = ""
    scores: tuple[float, ...] = ()
    first_token_s: float | None = None
    took_s: float | None = None
    prompt_tokens: int = 0
    tokens: int = 0
    is_cut: bool = False  # at the greatest number of tokens
    error: str = ""  # why there is no answer

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CaseAnswer:
        """The answer that `as_json` made. Raises TypeError, KeyError and ValueError."""
        return cls(**{**values, "scores": tuple(map(float, values["scores"]))})


class Askable(Protocol):
    """A model that is loaded, with its recipe. Methods raise EngineError, SpecError for inputs of another recipe."""

    @property
    def recipe(self) -> Recipe:
        """How it is asked."""

    @property
    def size(self) -> int:
        """Bytes of the weights."""

    def ask(self, inputs: Inputs, options: Options) -> Answer:
        """Its answer to named inputs."""

    def vectors(
        self, texts: Sequence[str], *, kind: TextKind = "", time_s: float | None = None
    ) -> list[tuple[float, ...]]:
        """A vector for each text."""

    def scores(self, query: str, documents: Sequence[str], *, time_s: float | None = None) -> list[float]:
        """How well each document answers a query."""

    def fits(self, inputs: Inputs) -> bool:
        """Whether inputs leave room for an answer in the context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionModel:
    """A session and a recipe as one model to ask."""

    session: Session
    recipe: Recipe
    size: int

    def ask(self, inputs: Inputs, options: Options) -> Answer:
        """Its answer, held to what the recipe says."""
        if options.grammar is None and options.schema is None and self.recipe.kind != "infill":
            held = constraint_of(self.recipe, inputs)
            options = dataclasses.replace(options, grammar=held.grammar, schema=held.schema)
        return asking.ask(self.session, self.recipe, inputs, options)

    def vectors(
        self, texts: Sequence[str], *, kind: TextKind = "", time_s: float | None = None
    ) -> list[tuple[float, ...]]:
        """A vector for each text."""
        return asking.embed(self.session, self.recipe, texts, kind=kind, time_s=time_s)

    def scores(self, query: str, documents: Sequence[str], *, time_s: float | None = None) -> list[float]:
        """How well each document answers a query."""
        return self.session.rerank(query, documents, time_s=time_s)

    def fits(self, inputs: Inputs) -> bool:
        """Whether the prompt of these inputs leaves room for an answer."""
        recipe, context = asking.asked_as(self.session, self.recipe), self.session.config.context
        prompt = recipe.prompt(inputs) if recipe.raw else self.session.apply_template(recipe.messages(inputs))
        room = min(recipe.max_tokens, int(context * ROOM_FOR_ANSWER))
        return len(self.session.tokenize(prompt)) + room <= context


def ask_case(model: Askable, case: Case, *, time_s: float | None = None) -> CaseAnswer:
    """The answer of a model to a case; none is a prompt that is too long, or what takes longer than the engine's limit.

    What takes longer than `time_s` is stopped. Raises EngineError of the kind `TIMED_OUT` then, EngineError where the
    engine failed altogether, SpecError for inputs of another recipe.
    """
    began = time.perf_counter()
    try:
        if isinstance(case.check, Ranking):
            found = CaseAnswer(scores=tuple(_rank(model, case, time_s)))
            return dataclasses.replace(found, took_s=time.perf_counter() - began)
        inputs, options = _asked(model, case)
        answer = model.ask(inputs, dataclasses.replace(options, time_s=time_s))
    except EngineError as error:
        if error.kind != "context-exceeded" and (error.kind != TIMED_OUT or time_s is not None):
            raise
        return CaseAnswer(error=error.message)
    return CaseAnswer(
        text=answer.text or _call(answer),
        first_token_s=answer.first_token_s,
        took_s=time.perf_counter() - began,
        prompt_tokens=answer.usage.prompt_tokens,
        tokens=answer.usage.completion_tokens,
        is_cut=answer.is_cut,
    )


def _asked(model: Askable, case: Case) -> tuple[Inputs, Options]:
    """What the recipe is given: of a schema the tables that `lmpm run` would show for the question, and its grammar."""
    inputs: Inputs = case.inputs
    schema, question = inputs.get("schema"), inputs.get("question")
    if not isinstance(case.check, Rows) or not isinstance(schema, str) or not isinstance(question, str):
        return inputs, GREEDY
    try:
        shown = prepare(
            read_ddl(schema),
            question,
            is_small=model.size < SMALL_BYTES,
            constrained=model.recipe.grammar == "sql",
            fits=lambda text: model.fits({**inputs, "schema": text}),
        )
    except EngineError:
        raise
    except LmpmError:  # another dialect: as it is written
        return inputs, GREEDY
    return {**inputs, "schema": shown.schema}, dataclasses.replace(GREEDY, grammar=shown.grammar)


def _rank(model: Askable, case: Case, time_s: float | None) -> list[float]:
    query, documents = str(case.inputs["query"]), [str(text) for text in case.inputs["documents"]]
    if model.recipe.kind == "rerank":
        return model.scores(query, documents, time_s=time_s)
    (asked,) = model.vectors([query], kind="query", time_s=time_s)
    return [cosine(asked, vector) or 0.0 for vector in model.vectors(documents, kind="document", time_s=time_s)]


def _call(answer: Answer) -> str:
    """The call of a function that an answer consists of, as the JSON that a text would have."""
    import json

    return json.dumps(answer.tool_calls[0]["function"]) if answer.tool_calls else ""


def judge_case(case: Case, answer: CaseAnswer) -> Verdict:
    """Whether an answer is as its case expects. Raises EngineError for code where this system cannot confine it."""
    if answer.error:
        return Verdict(False, answer.error)
    if isinstance(case.check, Ranking):
        return case.check.judge(answer.scores)
    if not answer.text.strip() and not isinstance(case.check, Code):
        return Verdict(False, "the answer is empty")
    return case.check.judge(answer.text)
