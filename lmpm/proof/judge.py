"""Whether an answer does its task: SQL is run, JSON is read, code is parsed, vectors and ranks are compared."""

from __future__ import annotations

import ast
import json
import math
import operator
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.catalog import EmbeddingCase, FimCase, JsonCase, LabelCase, RankCase, SqlCase, TextCase, ToolCase
from lmpm.proof.sqlite import rows_on, same_rows
from lmpm.sql import QueryError, extract_sql
from lmpm.units import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmpm.catalog import SmokeCase, SmokeTest
    from lmpm.engine import Generation

ASKED: Final = ("prompt", "question", "text")  # inputs that show what a case is about
SHOWN_ROWS: Final = 3
SHOWN_CHARS: Final = 80
REPLACEMENT: Final = "\ufffd"
GARBAGE_SHARE: Final = 0.1  # of an answer's characters; more is not text
LOOP_REPEATS: Final = 4  # of the same end of an answer, one after another
LOOP_CHARS: Final = 48  # that the repeats take together
SHORT_LOOP_REPEATS: Final = 8  # enough by themselves when they are nearly all of the answer
SHORT_LOOP_SHARE: Final = 0.8
MAX_CODE_CHARS: Final = 4096  # of an answer that is parsed: Python's own parser needs stack for what is deep
MAX_JSON_CHARS: Final = 16 * 1024
MAX_DEPTH: Final = 32  # of brackets in it


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one case passed, and why, in a line; `score` from 0 to 1 where an answer can be right in part."""

    passed: bool
    detail: str
    question: str = ""
    answer: str = ""
    score: float | None = None

    @property
    def value(self) -> float:
        """The score; of an answer that is right or wrong 1 or 0."""
        return float(self.passed) if self.score is None else self.score


def judge(test: SmokeTest, generations: Sequence[Generation]) -> list[Verdict]:
    """One verdict for each answer."""
    return [_judge(case, generation) for case, generation in zip(test.cases, generations, strict=True)]


def _judge(case: SmokeCase, generation: Generation) -> Verdict:
    question = question_of(case)
    wrong = _judge_generation(question, generation)
    if wrong is not None:
        return wrong
    if isinstance(case, SqlCase):
        return judge_sql(case, generation.text)
    if isinstance(case, TextCase):
        return judge_text(case, generation.text)
    if isinstance(case, FimCase):
        return judge_fim(case, generation.text)
    if isinstance(case, JsonCase):
        return judge_json(case, generation.text)
    if isinstance(case, ToolCase):
        return judge_tool(case, generation.text)
    if isinstance(case, LabelCase):
        return judge_label(case, generation.text)
    raise TypeError(f"{type(case).__name__} is not answered in words")


def question_of(case: SmokeCase) -> str:
    """What is asked, as it is shown to the user."""
    if isinstance(case, SqlCase):
        return case.question
    if isinstance(case, FimCase):
        return f"{case.prefix}…{case.suffix}"
    if isinstance(case, EmbeddingCase):
        return f"Is {case.anchor!r} nearer to {case.near!r} than to {case.far!r}?"
    if isinstance(case, RankCase):
        return f"Does {case.relevant!r} answer {case.query!r} better than {case.irrelevant!r}?"
    asked = (case.inputs.get(name) for name in ASKED)
    return next((text for text in asked if isinstance(text, str)), "What is written in the picture?")


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
        rows = rows_on(case.schema, case.rows, sql)
    except QueryError as error:
        return Verdict(False, f"the SQL fails: {error}", case.question, shown)
    if same_rows(rows, case.expected, ordered=case.ordered):
        return Verdict(True, f"{count(len(rows), 'row')} as expected", case.question, shown)
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
    elif case.expect and not any(_holds(text, word) for word in case.expect):
        problem = _none_of(case.expect)
    else:
        detail = next((word for word in case.expect if _holds(text, word)), None)
        return Verdict(True, f"`{detail}` found" if detail else "text as expected", question_of(case), text)
    return Verdict(False, problem, question_of(case), text)


def _holds(text: str, word: str) -> bool:
    """Whether a text holds a word or phrase in any case, not as part of a longer word or number."""
    before = r"(?<!\w)" if word[:1].isalnum() else ""
    after = r"(?!\w)" if word[-1:].isalnum() else ""
    return re.search(before + re.escape(word) + after, text, re.IGNORECASE) is not None


def _none_of(words: Sequence[str]) -> str:
    return "the answer has none of " + ", ".join(f"`{word}`" for word in words)


def judge_fim(case: FimCase, answer: str) -> Verdict:
    """Check that what fills the hole holds one of the expected pieces, and that the whole is Python."""
    question, shown = question_of(case), answer.strip("\n")
    found = next((piece for piece in case.expect if piece in answer), None)
    if found is None:
        return Verdict(False, _none_of(case.expect), question, shown)
    # a model may go on to a next line that the end of the answer cuts: the first is what completes
    wholes = (case.prefix + part + case.suffix for part in (answer, answer.split("\n", 1)[0]))
    if not any(_is_python(whole) for whole in wholes):
        return Verdict(False, "with the answer in it, the code is no Python", question, shown)
    return Verdict(True, f"`{found}` found, and the code is Python", question, shown)


def _is_python(code: str) -> bool:
    if len(code) > MAX_CODE_CHARS or _depth(code, "([{") > MAX_DEPTH:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _depth(text: str, opening: str) -> int:
    """How deep brackets may nest at most: what opens, whether it closes or not."""
    return sum(text.count(bracket) for bracket in opening)


def judge_json(case: JsonCase, answer: str) -> Verdict:
    """Check that an answer is a JSON object with the expected values."""
    values = find_object(answer)
    shown = answer.strip()
    if values is None:
        return Verdict(False, "the answer holds no JSON object", question_of(case), shown)
    missing = [name for name in (*case.expected, *case.fields) if name not in values]
    if missing:
        return Verdict(False, f"the JSON has no `{missing[0]}`", question_of(case), shown)
    wrong = _first_difference(values, case.expected)
    return Verdict(wrong is None, wrong or "JSON as expected", question_of(case), shown)


def judge_tool(case: ToolCase, answer: str) -> Verdict:
    """Check that an answer calls the right function with the right arguments, and with no others."""
    shown = answer.strip()
    call = find_object(answer)
    if call is None:
        return Verdict(False, "the answer holds no JSON object", question_of(case), shown)
    inner = call.get("function")
    call = inner if isinstance(inner, dict) else call
    arguments = call.get("arguments", call.get("parameters"))
    if call.get("name") != case.function:
        problem: str | None = f"expected a call of `{case.function}`, got `{call.get('name')}`"
    elif not isinstance(arguments, dict):
        problem = "the call has no arguments"
    elif extra := sorted(arguments.keys() - case.arguments.keys()):
        problem = f"the function has no argument `{extra[0]}`"
    elif missing := sorted(case.arguments.keys() - arguments.keys()):
        problem = f"the call has no `{missing[0]}`"
    else:
        problem = _first_difference(arguments, case.arguments)
    return Verdict(problem is None, problem or f"`{case.function}` called as expected", question_of(case), shown)


def find_object(answer: str) -> dict[str, object] | None:
    """The first JSON object of an answer, whatever stands around it; None: there is none."""
    text = answer[:MAX_JSON_CHARS]
    start = text.find("{")
    if start < 0 or _depth(text, "[{") > MAX_DEPTH:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _first_difference(found: Mapping[str, object], expected: Mapping[str, object]) -> str | None:
    for name, value in expected.items():
        if not _same(found[name], value):
            return f"`{name}`: expected {value!r}, got {found[name]!r}"[:SHOWN_CHARS]
    return None


def _same(found: object, expected: object) -> bool:
    """Texts without case and blanks around; numbers also as text; a bool is no number."""
    if isinstance(found, str):
        return found.strip().casefold() == str(expected).strip().casefold()
    return isinstance(found, bool) == isinstance(expected, bool) and found == expected


def judge_label(case: LabelCase, answer: str) -> Verdict:
    """Check that the first label which an answer names is the expected one."""
    shown = answer.strip()
    places = {label: _place(shown, label) for label in case.labels}
    named = [label for label, place in places.items() if place >= 0]
    if not named:
        return Verdict(False, _none_of(case.labels), question_of(case), shown)
    first = min(named, key=lambda label: (places[label], -len(label)))
    if first != case.expected:
        return Verdict(False, f"expected `{case.expected}`, got `{first}`", question_of(case), shown)
    return Verdict(True, f"`{first}` as expected", question_of(case), shown)


def _place(text: str, word: str) -> int:
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
    return found.start() if found else -1


def judge_ranks(test: SmokeTest, scores: Sequence[float]) -> list[Verdict]:
    """One verdict for each case of two scores: the relevant document must have the higher one."""
    cases = [case for case in test.cases if isinstance(case, RankCase)]
    return [_judge_rank(case, *scores[2 * number : 2 * number + 2]) for number, case in enumerate(cases)]


def _judge_rank(case: RankCase, relevant: float, irrelevant: float) -> Verdict:
    question, answer = question_of(case), f"scores {relevant:.3f} and {irrelevant:.3f}"
    if not (math.isfinite(relevant) and math.isfinite(irrelevant)):
        return Verdict(False, "the model computes values that are no numbers", question, answer)
    if relevant <= irrelevant:
        return Verdict(False, "the relevant document does not come first", question, answer)
    return Verdict(True, "the relevant document comes first", question, answer)


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
    question = question_of(case)
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


def _show(rows: Sequence[Sequence[object]]) -> str:
    shown = ", ".join(repr(tuple(row)) for row in rows[:SHOWN_ROWS])
    shown = shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 1] + "…"
    return f"{count(len(rows), 'row')}: {shown}" if rows else "no rows"
