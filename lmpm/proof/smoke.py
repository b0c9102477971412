"""The smoke test: ask the model, judge what it answers, and say whether the task is really done."""

from __future__ import annotations

import dataclasses
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.catalog import EmbeddingCase, FimCase, RankCase, SqlCase
from lmpm.engine import Files, default_engine
from lmpm.gguf import parse_shard, read_file
from lmpm.proof.judge import Verdict, judge, judge_embeddings, judge_ranks
from lmpm.proof.result import MemoryCheck, SmokeResult
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmpm.catalog import SmokeTest
    from lmpm.engine import Engine, EngineLimits, Generation, SessionMemory
    from lmpm.run_config import RunConfig

NAME: Final = re.compile(r"\{(schema|question|prompt)\}")
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
    path: Path, test: SmokeTest, *, plan: RunConfig, limits: EngineLimits, engine: Engine | None = None
) -> SmokeResult:
    """Ask every case in one session and judge the answers; `engine` None is the first that is installed.

    A wrong answer is a result that did not pass. Raises EngineError when the engine itself failed.
    """
    if test.kind == "rerank" and not has_classifier(path):
        return SmokeResult(passed=False, detail="the file has no classification head, so it ranks nothing")
    answers = ask(path, test, plan=plan, limits=limits, engine=engine or default_engine())
    if test.kind == "embeddings":
        verdicts = judge_embeddings(test, answers.embeddings)
    elif test.kind == "rerank":
        verdicts = judge_ranks(test, answers.scores)
    else:
        verdicts = judge(test, answers.generations)
    return summarize(test, verdicts, answers)


def ask(path: Path, test: SmokeTest, *, plan: RunConfig, limits: EngineLimits, engine: Engine) -> Answers:
    """Put every case to a model, within the time of `limits` for all of them. Raises EngineError."""
    plan = dataclasses.replace(plan, embeddings=test.silent, pooling="rank" if test.kind == "rerank" else plan.pooling)
    deadline = time.monotonic() + limits.time_s
    with engine.open(Files(path), plan, limits) as session:

        def left() -> float:
            return max(deadline - time.monotonic(), LEAST_S)

        generations: list[Generation] = []
        embeddings: list[tuple[float, ...]] = []
        scores: list[float] = []
        if test.kind == "embeddings":
            embeddings += session.embed(texts(test), time_s=left())
        elif test.kind == "rerank":
            for query, documents in rankings(test):
                scores += session.rerank(query, documents, time_s=left())
        else:
            size, stop = test.max_tokens, test.stop
            generations += [
                session.complete(prompt, max_tokens=size, stop=stop, reuse=False, time_s=left())
                for prompt in texts(test)
            ]
            generations += [
                session.infill(prefix, suffix, max_tokens=size, stop=stop, time_s=left())
                for prefix, suffix in holes(test)
            ]
            # a second look at the first token alone: probabilities of all would cost as much as the answers
            if generations and (prompts := texts(test)):
                first = session.complete(prompts[0], max_tokens=1, checked=True, time_s=left())
                generations = [dataclasses.replace(item, finite=first.finite) for item in generations]
        return Answers(
            build=session.build,
            memory=session.memory(),
            generations=tuple(generations),
            embeddings=tuple(embeddings),
            scores=tuple(scores),
        )


def has_classifier(path: Path) -> bool:
    """Whether a file holds what turns a reranker's vector into a score; of a split file it is taken to.

    Without it llama.cpp returns a part of the vector, which says nothing.
    """
    return parse_shard(path.name) is not None or any(
        tensor.name.startswith("cls") for tensor in read_file(path).tensors
    )


def holes(test: SmokeTest) -> tuple[tuple[str, str], ...]:
    """What stands before and after each hole."""
    return tuple((case.prefix, case.suffix) for case in test.cases if isinstance(case, FimCase))


def rankings(test: SmokeTest) -> tuple[tuple[str, tuple[str, str]], ...]:
    """Each query with the document that answers it and one that does not."""
    cases = (case for case in test.cases if isinstance(case, RankCase))
    return tuple((case.query, (case.relevant, case.irrelevant)) for case in cases)


def texts(test: SmokeTest) -> tuple[str, ...]:
    """What goes through the model as it is: a prompt for each case, or the three texts of each embedding case."""
    found: list[str] = []
    for case in test.cases:
        if isinstance(case, SqlCase):
            found.append(_fill(test.prompt, {"schema": case.schema, "question": case.question}))
        elif isinstance(case, EmbeddingCase):
            found += (case.anchor, case.near, case.far)
        elif not isinstance(case, FimCase | RankCase):
            found.append(_fill(test.prompt or "{prompt}", {"prompt": case.prompt}))
    return tuple(found)


def _fill(template: str, values: dict[str, str]) -> str:
    return NAME.sub(lambda found: values.get(found[1], found[0]), template)


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
