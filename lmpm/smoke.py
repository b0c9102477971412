"""The smoke test: ask the model, run what it answers, and say whether the task is really done."""

from __future__ import annotations

import dataclasses
import math
import operator
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.catalog.schema import EmbeddingCase, SqlCase, TextCase
from lmpm.engine import EngineLimits, EngineReport, Job, execute
from lmpm.query import QueryError, extract_sql, run_query, same_rows
from lmpm.types import MemoryCheck, SmokeResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmpm.catalog.schema import SmokeTest
    from lmpm.engine import Generation
    from lmpm.settings import Settings

NAME: Final = re.compile(r"\{(schema|question|prompt)\}")
SHOWN_ROWS: Final = 3
SHOWN_CHARS: Final = 80
REPLACEMENT: Final = "\ufffd"
GARBAGE_SHARE: Final = 0.1  # of an answer's characters; more is not text
LOOP_REPEATS: Final = 4  # of the same end of an answer, one after another
LOOP_CHARS: Final = 48  # that the repeats take together
SHORT_LOOP_REPEATS: Final = 8  # enough by themselves when they are nearly all of the answer
SHORT_LOOP_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one case passed, and why, in a line."""

    passed: bool
    detail: str
    question: str = ""
    answer: str = ""


def run_smoke(path: Path, test: SmokeTest, *, plan: Settings, limits: EngineLimits) -> SmokeResult:
    """Ask every case in one run of the engine and judge the answers.

    A wrong answer is a result that did not pass. Raises EngineError when the engine itself failed.
    """
    embedding = test.kind == "embeddings"
    job = Job(
        kind="run",
        path=os.fspath(path),
        texts=texts(test),
        plan=dataclasses.replace(plan, embeddings=embedding),
        max_tokens=test.max_tokens,
        stop=test.stop,
    )
    report = execute(job, limits)
    verdicts = judge_embeddings(test, report.embeddings) if embedding else judge(test, report.generations)
    return summarize(test, verdicts, report)


def texts(test: SmokeTest) -> tuple[str, ...]:
    """What goes through the model: a prompt for each case, or the three texts of each embedding case."""
    found: list[str] = []
    for case in test.cases:
        if isinstance(case, SqlCase):
            found.append(_fill(test.prompt, {"schema": case.schema, "question": case.question}))
        elif isinstance(case, TextCase):
            found.append(_fill(test.prompt or "{prompt}", {"prompt": case.prompt}))
        else:
            found += (case.anchor, case.near, case.far)
    return tuple(found)


def _fill(template: str, values: dict[str, str]) -> str:
    return NAME.sub(lambda found: values.get(found[1], found[0]), template)


def judge(test: SmokeTest, generations: Sequence[Generation]) -> list[Verdict]:
    """One verdict for each answer."""
    verdicts = []
    for case, generation in zip(test.cases, generations, strict=True):
        if isinstance(case, SqlCase):
            verdicts.append(_judge_generation(case.question, generation) or judge_sql(case, generation.text))
        elif isinstance(case, TextCase):
            verdicts.append(_judge_generation(case.prompt, generation) or judge_text(case, generation.text))
    return verdicts


def _judge_generation(question: str, generation: Generation) -> Verdict | None:
    """What is wrong with any answer, whatever was asked; None: nothing."""
    if not generation.finite:
        problem = "the model computes values that are no numbers"
    elif not generation.text.strip():
        problem = "the answer is empty"
    else:
        return None
    return Verdict(False, problem, question, generation.text)


def judge_sql(case: SqlCase, answer: str) -> Verdict:
    """Run the SQL of an answer on the case's database and compare the rows."""
    sql = extract_sql(answer)
    shown = sql or answer.strip()
    if not sql:
        return Verdict(False, "the answer holds no SQL", case.question, shown)
    try:
        rows = run_query(case.schema, case.rows, sql)
    except QueryError as error:
        return Verdict(False, f"the SQL fails: {error}", case.question, shown)
    if same_rows(rows, case.expected, ordered=case.ordered):
        return Verdict(True, f"{_count(len(rows), 'row')} as expected", case.question, shown)
    problem = f"expected {_show(case.expected)}, got {_show(rows)}"
    return Verdict(False, problem, case.question, shown)


def judge_text(case: TextCase, answer: str) -> Verdict:
    """Check that an answer is text, does not run in circles, and holds one of the expected words."""
    text = answer.strip()
    strange = sum(char == REPLACEMENT or (char < " " and char not in "\n\r\t") for char in text)
    if not text:
        problem = "the answer is empty"
    elif strange > GARBAGE_SHARE * len(text):
        problem = "the answer is not text"
    elif repeats(text):
        problem = "the answer repeats itself without end"
    elif case.expect and not any(word.casefold() in text.casefold() for word in case.expect):
        problem = "the answer has none of " + ", ".join(f"`{word}`" for word in case.expect)
    else:
        detail = next((word for word in case.expect if word.casefold() in text.casefold()), None)
        return Verdict(True, f"`{detail}` found" if detail else "text as expected", case.prompt, text)
    return Verdict(False, problem, case.prompt, text)


def repeats(text: str) -> bool:
    """Whether a text ends in a loop: the same token, phrase or lines again and again."""
    text = text.strip()
    for period in range(1, len(text) // LOOP_REPEATS + 1):
        unit = text[-period:]
        count = 1
        while text.endswith(unit, 0, len(text) - count * period):
            count += 1
        length = count * period
        if count >= LOOP_REPEATS and length >= LOOP_CHARS:
            return True
        if count >= SHORT_LOOP_REPEATS and length >= SHORT_LOOP_SHARE * len(text):
            return True
    return False


def judge_embeddings(test: SmokeTest, vectors: Sequence[Sequence[float]]) -> list[Verdict]:
    """One verdict for each case of three vectors: the near text must be nearer than the far one."""
    verdicts = []
    cases = [case for case in test.cases if isinstance(case, EmbeddingCase)]
    for number, case in enumerate(cases):
        anchor, near, far = vectors[3 * number : 3 * number + 3]
        verdicts.append(_judge_vectors(case, anchor, near, far))
    return verdicts


def _judge_vectors(
    case: EmbeddingCase, anchor: Sequence[float], near: Sequence[float], far: Sequence[float]
) -> Verdict:
    question = f"Is {case.anchor!r} nearer to {case.near!r} than to {case.far!r}?"
    if not all(math.isfinite(value) for vector in (anchor, near, far) for value in vector):
        return Verdict(False, "the embeddings hold values that are no numbers", question)
    closer, further = cosine(anchor, near), cosine(anchor, far)
    if closer is None or further is None:
        return Verdict(False, "an embedding is all zero", question)
    answer = f"similarity {closer:.3f} and {further:.3f}"
    if list(near) == list(far):
        return Verdict(False, "different texts have the same embedding", question, answer)
    if closer <= further:
        return Verdict(False, "the similar text is not the nearer one", question, answer)
    return Verdict(True, "the similar text is nearer", question, answer)


def cosine(left: Sequence[float], right: Sequence[float]) -> float | None:
    """The cosine of the angle between two vectors; None when one has no direction."""
    size = math.hypot(*left) * math.hypot(*right)
    return sum(map(operator.mul, left, right)) / size if size else None


def summarize(test: SmokeTest, verdicts: Sequence[Verdict], report: EngineReport) -> SmokeResult:
    """One result of all cases: it shows the first that failed, or else the first."""
    right = sum(verdict.passed for verdict in verdicts)
    passed = bool(verdicts) and right >= test.pass_cases
    first = next((verdict for verdict in verdicts if verdict.passed == passed), None)
    shown = first or Verdict(False, "the test has no cases")
    detail = f"{right} of {_count(len(verdicts), 'answer')} right"
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _show(rows: Sequence[Sequence[object]]) -> str:
    shown = ", ".join(repr(tuple(row)) for row in rows[:SHOWN_ROWS])
    shown = shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 1] + "…"
    return f"{_count(len(rows), 'row')}: {shown}" if rows else "no rows"
