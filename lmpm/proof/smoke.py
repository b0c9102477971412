"""The smoke test: ask the model, judge what it answers, and say whether the task is really done."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING, Final

from lmpm.catalog import EmbeddingCase, FimCase, RankCase, SqlCase
from lmpm.engine import EngineLimits, EngineReport, Job, execute
from lmpm.gguf import parse_shard, read_file
from lmpm.proof.judge import Verdict, judge, judge_embeddings, judge_ranks
from lmpm.proof.result import MemoryCheck, SmokeResult
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmpm.catalog import SmokeTest
    from lmpm.engine import Generation
    from lmpm.run_config import RunConfig

NAME: Final = re.compile(r"\{(schema|question|prompt)\}")


def run_smoke(path: Path, test: SmokeTest, *, plan: RunConfig, limits: EngineLimits) -> SmokeResult:
    """Ask every case in one run of the engine and judge the answers.

    A wrong answer is a result that did not pass. Raises EngineError when the engine itself failed.
    """
    if test.kind == "rerank" and not has_classifier(path):
        return SmokeResult(passed=False, detail="the file has no classification head, so it ranks nothing")
    report = execute(job(path, test, plan), limits)
    if test.kind == "embeddings":
        verdicts = judge_embeddings(test, report.embeddings)
    elif test.kind == "rerank":
        verdicts = judge_ranks(test, report.scores)
    else:
        verdicts = judge(test, report.generations)
    return summarize(test, verdicts, report)


def has_classifier(path: Path) -> bool:
    """Whether a file holds what turns a reranker's vector into a score; of a split file it is taken to.

    Without it llama.cpp returns a part of the vector, which says nothing.
    """
    return parse_shard(path.name) is not None or any(
        tensor.name.startswith("cls") for tensor in read_file(path).tensors
    )


def job(path: Path, test: SmokeTest, plan: RunConfig) -> Job:
    """What the engine is asked: prompts, texts for vectors, holes to fill, or pairs to score."""
    plan = dataclasses.replace(plan, embeddings=test.silent, pooling="rank" if test.kind == "rerank" else plan.pooling)
    return Job(
        kind="run",
        path=os.fspath(path),
        texts=texts(test),
        pairs=pairs(test),
        plan=plan,
        max_tokens=test.max_tokens,
        stop=test.stop,
    )


def pairs(test: SmokeTest) -> tuple[tuple[str, str], ...]:
    """What stands before and after each hole, or the query with each of its two documents."""
    found: list[tuple[str, str]] = []
    for case in test.cases:
        if isinstance(case, FimCase):
            found.append((case.prefix, case.suffix))
        elif isinstance(case, RankCase):
            found += ((case.query, case.relevant), (case.query, case.irrelevant))
    return tuple(found)


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


def summarize(test: SmokeTest, verdicts: Sequence[Verdict], report: EngineReport) -> SmokeResult:
    """One result of all cases: it shows the first that failed, or else the first."""
    right = sum(verdict.passed for verdict in verdicts)
    passed = bool(verdicts) and right >= test.pass_cases
    first = next((verdict for verdict in verdicts if verdict.passed == passed), None)
    shown = first or Verdict(False, "the test has no cases")
    detail = f"{right} of {count(len(verdicts), 'answer')} right"
    if not passed:
        detail += f", {test.pass_cases} needed: {shown.detail}"
    generations = report.generations
    return SmokeResult(
        passed=passed,
        detail=detail,
        question=shown.question,
        answer=shown.answer,
        first_token_s=generations[0].first_token_s if generations else None,
        decode=_decode_speed(generations),
        peak_memory=report.peak_memory,
        engine_build=report.build,
        memory=MemoryCheck(estimated=None, planned=None, measured=measured) if (measured := _buffers(report)) else None,
        checks=tuple(f"{'ok' if item.passed else 'failed'}: {item.detail}" for item in verdicts),
    )


def _buffers(report: EngineReport) -> int:
    """Bytes of llama.cpp's buffers; one for computing that was reserved again counts once."""
    computing = {name: size for name, size in report.buffers if name.endswith("compute")}
    return sum(computing.values()) + sum(size for name, size in report.buffers if name not in computing)


def _decode_speed(generations: Sequence[Generation]) -> float | None:
    """Tokens per second of all answers together."""
    timed = [(item.tokens - 1, item.decode) for item in generations if item.decode]
    seconds = sum(tokens / speed for tokens, speed in timed)
    return sum(tokens for tokens, _ in timed) / seconds if seconds else None
