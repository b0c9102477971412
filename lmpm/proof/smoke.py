"""The smoke test: ask the model, judge what it answers, and say whether the task is really done."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.catalog import EmbeddingCase, FimCase, JsonCase, LabelCase, RankCase, SqlCase, TextCase, ToolCase
from lmpm.engine import Service, asking, default_engine
from lmpm.gguf import parse_shard, read_file
from lmpm.proof.judge import Verdict, judge, judge_embeddings, judge_ranks
from lmpm.proof.pictures import read_picture
from lmpm.proof.result import MemoryCheck, SmokeResult
from lmpm.recipe import constraint_of
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lmpm.catalog import SmokeCase, SmokeTest
    from lmpm.engine import Engine, EngineLimits, Files, Generation, Session, SessionMemory
    from lmpm.recipe import Inputs, Recipe
    from lmpm.run_config import RunConfig

WITHOUT_THOUGHTS: Final = {"enable_thinking": False}  # what templates of models that can do both are told
THOUGHTS: Final = (("<think>", "</think>"), ("[THINK]", "[/THINK]"))  # marks of most models, and of Mistral's
HARMONY: Final = "<|start|>assistant"  # how a prompt in the format of gpt-oss ends
LEAST_S: Final = 0.001  # for an answer, when the time is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model answered in one session, in the order of the cases, and what that took."""

    build: str
    memory: SessionMemory
    generations: tuple[Generation, ...] = ()
    embeddings: tuple[tuple[float, ...], ...] = ()
    scores: tuple[float, ...] = ()


def run_smoke(
    files: Files,
    test: SmokeTest,
    recipe: Recipe,
    *,
    plan: RunConfig,
    limits: EngineLimits,
    engine: Engine | None = None,
    catalog: Path | None = None,
) -> SmokeResult:
    """Ask every case by the recipe in one session and judge the answers; `engine` None is the first that is installed.

    `catalog` is the directory that holds the pictures which cases name. A wrong answer is a result that did not pass.
    Raises EngineError when the engine itself failed.
    """
    if test.kind == "rerank" and not has_classifier(files.model):
        return SmokeResult(passed=False, detail="the file has no classification head, so it ranks nothing")
    if catalog is not None:
        test = test._replace(cases=tuple(with_pictures(case, recipe, catalog) for case in test.cases))
    answers = ask(files, test, recipe, plan=plan, limits=limits, engine=engine or default_engine())
    if test.kind == "embeddings":
        verdicts = judge_embeddings(test, answers.embeddings)
    elif test.kind == "rerank":
        verdicts = judge_ranks(test, answers.scores)
    else:
        verdicts = judge(test, answers.generations)
    return summarize(test, verdicts, answers)


def ask(
    files: Files, test: SmokeTest, recipe: Recipe, *, plan: RunConfig, limits: EngineLimits, engine: Engine
) -> Answers:
    """Put every case to a model, within the time of `limits` for all of them. Raises EngineError."""
    plan = dataclasses.replace(
        plan, embeddings=test.silent, pooling=asking.pooling_of(recipe, files.model) or plan.pooling
    )
    deadline = time.monotonic() + limits.time_s
    with engine.open(files, plan, limits, Service(chats=recipe.writes and not recipe.raw)) as session:

        def left() -> float:
            return max(deadline - time.monotonic(), LEAST_S)

        generations: list[Generation] = []
        embeddings: list[tuple[float, ...]] = []
        scores: list[float] = []
        if test.kind == "embeddings":
            for case in test.cases:
                if isinstance(case, EmbeddingCase):
                    embeddings += asking.embed(session, recipe, [case.anchor], kind="query", time_s=left())
                    near, far = case.near, case.far
                    embeddings += asking.embed(session, recipe, [near, far], kind="document", time_s=left())
        elif test.kind == "rerank":
            for query, documents in rankings(test):
                scores += session.rerank(query, documents, time_s=left())
        else:
            for case in test.cases:
                checked = not generations
                generations.append(_answer(session, recipe, case, test.max_tokens, left, checked=checked))
        return Answers(
            build=session.build,
            memory=session.memory(),
            generations=tuple(generations),
            embeddings=tuple(embeddings),
            scores=tuple(scores),
        )


def _answer(
    session: Session, recipe: Recipe, case: SmokeCase, longest: int, left: Callable[[], float], *, checked: bool
) -> Generation:
    """The answer to one case; `checked` looks whether it is computed with numbers that are none."""
    if isinstance(case, FimCase):
        return session.infill(case.prefix, case.suffix, max_tokens=longest, stop=recipe.stop, time_s=left())
    inputs = inputs_of(case)
    recipe = asking.asked_as(session, recipe)
    if shows_pictures(recipe, inputs):
        said = session.chat(
            recipe.messages(inputs), max_tokens=longest, temperature=0, time_s=left(),
            chat_template_kwargs=WITHOUT_THOUGHTS,
        )  # fmt: skip
        return dataclasses.replace(said.figures, text=said.text)
    prompt = recipe.prompt(inputs) if recipe.raw else prompt_at_once(session, recipe, inputs)
    held = constraint_of(recipe, inputs)
    answer = session.complete(
        prompt, max_tokens=longest, stop=recipe.stop, grammar=held.grammar, schema=held.schema, reuse=False,
        time_s=left(),
    )  # fmt: skip
    if not checked:
        return answer
    # a second look at the first token alone: probabilities of all would cost as much as the answers
    first = session.complete(prompt, max_tokens=1, checked=True, time_s=left())
    return dataclasses.replace(answer, finite=first.finite)


def prompt_at_once(session: Session, recipe: Recipe, inputs: Inputs) -> str:
    """The prompt in the file's chat template that a model answers without thinking first: a test has no time for it."""
    prompt = session.apply_template(recipe.messages(inputs), chat_template_kwargs=WITHOUT_THOUGHTS)
    for begin, end in THOUGHTS:
        if prompt.rstrip().endswith(begin):
            return f"{prompt.rstrip()}\n\n{end}\n\n"
    if prompt.endswith(HARMONY):
        return f"{prompt}<|channel|>final<|message|>"
    return prompt


def inputs_of(case: SmokeCase) -> Inputs:
    """What the recipe of a case's task is given."""
    if isinstance(case, SqlCase):
        return {"schema": case.schema, "question": case.question}
    if isinstance(case, TextCase | JsonCase | ToolCase | LabelCase):
        return case.inputs
    raise TypeError(f"{type(case).__name__} is not put in words")


def shows_pictures(recipe: Recipe, inputs: Inputs) -> bool:
    """Whether one of the inputs is a picture."""
    return any(item.is_image and item.name in inputs for item in recipe.inputs)


def with_pictures(case: SmokeCase, recipe: Recipe, catalog: Path) -> SmokeCase:
    """A case whose pictures, which it names by their paths in the catalog, are there as `data:` URLs."""
    if not isinstance(case, TextCase):
        return case
    images = {item.name for item in recipe.inputs if item.is_image}
    shown = {
        name: [read_picture(catalog / path) for path in ([value] if isinstance(value, str) else value)]
        for name, value in case.inputs.items()
        if name in images
    }
    return case._replace(inputs={**case.inputs, **_unpacked(recipe, shown)})


def _unpacked(recipe: Recipe, shown: dict[str, list[str]]) -> dict[str, str | list[str]]:
    """One picture as it is, where the recipe takes one."""
    return {
        item.name: shown[item.name] if item.is_list else shown[item.name][0]
        for item in recipe.inputs
        if item.name in shown
    }


def has_classifier(path: Path) -> bool:
    """Whether a file holds what turns a reranker's vector into a score; of a split file it is taken to.

    Without it llama.cpp returns a part of the vector, which says nothing.
    """
    return parse_shard(path.name) is not None or any(
        tensor.name.startswith("cls") for tensor in read_file(path).tensors
    )


def rankings(test: SmokeTest) -> tuple[tuple[str, tuple[str, str]], ...]:
    """Each query with the document that answers it and one that does not."""
    cases = (case for case in test.cases if isinstance(case, RankCase))
    return tuple((case.query, (case.relevant, case.irrelevant)) for case in cases)


def summarize(test: SmokeTest, verdicts: Sequence[Verdict], answers: Answers) -> SmokeResult:
    """One result of all cases: it shows the first that failed, or else the first."""
    right = sum(verdict.passed for verdict in verdicts)
    passed = bool(verdicts) and right >= test.pass_cases
    first = next((verdict for verdict in verdicts if verdict.passed == passed), None)
    shown = first or Verdict(False, "the test has no cases")
    detail = f"{right} of {count(len(verdicts), 'answer')} right"
    if not passed:
        detail += f", {test.pass_cases} needed: {shown.detail}"
    generations, measured = answers.generations, answers.memory.total
    return SmokeResult(
        passed=passed,
        detail=detail,
        question=shown.question,
        answer=shown.answer,
        first_token_s=generations[0].first_token_s if generations else None,
        decode=_decode_speed(generations),
        peak_memory=answers.memory.peak,
        engine_build=answers.build,
        memory=MemoryCheck(estimated=None, planned=None, measured=measured) if measured else None,
        checks=tuple(f"{'ok' if item.passed else 'failed'}: {item.detail}" for item in verdicts),
    )


def _decode_speed(generations: Sequence[Generation]) -> float | None:
    """Tokens per second of all answers together."""
    timed = [(item.tokens - 1, item.decode) for item in generations if item.decode]
    seconds = sum(tokens / speed for tokens, speed in timed)
    return sum(tokens for tokens, _ in timed) / seconds if seconds else None
